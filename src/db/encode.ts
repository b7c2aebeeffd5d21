// Values on their way to PostgreSQL, in its text format. The driver must never get a value that it could fail to encode:
// such a failure shifts the answers on the connection and gives one request the rows of another. So everything is
// checked and written here, and the driver only ever sees strings and nulls.
import { Buffer } from "node:buffer";
import { AppError } from "../errors.ts";

/** A value for a json or jsonb parameter, already written as JSON text; made by `json()`. */
export class Json {
  constructor(readonly text: string) {}
}

/**
 * Marks a value to be sent as json or jsonb.
 * @throws AppError `invalid_value` when it has no JSON form (undefined, a function, a bigint, a cycle).
 */
export function json(value: unknown): Json {
  let text: string | undefined;
  try {
    text = JSON.stringify(value);
  } catch (cause) {
    throw new AppError("invalid_value", "The value cannot be written as JSON", { cause });
  }
  if (text === undefined) throw new AppError("invalid_value", "The value cannot be written as JSON");
  return new Json(text);
}

/**
 * Writes a value in PostgreSQL's text format; arrays become array literals, bytes the hex form of bytea.
 * The server infers the type from the statement, so `where id = ${id}` needs no cast.
 * @throws AppError `invalid_value` for undefined, NaN, infinities, invalid dates, text with NUL bytes or lone surrogates,
 * nested arrays, plain objects (use `json()`), functions and symbols. The message never repeats the value.
 */
export function encode(value: unknown): string | null {
  if (value === null) return null;
  if (typeof value === "string") return checkedText(value);
  if (Array.isArray(value)) return encodeArray(value);
  if (value instanceof Json) return value.text;
  if (value instanceof Uint8Array) {
    return "\\x" + Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("hex");
  }
  return encodeScalar(value);
}

function encodeScalar(value: unknown): string {
  switch (typeof value) {
    case "number":
      if (Number.isFinite(value)) return String(value);
      throw new AppError("invalid_value", "The number is not finite");
    case "boolean":
      return value ? "true" : "false"; // which json reads too
    case "bigint":
      return value.toString();
    case "undefined":
      throw new AppError("invalid_value", "A value is undefined");
  }
  if (value instanceof Date) {
    if (!Number.isNaN(value.getTime())) return value.toISOString();
    throw new AppError("invalid_value", "The date is not valid");
  }
  throw new AppError("invalid_value", "A value has no PostgreSQL form; objects need json()");
}

const NEEDS_ESCAPE = /["\\]/;

function encodeArray(values: readonly unknown[]): string {
  let literal = "{";
  for (let i = 0; i < values.length; i++) { // by index: a hole in the array reads as undefined and is refused
    const value = values[i];
    if (i > 0) literal += ",";
    if (value === null) literal += "NULL";
    else if (typeof value !== "string") literal += encodeScalar(value);
    else literal += NEEDS_ESCAPE.test(value) ? `"${value.replace(/["\\]/g, "\\$&")}"` : `"${value}"`;
  }
  return checkedText(literal + "}");
}

function checkedText(text: string): string {
  if (text.includes("\0")) throw new AppError("invalid_value", "The text contains a NUL byte");
  if (!text.isWellFormed()) throw new AppError("invalid_value", "The text is not valid Unicode");
  return text;
}
