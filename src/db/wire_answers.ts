// What comes back from the server, on its way to the driver: answers to the statements that the wire put in front are
// taken out, limits are kept, and what a scope must not see (COPY, messages nobody asked for) is refused.
import { Buffer } from "node:buffer";
import {
  BACK,
  type ContextStatement,
  cstring,
  message,
  readError,
  readyForQuery,
  type ServerError,
} from "./wire_messages.ts";

/** The largest message that is taken from a server. */
export const MAX_MESSAGE = 64 * 1024 * 1024;
/** The largest one that has to be held in memory whole before it is passed on (all but rows): errors repeat long values. */
const MAX_HELD = 4 * 1024 * 1024;

/** Resets the driver's row counter, which an error in mid-result leaves standing (postgres.js issue 1181). */
const RESET_ROWS = message(BACK.complete, cstring("SELECT 0"));

/** Error routines after which the driver would send the statement again by itself, without a context. */
const DRIVER_RETRIES = ["FetchPreparedStatement", "RevalidateCachedQuery", "transformAssignedExpr"];

/** How the tags begin of commands that leave nothing in the session; after SET, PREPARE, LISTEN, DO … nobody can tell. */
const LEAVE_NOTHING = ["SEL", "INS", "UPD", "DEL", "MER", "BEG", "COM", "ROL", "SAV", "REL"];

const COPY = [BACK.copyIn, BACK.copyOut, BACK.copyBoth];
const UNASKED = [BACK.notice, BACK.notification, BACK.parameter];
const ANSWERS = [..."12CDEINSAZTtn"].map((letter) => letter.charCodeAt(0));

/** Who is told what was seen. */
export interface Listener {
  forward(bytes: Buffer): void;
  ready(status: number): void;
  /** `retries`: the driver would retry after it; `inContext`: it came before the driver's own statement. */
  failed(error: ServerError, retries: boolean, inContext: boolean): void;
  /** Something was executed that may have left something in the session. */
  lasting(): void;
  /** The server did what it must not; nothing more is read. */
  refuse(sentence: string): void;
  /** What may come: nothing, parts of an answer (the group is not complete), or all of it up to ReadyForQuery. */
  expecting(): "nothing" | "parts" | "all";
}

export class Answers {
  /** Statements that this connection has parsed. */
  readonly known = new Set<string>();
  /** Bytes received since the last `startLease()`. */
  #received = 0;
  #byteLimit = Infinity;
  #carried: Buffer | null = null;
  #restOfRow = 0;
  #rowsSeen = false;
  #aside: ContextStatement | null = null; // until its own ReadyForQuery nothing is the driver's
  #swallow = 0;
  #parsing: string[] = [];
  #stopped = false;

  /** With `scoped`, COPY and everything unusual is refused. */
  constructor(readonly listener: Listener, readonly scoped: boolean) {}

  startLease(byteLimit: number): void {
    this.#received = 0;
    this.#byteLimit = byteLimit;
  }

  /** The answers to these statements come first and are not the driver's; before them those to `aside`, up to its Sync. */
  swallow(statements: readonly ContextStatement[], aside: ContextStatement | null = null): void {
    this.#aside = aside;
    this.#swallow = statements.length;
    this.#parsing = statements.filter((one) => !this.known.has(one.name)).map((one) => one.name);
  }

  /** What makes the driver's view whole again when the connection is cut while it waits for an answer. */
  farewell(status: number): Buffer {
    return Buffer.concat([Buffer.alloc(this.#restOfRow), RESET_ROWS, readyForQuery(status)]);
  }

  feed(chunk: Buffer): void {
    this.#received += chunk.length;
    if (this.#received > this.#byteLimit) return this.#refuse(`The server sent more than ${this.#byteLimit} bytes`);
    const bytes = this.#carried ? Buffer.concat([this.#carried, chunk]) : chunk;
    this.#carried = null;
    let at = Math.min(this.#restOfRow, bytes.length);
    this.#restOfRow -= at;
    let kept = 0; // start of what is to be forwarded
    while (bytes.length - at >= 5) {
      const end = this.#end(bytes, at);
      if (this.#stopped) return;
      if (end < 0) break;
      const isAside = this.#aside !== null && !UNASKED.includes(bytes[at]);
      const isError = bytes[at] === BACK.error && !isAside;
      const swallowed = isAside || this.#swallow > 0 && !UNASKED.includes(bytes[at]) && !isError;
      const resets = isError && this.#rowsSeen;
      if (swallowed || resets) {
        this.#forward(bytes, kept, at);
        kept = swallowed ? end : at;
      }
      if (resets) this.listener.forward(RESET_ROWS);
      if (isAside) this.#swallowAside(bytes[at]);
      else if (swallowed) this.#swallowOne(bytes[at]);
      else this.#take(bytes, at, end);
      if (this.#stopped) return;
      at = end;
    }
    this.#forward(bytes, kept, at);
    if (at < bytes.length) this.#carried = bytes.subarray(at);
  }

  /** Where the message at `at` ends; -1 if it must be waited for; rows are passed on in parts. */
  #end(bytes: Buffer, at: number): number {
    const type = bytes[at];
    const length = bytes.readUInt32BE(at + 1);
    const isRow = (type === BACK.row || type === BACK.copyData) && this.#swallow === 0;
    if (length < 4 || length > (isRow ? MAX_MESSAGE : MAX_HELD)) {
      this.#refuse("The server sent an oversized message");
      return -1;
    }
    const end = at + 1 + length;
    if (end <= bytes.length) return end;
    if (!isRow) return -1;
    this.#restOfRow = end - bytes.length;
    return bytes.length;
  }

  #swallowAside(type: number): void {
    if (type === BACK.parsed) this.known.add(this.#aside!.name);
    else if (type === BACK.ready) this.#aside = null;
  }

  #swallowOne(type: number): void {
    if (type === BACK.complete) this.#swallow--;
    else if (type === BACK.parsed) this.#parsed();
    else if (type !== BACK.bound && type !== BACK.row) this.#refuse("The server answered the context unexpectedly");
  }

  #parsed(): void {
    const name = this.#parsing.shift();
    if (name) this.known.add(name); // without a name it is parsed each time
  }

  #take(bytes: Buffer, at: number, end: number): void {
    const type = bytes[at];
    const expected = this.listener.expecting();
    if (type === BACK.row && expected !== "nothing") {
      this.#rowsSeen = true;
      return;
    }
    if (type === BACK.error) this.#fail(bytes, at, end);
    else if (type === BACK.parameter) this.listener.lasting(); // a setting such as DateStyle was changed
    if (!UNASKED.includes(type) && (expected === "nothing" || (expected === "parts" && type === BACK.ready))) {
      return this.#refuse("The server sent an answer that nobody asked for");
    }
    if (this.scoped && !ANSWERS.includes(type)) {
      const isCopy = COPY.includes(type);
      return this.#refuse(isCopy ? "COPY is not allowed in a scope" : "The server sent a message that is not allowed");
    }
    if (type === BACK.complete) {
      this.#rowsSeen = false;
      if (!LEAVE_NOTHING.includes(bytes.toString("latin1", at + 5, at + 8))) this.listener.lasting();
    } else if (type === BACK.ready) this.listener.ready(bytes[at + 5]);
  }

  #fail(bytes: Buffer, at: number, end: number): void {
    const error = readError(bytes, at, end);
    const retries = DRIVER_RETRIES.includes(error.routine);
    const inContext = this.#swallow > 0;
    // hidden from the driver: the pool does it, with the context and on a connection without old statements
    if (retries) bytes[bytes.indexOf(`\0R${error.routine}`, at) + 2] = "_".charCodeAt(0);
    this.#swallow = 0;
    this.#parsing = [];
    this.#rowsSeen = false;
    this.listener.failed(error, retries, inContext);
  }

  #forward(bytes: Buffer, from: number, to: number): void {
    if (to > from) this.listener.forward(bytes.subarray(from, to));
  }

  #refuse(sentence: string): void {
    this.#stopped = true;
    this.listener.refuse(sentence);
  }
}
