// The few messages of PostgreSQL's protocol (version 3.0) that the wire writes or reads itself.
// Source: PostgreSQL documentation, "Frontend/Backend Protocol", "Message Formats".
import { Buffer } from "node:buffer";
import { AppError } from "../errors.ts";

/** Message types by their letter. The same letter may mean another thing in the other direction. */
export const code = (letter: string): number => letter.charCodeAt(0);

export const FRONT = {
  parse: code("P"),
  bind: code("B"),
  describe: code("D"),
  execute: code("E"),
  flush: code("H"),
  sync: code("S"),
  query: code("Q"),
  terminate: code("X"),
  secret: code("p"),
};

export const BACK = {
  authentication: code("R"),
  key: code("K"),
  parameter: code("S"),
  notice: code("N"),
  notification: code("A"),
  error: code("E"),
  ready: code("Z"),
  row: code("D"),
  complete: code("C"),
  parsed: code("1"),
  bound: code("2"),
  copyData: code("d"),
  copyIn: code("G"),
  copyOut: code("H"),
  copyBoth: code("W"),
  negotiate: code("v"),
};

/** Transaction status in ReadyForQuery. */
export const IDLE = code("I");
export const FAILED = code("E");

export function cstring(text: string): Buffer {
  return Buffer.from(text + "\0");
}

export function int16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeInt16BE(value);
  return bytes;
}

export function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}

export function message(type: number, ...parts: Uint8Array[]): Buffer {
  const length = parts.reduce((sum, part) => sum + part.length, 4);
  return Buffer.concat([Buffer.from([type]), int32(length), ...parts]);
}

/** ReadyForQuery with a transaction status. */
export function readyForQuery(status: number): Buffer {
  return message(BACK.ready, Buffer.from([status]));
}

/** An error as the server would send it; the driver makes a PostgresError of it. */
export function errorResponse(sqlstate: string, text: string): Buffer {
  return message(
    BACK.error,
    cstring("SERROR"),
    cstring("VERROR"),
    cstring("C" + sqlstate),
    cstring("M" + text),
    Buffer.alloc(1),
  );
}

/** What the pool needs to know of an ErrorResponse. */
export interface ServerError {
  severity: string;
  sqlstate: string;
  message: string;
  routine: string;
}

/** Reads the fields of an ErrorResponse whose message starts at `start` (its type byte) and ends before `end`. */
export function readError(bytes: Buffer, start: number, end: number): ServerError {
  const fields = bytes.toString("utf8", start + 5, end).split("\0");
  const field = (letter: string) => fields.find((text) => text[0] === letter)?.slice(1) ?? "";
  return { severity: field("V") || field("S"), sqlstate: field("C"), message: field("M"), routine: field("R") };
}

const MAX_CONTEXT_VALUE = 8192;
const TEXT_OID = 25;

/**
 * A statement that the pool sends before others, such as the tenant context: parsed once per connection under its
 * name, its values (all text) bound for each operation.
 */
export class ContextStatement {
  /** The Parse message. */
  readonly parse: Buffer;
  /** The same statement without a name, parsed each time: for behind a transaction pooler. */
  readonly unnamed: ContextStatement;
  readonly #bindHead: Buffer;
  readonly #tail: Buffer;

  constructor(readonly name: string, text: string, readonly parameters: number) {
    const types = Array.from({ length: parameters }, () => int32(TEXT_OID));
    this.unnamed = name === "" ? this : new ContextStatement("", text, parameters);
    this.parse = message(FRONT.parse, cstring(name), cstring(text), int16(parameters), ...types);
    this.#bindHead = Buffer.concat([cstring(""), cstring(name), int16(0), int16(parameters)]);
    this.#tail = Buffer.concat([int16(0), message(FRONT.execute, cstring(""), int32(0))]);
  }

  /**
   * The Bind and Execute messages of one operation.
   * @throws AppError `internal` unless there is exactly one text of at most 8,192 characters for each parameter.
   */
  bind(values: readonly string[]): Buffer {
    if (
      values.length !== this.parameters ||
      values.some((value) => typeof value !== "string" || value.length > MAX_CONTEXT_VALUE)
    ) throw new AppError("internal", `Context statement "${this.name}" needs ${this.parameters} texts`);
    const sizes = values.map((value) => Buffer.byteLength(value));
    const head = this.#bindHead;
    const bindEnd = 5 + head.length + sizes.reduce((sum, size) => sum + 4 + size, 0);
    const bytes = Buffer.allocUnsafe(bindEnd + this.#tail.length);
    bytes[0] = FRONT.bind;
    bytes.writeInt32BE(bindEnd + 1, 1); // less the type byte, plus the two bytes of result formats in the tail
    head.copy(bytes, 5);
    let at = 5 + head.length;
    values.forEach((value, i) => {
      at = bytes.writeInt32BE(sizes[i], at);
      at += bytes.write(value, at);
    });
    this.#tail.copy(bytes, at);
    return bytes;
  }
}

/**
 * Opens a transaction block; sent before the context of an operation with several statements. It names its modes: what
 * another guest left on the session is undone in the block, and could not change them any more.
 */
export const BEGIN = new ContextStatement("bulkhead_begin", "begin isolation level read committed not deferrable", 0);

/** Puts the settings of the session back to those of its start; sent before the context of another guest. */
export const RESET = new ContextStatement("bulkhead_reset", "reset all", 0);
