/** Values that JSON can hold: what configurations, checkpoint state and metrics are made of. */
export type JsonValue = string | number | boolean | null | readonly JsonValue[] | JsonObject;

export interface JsonObject {
  readonly [key: string]: JsonValue;
}

/**
 * The one spelling of a JSON value that checksums are taken over: keys sorted, no white space, -0 kept.
 * As in JSON, a key whose value is undefined is a key that is absent.
 *
 * @throws where a value would not survive the round trip: NaN, infinities, functions, class instances.
 */
export function canonicalJson(value: JsonValue, path = "$"): string {
  if (value === null || typeof value === "boolean" || typeof value === "string") return JSON.stringify(value);
  if (typeof value === "number") return canonicalNumber(value, path);
  if (Array.isArray(value)) return `[${value.map((item, i) => canonicalJson(item, `${path}[${i}]`)).join(",")}]`;
  if (isPlainObject(value)) {
    const keys = Object.keys(value)
      .filter((key) => value[key] !== undefined)
      .sort();
    return `{${keys.map((key) => `${JSON.stringify(key)}:${canonicalJson(value[key]!, `${path}.${key}`)}`).join(",")}}`;
  }
  throw new Error(
    `canonicalJson: ${path} must be a JSON value, got ${describeValue(value)}; convert it to numbers, text, lists or plain objects`,
  );
}

/** Parses text that must be a JSON object; `where` and `subject` open the error. */
export function parseJsonObject(text: string, where: string, subject: string): JsonObject {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new Error(`${where}: ${subject} must hold JSON, got ${excerpt(text)}; restore it from a copy`, { cause });
  }
  if (isPlainObject(value)) return value as JsonObject;
  throw new Error(`${where}: ${subject} must hold a JSON object, got ${describeValue(value)}; restore it from a copy`);
}

export function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

/** The start of a text, quoted, short enough for an error message. */
export function excerpt(text: string): string {
  return JSON.stringify(shorten(text));
}

function shorten(text: string): string {
  return text.length > 60 ? `${text.slice(0, 60)}...` : text;
}

/** A value in few words, for an error message. */
export function describeValue(value: unknown): string {
  if (value === undefined) return "undefined";
  if (typeof value === "function") return "a function";
  if (typeof value === "bigint") return `the bigint ${value}`;
  if (typeof value === "symbol") return "a symbol";
  if (typeof value === "number") return String(value);
  const isInstance = typeof value === "object" && value !== null && !Array.isArray(value) && !isPlainObject(value);
  return isInstance ? `a ${value.constructor.name}` : shorten(JSON.stringify(value));
}

function canonicalNumber(value: number, path: string): string {
  if (!Number.isFinite(value)) {
    throw new Error(`canonicalJson: ${path} must be a finite number, got ${value}; store it as text or leave it out`);
  }
  return Object.is(value, -0) ? "-0" : JSON.stringify(value);
}
