// One visit to the database: what `tx` belongs to. Statements go one after another over an exclusively leased
// connection, which is leased when the first one starts; after the visit nothing gets through any more.
import { AppError } from "../errors.ts";
import type { Connection, Context } from "./connection.ts";
import { Query, type Rows, type Runner, Source, type Statement, toStatement, type Tx, type Value } from "./sql.ts";

/** Where connections come from and go back to. */
export interface Leases {
  acquire(): Connection | Promise<Connection>;
  release(connection: Connection): void;
  /** Tells when a connection has been kept for `ms` milliseconds and not been released. */
  watch(connection: Connection, ms: number, late: () => void): void;
}

/** Milliseconds that a scope may take. */
export interface ScopeLimits {
  /** That it may keep its connection, and a statement may run. */
  deadlineMs: number;
  /** After which the transaction's context is sent again. */
  renewMs: number;
}

export class Scope implements Runner {
  /** Makes statements of this scope. */
  readonly tx: Tx;
  #expire: (error: AppError) => void = () => {};
  #connection: Connection | null = null;
  #open = true;
  #enteredAt = 0;
  #tail: Promise<unknown> = Promise.resolve();
  #failure: { error: unknown } | null = null;
  #made = 0;
  /** Statements not seen started yet; a long transaction must not keep those that are done. */
  #waiting: Source[] = [];

  constructor(readonly leases: Leases, readonly context: Context, readonly limits: ScopeLimits) {
    this.tx = <T>(strings: TemplateStringsArray, ...values: Value[]) => {
      const source = new Source(this, toStatement(strings, values));
      this.#made++;
      this.#waiting = this.#waiting.filter((earlier) => !earlier.started);
      this.#waiting.push(source);
      return new Query<Rows<T>>(source, (rows) => rows as Rows<T>);
    };
  }

  /** True for the one statement of this scope, unless it has been started. */
  isOnly(returned: unknown): returned is Query<unknown> {
    return returned instanceof Query && this.#made === 1 && returned.source === this.#waiting[0] &&
      !returned.source.started;
  }

  /** Sends a statement alone, in one round trip. */
  async single(statement: Statement): Promise<Rows<never>> {
    this.#open = false;
    const rows = await this.#enter(statement, false);
    if (this.#connection?.wire.transaction === "none") return rows;
    throw new AppError("internal", "A statement opened a transaction inside the scope");
  }

  /** Waits for the function of a transaction, not beyond the deadline. */
  settled<T>(result: PromiseLike<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#expire = reject;
      Promise.resolve(result).then(resolve, reject);
    });
  }

  /** Queues a statement of a transaction. */
  start(statement: Statement): Promise<Rows<never>> {
    if (!this.#open) return Promise.reject(new AppError("internal", "The scope of this statement has ended"));
    const answer = this.#tail.then(() => this.#next(statement));
    this.#tail = answer.catch(() => {});
    return answer;
  }

  /** @throws the first error of a statement, even if it was caught; AppError `internal` for a statement never awaited. */
  async commit(): Promise<void> {
    this.#open = false;
    await this.#tail;
    if (this.#failure) throw this.#failure.error;
    if (this.#waiting.some((source) => !source.started)) {
      throw new AppError("internal", "A statement was made but never awaited");
    }
    await this.#connection?.commit(this.#renewal()); // the audit's triggers ask for the context at the commit
  }

  /** Undoes everything; statements still queued are refused. */
  async rollback(error: unknown): Promise<void> {
    this.#open = false;
    this.#failure ??= { error };
    await this.#tail;
    await this.#connection?.rollback();
  }

  /** Gives the connection back. */
  end(): void {
    this.#open = false;
    if (this.#connection) this.leases.release(this.#connection);
    this.#connection = null;
  }

  async #next(statement: Statement): Promise<Rows<never>> {
    if (this.#failure) {
      throw new AppError("internal", "An earlier statement of this transaction failed", { cause: this.#failure.error });
    }
    try {
      return await (this.#connection ? this.#later(this.#connection, statement) : this.#enter(statement, true));
    } catch (error) {
      this.#failure ??= { error };
      throw error;
    }
  }

  async #later(connection: Connection, statement: Statement): Promise<Rows<never>> {
    try {
      return await connection.within(statement, this.#renewal());
    } catch (cause) {
      if (!connection.wire.stale) throw cause;
      throw new AppError("overloaded", "The schema changed under the transaction", { cause, retryAfter: 1 });
    }
  }

  /** The context again, when its proof is no longer fresh: a long import is one transaction. */
  #renewal(): Context | undefined {
    const now = performance.now();
    if (now - this.#enteredAt < this.limits.renewMs) return undefined;
    this.#enteredAt = now;
    return this.context;
  }

  /** The first statement: if the schema changed under it nothing was executed, and it is sent once more. */
  async #enter(statement: Statement, begin: boolean): Promise<Rows<never>> {
    for (let attempt = 1;; attempt++) {
      const connection = await this.#lease();
      try {
        this.#enteredAt = performance.now();
        return await connection.enter(this.context, statement, begin);
      } catch (error) {
        if (!connection.wire.stale || attempt > 1) throw error;
        this.#connection = null;
        this.leases.release(connection);
      }
    }
  }

  async #lease(): Promise<Connection> {
    const connection = await this.leases.acquire();
    this.#connection = connection;
    this.leases.watch(connection, this.limits.deadlineMs, () => this.#late(connection));
    return connection;
  }

  #late(connection: Connection): void {
    const { deadlineMs } = this.limits;
    const error = connection.wire.answered
      ? new AppError("overloaded", `The operation kept its connection for more than ${deadlineMs} ms`)
      : new AppError("database_unavailable", `The database did not answer within ${deadlineMs} ms`);
    connection.wire.abort(error);
    this.#expire(error);
  }
}
