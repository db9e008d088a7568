/** Fields that say what the fields beside them mean. */
export const DISCRIMINATORS: readonly string[] = ["kind", "choice"];

/** A problem with one `path=value`. */
export class OverrideError extends Error {
  override name = "OverrideError";
}

/**
 * A copy of a configuration with `path=value` changes made: dots lead into it, the value is JSON where it parses as such and
 * else a text. Another `kind` or `choice` replaces what it stands in, since the fields beside it are no longer meant:
 * `train.horizon.kind=steps` drops the `budget` beside it.
 *
 *     applyOverrides(config, ["model.nLayer=4", "train.horizon.kind=steps", "train.horizon.steps=50"])
 *
 * Whether path and value are allowed is for the schema to say.
 */
export function applyOverrides<T extends object>(config: T, overrides: readonly string[]): T {
  const copy = structuredClone(config);
  for (const override of overrides) {
    const at = override.indexOf("=");
    if (at < 1) throw new OverrideError(`--set: must be path=value, got "${override}"`);
    setPath(copy as Record<string, unknown>, override.slice(0, at).split("."), parseValue(override.slice(at + 1)));
  }
  return copy;
}

function parseValue(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function setPath(target: Record<string, unknown>, path: readonly string[], value: unknown): void {
  const [key, ...rest] = path as [string, ...string[]];
  if (key === "__proto__") throw new OverrideError(`--set: "${key}" is no field`);
  if (rest.length === 0) {
    const isOtherKind = DISCRIMINATORS.includes(key) && Object.hasOwn(target, key) && target[key] !== value;
    if (isOtherKind) for (const other of Object.keys(target)) delete target[other];
    target[key] = value;
    return;
  }
  const inner = target[key];
  if (typeof inner !== "object" || inner === null || Array.isArray(inner)) target[key] = {};
  setPath(target[key] as Record<string, unknown>, rest, value);
}
