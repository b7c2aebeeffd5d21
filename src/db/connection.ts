// One physical connection: a wire, and a stock driver client of its own that is never told to reconnect or to pipeline.
// It is leased to one scope at a time.
import postgres from "postgres";
import { AppError } from "../errors.ts";
import { driverTypes } from "./parsers.ts";
import type { Rows, Statement } from "./sql.ts";
import { Wire } from "./wire.ts";
import { type ConnectOptions, openSession, type Target } from "./wire_connect.ts";
import type { ContextStatement } from "./wire_messages.ts";

/** Who acts where: a statement that is sent before the others of an operation, in the same transaction. */
export interface Context {
  statement: ContextStatement;
  /**
   * The statement's values for one operation on the backend with this process id (0 if unknown). The first one names the
   * guest, a tenant or an actor: what one guest sets for the session is undone before the next one enters.
   */
  values(pid: number): string[];
  /** Without values; sent before it where the transaction begins. */
  mark?: ContextStatement;
  /** What is sent ahead in a transaction of its own; nobody waits for it, and nothing comes of its failing. */
  aside?(pid: number): { statement: ContextStatement; values: string[] } | null;
}

export interface ConnectionOptions extends ConnectOptions {
  counters?: { roundTrips: number };
  onNotice?: (notice: postgres.Notice) => void;
}

/** After so many different statements a connection is replaced, since each is kept in the server's memory. */
const MAX_PREPARED = 1_000;

/**
 * Statements are planned once a connection and not at each execution. What a plan could gain from knowing the values it
 * cannot gain here: the tenant is behind the policy, and every key leads with it.
 */
const PLANNED_ONCE = { plan_cache_mode: "force_generic_plan" };

const COMMIT: Statement = { text: "commit", values: [] };
const ROLLBACK: Statement = { text: "rollback", values: [] };
/** What only the door may do: `commit and chain` would leave a transaction open that is not the door's any more. */
const ENDS = ["BEGIN", "START TRANSACTION", "COMMIT", "ROLLBACK", "PREPARE TRANSACTION"];

export class Connection {
  /** Which schema the prepared statements were made for; counted by the pool. */
  generation = 0;
  /** When it became idle, in the milliseconds of `performance.now()`. */
  idleSince = 0;
  /** Whose visit was the last, so whose settings the session may have; undefined: nobody's, null: that is not known. */
  #guest: string | null | undefined;
  #entering: string | undefined;
  readonly #driver: postgres.Sql;

  constructor(readonly wire: Wire, onNotice: (notice: postgres.Notice) => void = () => {}) {
    this.#driver = postgres(driverOptions(wire, { onnotice: onNotice, types: driverTypes() }));
  }

  /** @throws AppError `database_unavailable` */
  static async open(target: Target, options: ConnectionOptions): Promise<Connection> {
    const parameters = target.pooler === "transaction"
      ? options.parameters
      : { ...PLANNED_ONCE, ...options.parameters };
    const session = await openSession(target, { ...options, parameters });
    return new Connection(new Wire(target, session, { scoped: true, counters: options.counters }), options.onNotice);
  }

  get reusable(): boolean {
    return this.wire.reusable && this.wire.prepared <= MAX_PREPARED;
  }

  /**
   * Sends a statement with the context before it: alone in its transaction, or with `begin` as the first of several.
   * @throws PostgresError as the server gave it; AppError when the connection broke.
   */
  async enter<T>(context: Context, statement: Statement, begin: boolean): Promise<Rows<T>> {
    const values = context.values(this.wire.pid);
    const aside = this.wire.pooled ? null : context.aside?.(this.wire.pid);
    this.wire.enter({
      context: this.#prelude(context, values),
      mark: context.mark,
      begin,
      reset: this.#changesHands(values[0]),
      aside: aside ? { statement: aside.statement, bytes: aside.statement.bind(aside.values) } : undefined,
    });
    const rows = await this.#execute<T>(statement);
    if (this.wire.transaction === "none") this.#left();
    return rows;
  }

  /** Sends a further statement of the transaction; `renewed` is the context again, for one that outlives its proof. */
  within<T>(statement: Statement, renewed?: Context): Promise<Rows<T>> {
    if (this.wire.transaction === "none" && !this.wire.down) {
      return Promise.reject(new AppError("internal", "The transaction was ended by a statement inside the scope"));
    }
    this.wire.within(renewed && this.#prelude(renewed, renewed.values(this.wire.pid)));
    return this.#execute(statement);
  }

  /** Commits; `renewed` as in `within()`. Triggers that were put off until now may refuse. */
  async commit(renewed?: Context): Promise<void> {
    if (this.wire.transaction === "failed") throw new AppError("internal", "The transaction has failed");
    await this.within(COMMIT, renewed);
    this.#left();
  }

  /** Ends an open transaction; where that is not possible the connection is cut, which does the same. */
  async rollback(): Promise<void> {
    if (this.wire.down || this.wire.stale) return;
    if (!this.wire.answered) return this.wire.abort(new AppError("database_unavailable", "A statement was abandoned"));
    if (this.wire.transaction === "none") return;
    await this.within(ROLLBACK).catch(() => this.wire.destroy());
  }

  #prelude(context: Context, values: string[]) {
    const statement = this.wire.pooled ? context.statement.unnamed : context.statement;
    return { statement, bytes: statement.bind(values) };
  }

  /**
   * Whether the session must forget its settings for this guest. They are known to be its own only where its visit ended
   * well: what undoes a visit undoes the forgetting too.
   */
  #changesHands(guest: string | undefined): boolean {
    this.#entering = guest;
    if (guest === undefined) return false; // nobody enters
    const before = this.#guest;
    this.#guest = null;
    return before !== undefined && before !== guest;
  }

  #left(): void {
    if (this.#entering !== undefined) this.#guest = this.#entering;
  }

  async #execute<T>(statement: Statement): Promise<Rows<T>> {
    if (this.wire.down) throw this.wire.down;
    try {
      const options = { prepare: !this.wire.pooled, simple: false }; // `simple` is missing in the driver's types
      const query = this.#driver.unsafe(statement.text, [], options);
      // given as arguments they would cost a round trip: the driver would first ask for their types, which are no use to us
      Object.assign(query, { parameters: [...statement.values] });
      const result = await query;
      if (ENDS.includes(result.command) && statement !== COMMIT && statement !== ROLLBACK) {
        throw new AppError("internal", "A statement inside the scope began or ended a transaction");
      }
      const rows = result.slice(); // without the driver's extras, such as the backend's secret
      return Object.defineProperty(rows, "count", { value: result.count ?? 0 }) as unknown as Rows<T>;
    } catch (error) {
      throw this.#understood(error);
    }
  }

  #understood(error: unknown): unknown {
    if (error instanceof postgres.PostgresError && error.code !== "08006") return error;
    if (error instanceof AppError) {
      this.wire.abort(error);
      return error;
    }
    const reason = this.wire.down ?? new AppError("internal", "The driver failed", { cause: error });
    this.wire.abort(reason);
    return reason;
  }
}

/** How every driver client is made: one connection, over the wire, nothing read from elsewhere. */
export function driverOptions(wire: Wire, more: Record<string, unknown>): postgres.Options<Record<string, never>> {
  let used = false;
  const options = {
    host: wire.target.host,
    port: wire.target.port,
    user: wire.target.user,
    database: wire.target.database,
    pass: "-", // the wire has logged in
    max: 1,
    max_pipeline: 0,
    fetch_types: false,
    ssl: false,
    idle_timeout: null,
    max_lifetime: null,
    connect_timeout: null,
    keep_alive: null,
    prepare: true,
    debug: false,
    ...more,
    socket: () => {
      if (used) throw wire.down ?? new AppError("internal", "A connection is opened once");
      used = true;
      return wire;
    },
  };
  return options as unknown as postgres.Options<Record<string, never>>;
}
