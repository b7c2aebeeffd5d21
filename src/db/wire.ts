// The layer between the stock driver and the socket. The driver believes that it talks to PostgreSQL; here every group of
// messages up to its Sync gets the tenant context put in front, in the same implicit transaction and the same write.
// Whatever would pass without a context, or out of turn, cuts the connection. Only habits of the pinned driver version
// are relied on: whole messages in a write, and that it takes 'error' without 'close'.
import { Buffer } from "node:buffer";
import { EventEmitter } from "node:events";
import { AppError } from "../errors.ts";
import { Answers } from "./wire_answers.ts";
import { requestCancel, type Session, type Target } from "./wire_connect.ts";
import {
  BACK,
  BEGIN,
  type ContextStatement,
  errorResponse,
  FAILED,
  FRONT,
  IDLE,
  int32,
  message,
  readyForQuery,
  RESET,
  type ServerError,
} from "./wire_messages.ts";

/** One statement sent before the driver's, with the bytes of this execution. */
export interface Prelude {
  statement: ContextStatement;
  bytes: Buffer;
}

/** How a transaction is entered. */
export interface Entrance {
  context: Prelude;
  /** Whether a transaction block is opened, which stays open. */
  begin?: boolean;
  /** A statement without values, sent before the context. */
  mark?: ContextStatement;
  /** Whether settings of the session are put back before; not a pooler's, which sets them for us itself. */
  reset?: boolean;
  /** Sent ahead in a transaction of its own, whose answer is not looked at. */
  aside?: Prelude;
}

export interface WireOptions {
  /** With `scoped` nothing passes without a permit; otherwise everything does (rollouts). */
  scoped: boolean;
  /** Counts writes after which the client has to wait for the server. */
  counters?: { roundTrips: number };
}

const EXTENDED = [FRONT.parse, FRONT.bind, FRONT.describe, FRONT.execute, FRONT.flush];
/** What the server may send in each phase of a group. */
const EXPECTED = { idle: "nothing", group: "parts", answer: "all" } as const;
const CLOSE_MS = 500;
const NO_BYTES = Buffer.alloc(0);
const SYNC = message(FRONT.sync);

/** SQLSTATE classes after which a connection is not used again: connection, transaction state, resources, operator, system. */
const UNSAFE_CLASSES = ["08", "25", "53", "57", "58", "XX"];

export class Wire extends EventEmitter {
  /** The backend's process id; 0 if unknown. */
  readonly pid: number;
  /** Resolves when the socket is closed, and a cancel request done. */
  readonly closed: Promise<void>;
  /** What the driver looks at. */
  readyState: "open" | "closed" = "open";
  /** Why the connection is gone; null while it is open. */
  down: AppError | null = null;
  /** The last transaction status: I, T or E. */
  status = IDLE;
  /** True once a statement was refused because the schema changed under it: nothing of it was executed. */
  stale = false;
  /** Statements that the driver has prepared here, by name. */
  prepared = 0;
  /** Whether the backend may be another one for each transaction. */
  readonly pooled: boolean;
  #unsafe = false;
  #phase: "idle" | "group" | "answer" = "idle";
  #outstanding = 0; // answers, when not scoped: then the driver may pipeline
  #permit: { prelude: Prelude[]; aside?: Prelude } | null = null;
  #reused = false; // the group uses a statement that was prepared before, or by name behind a pooler
  #greeted = false;
  #refused = false; // the group was answered by a dead wire
  #ending = false;
  #cancelling: Promise<void> | undefined;
  #fatal = "";
  readonly #answers: Answers;

  constructor(readonly target: Target, readonly session: Session, readonly options: WireOptions) {
    super();
    this.pooled = target.pooler === "transaction";
    this.pid = this.pooled ? 0 : session.pid;
    this.#answers = new Answers({
      forward: (bytes) => this.emit("data", bytes),
      ready: (status) => this.#ready(status),
      lasting: () => void (this.#unsafe ||= !this.pooled), // a pooler's session is not ours to close
      failed: (error, retries, inContext) => this.#failed(error, retries && (inContext || this.#reused)),
      refuse: (sentence) => this.abort(lost(this.#fatal || sentence)),
      expecting: () => options.scoped ? EXPECTED[this.#phase] : "all",
    }, options.scoped);
    const { socket } = session;
    socket.on("data", (bytes: Buffer) => this.down || this.#answers.feed(bytes));
    socket.on("error", (cause: Error) => this.#die(lost(this.#fatal || "The connection broke", cause)));
    this.closed = new Promise((resolve) =>
      socket.once("close", () => {
        this.#die(lost(this.#fatal || "The server closed the connection"));
        resolve(this.#cancelling);
      })
    );
    if (session.rest.length > 0) this.#answers.feed(session.rest);
    socket.resume();
  }

  // ---- the pool's side

  /** True when nothing is under way. */
  get answered(): boolean {
    return this.#phase === "idle";
  }

  /** True when the next lease may have it. */
  get reusable(): boolean {
    return !this.down && this.answered && this.status === IDLE && !this.#unsafe && !this.stale;
  }

  get transaction(): "none" | "open" | "failed" {
    return this.status === IDLE ? "none" : this.status === FAILED ? "failed" : "open";
  }

  startLease(byteLimit: number): void {
    this.#permit = null;
    this.#answers.startLease(byteLimit);
  }

  /** Allows one statement, with the context before it. */
  enter({ context, begin, mark, reset, aside }: Entrance): void {
    const before: ContextStatement[] = [];
    if (begin) before.push(this.pooled ? BEGIN.unnamed : BEGIN);
    if (reset && !this.pooled) before.push(RESET);
    if (mark) before.push(this.pooled ? mark.unnamed : mark);
    const prelude = [...before.map((statement) => ({ statement, bytes: statement.bind([]) })), context];
    this.#permit = { prelude, aside };
  }

  /** Allows one more statement in the transaction block that is open; with `context`, with the context again before it. */
  within(context?: Prelude): void {
    this.#permit = this.status === IDLE ? null : { prelude: context ? [context] : [] };
  }

  /** Has the server cancel what it does, and cuts the connection. */
  abort(reason: AppError): void {
    if (!this.down && !this.answered && this.session.pid !== 0) {
      this.#cancelling = requestCancel(this.target, this.session);
    }
    this.#die(reason);
  }

  /** Says goodbye and closes. */
  close(): Promise<void> {
    this.end(message(FRONT.terminate));
    return this.closed;
  }

  // ---- the driver's side: the parts of a socket that it uses

  write(bytes: Buffer, done?: () => void): boolean {
    if (!this.#greeted) this.#greet();
    else if (this.down) this.#answerInstead(bytes);
    else {
      try {
        this.#send(bytes, done);
      } catch (error) {
        this.#die(error instanceof AppError ? error : lost("The driver broke the protocol", error));
        this.#answerInstead(bytes);
      }
    }
    return true;
  }

  end(bytes: Buffer = NO_BYTES): void {
    if (this.down || this.#ending) return;
    this.#ending = true;
    const { socket } = this.session;
    socket.end(bytes);
    const timer = setTimeout(() => socket.destroy(), CLOSE_MS);
    void this.closed.then(() => clearTimeout(timer));
  }

  destroy(): void {
    this.#die(lost("The connection was closed"));
  }

  pause(): void {
    this.session.socket.pause();
  }

  resume(): void {
    this.session.socket.resume();
  }

  // ---- from the driver to the server

  /** The login was done before: the driver's start-up message is answered here. */
  #greet(): void {
    this.#greeted = true;
    const key = message(BACK.key, int32(this.pid), int32(0)); // the secret is not the driver's business
    const greeting = Buffer.concat([message(BACK.authentication, int32(0)), key, readyForQuery(IDLE)]);
    setImmediate(() => this.emit("data", greeting));
  }

  #send(bytes: Buffer, done?: () => void): void {
    const group = this.#inspect(bytes);
    const { socket } = this.session;
    if (group < 0) return void socket.write(bytes, done);
    const permit = this.#permit;
    this.#permit = null;
    if (!permit) throw new AppError("internal", "A statement without a context was refused");
    const before: Uint8Array[] = [];
    const add = ({ statement, bytes }: Prelude) => {
      if (!this.#answers.known.has(statement.name)) before.push(statement.parse);
      before.push(bytes);
    };
    if (permit.aside) {
      add(permit.aside);
      before.push(SYNC);
    }
    permit.prelude.forEach(add);
    this.#answers.swallow(permit.prelude.map(({ statement }) => statement), permit.aside?.statement);
    socket.write(Buffer.concat([bytes.subarray(0, group), ...before, bytes.subarray(group)]), done);
  }

  /** Follows the driver's messages; returns where a group begins that needs a permit, or -1. */
  #inspect(bytes: Buffer): number {
    let group = -1, last = 0;
    for (let at = 0, end = 0; at < bytes.length; at = end) {
      end = messageEnd(bytes, at);
      const type = end > bytes.length ? 0 : bytes[at]; // 0: a part of a message, which is never allowed
      last = type;
      if (!this.options.scoped) {
        this.#phase = "answer";
        if (type === FRONT.sync || type === FRONT.query) this.#outstanding++;
        continue;
      }
      if (type === FRONT.sync && this.#phase === "group") {
        if (this.pooled && this.#reused) {
          throw new AppError("internal", "A pooler's backend keeps no statements for us");
        }
        this.#phase = "answer";
      } else if (EXTENDED.includes(type) && this.#phase !== "answer") {
        if (this.#phase === "idle") {
          group = at;
          this.#phase = "group";
          this.#reused = true;
        }
        if (type === FRONT.parse) {
          const isNamed = bytes[at + 5] !== 0;
          if (isNamed) this.prepared++;
          this.#reused = isNamed && this.pooled;
        }
      } else if (type === FRONT.query) throw new AppError("internal", "The simple protocol is not allowed in a scope");
      else throw new AppError("internal", `A message of type ${type} is not allowed in a scope`);
    }
    if (this.options.counters && WAITS.includes(last)) this.options.counters.roundTrips++;
    return group;
  }

  // ---- from the server to the driver

  #ready(status: number): void {
    this.status = status;
    this.#outstanding = Math.max(0, this.#outstanding - 1);
    this.#phase = this.#outstanding === 0 ? "idle" : "answer";
  }

  #failed(error: ServerError, isStale: boolean): void {
    if (error.severity === "FATAL" || error.severity === "PANIC") this.#fatal = `${error.sqlstate} ${error.message}`;
    if (UNSAFE_CLASSES.includes(error.sqlstate.slice(0, 2))) this.#unsafe = true;
    if (isStale) this.stale = true;
  }

  // ---- the end

  /** The driver gets an error but never 'close' (it would crash on a pending write), and is then kept consistent. */
  #die(reason: AppError): void {
    if (this.down) return;
    this.down = reason;
    this.readyState = "closed";
    const owed = this.#phase === "idle" ? null : this.#answers.farewell(IDLE);
    this.#phase = "idle";
    this.status = IDLE;
    this.#hangUp();
    this.emit("down");
    if (this.#ending) {
      this.emit("close"); // what the driver's end() waits for
      return;
    }
    setImmediate(() => {
      if (this.listenerCount("error") > 0) this.emit("error", reason);
      if (owed) this.emit("data", owed);
    });
  }

  /** A pooler passes a cancel request on only while the session that it is for is there. */
  #hangUp(): void {
    const { socket } = this.session;
    if (this.pooled && this.#cancelling) void this.#cancelling.then(() => socket.destroy());
    else socket.destroy();
  }

  /** A dead wire answers as a server that refuses everything: the driver neither hangs nor crashes. */
  #answerInstead(bytes: Buffer): void {
    const answers: Buffer[] = [];
    for (let at = 0; at < bytes.length; at = messageEnd(bytes, at)) {
      const type = bytes[at];
      if (type === FRONT.terminate) continue;
      if (type !== FRONT.sync && !this.#refused) {
        this.#refused = true;
        answers.push(errorResponse("08006", this.down?.message ?? ""));
      }
      if (type !== FRONT.sync && type !== FRONT.query) continue;
      this.#refused = false;
      answers.push(readyForQuery(IDLE));
    }
    setImmediate(() => this.emit("data", Buffer.concat(answers)));
  }
}

/** After one of these the client waits for an answer. */
const WAITS = [FRONT.sync, FRONT.flush, FRONT.query];

/** Where the message that begins at `at` ends; beyond the bytes if it is not whole. */
function messageEnd(bytes: Buffer, at: number): number {
  return bytes.length - at < 5 ? Infinity : at + 1 + bytes.readUInt32BE(at + 1);
}

function lost(sentence: string, cause?: unknown): AppError {
  return new AppError("database_unavailable", sentence, { cause });
}
