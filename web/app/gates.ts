import type { Gate } from "../../src/model/config.ts";

/** The gates of learned routing; the schema that has them would bring its library along. */
export const GATES = ["linear", "sigmoid", "tanh", "one"] as const satisfies readonly Gate[];

export const GATE_OPTIONS = GATES.map((gate) => ({ value: gate, text: gate }));
