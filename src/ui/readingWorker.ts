import { serve } from "../runtime/worker.ts";
import { Reading, type ReadingData } from "./reading.ts";

await serve(async (data: ReadingData) => new Reading(data));
