// Connections to one database for one login, leased exclusively: while a scope has one nobody else's statement can be
// on it, so answers cannot be mixed up. Opens on demand, queues with a deadline, and never gives back to others what may
// be in an unknown state. Only the doors may hold one.
import { setTimeout as startTimer } from "node:timers";
import { AppError } from "../errors.ts";
import { Connection, type ConnectionOptions, type Context } from "./connection.ts";
import { type Leases, Scope } from "./scope.ts";
import type { Query, Tx } from "./sql.ts";
import { Watch } from "./watch.ts";
import type { Target } from "./wire_connect.ts";

export type { Context } from "./connection.ts";
export type { Target } from "./wire_connect.ts";
export { ContextStatement } from "./wire_messages.ts";

/** Who allows a pool to open one more connection; see `pools.ts`. */
export interface Budget {
  /** True if the pool may open one now. */
  take(pool: Pool): boolean;
  /** A connection is gone. */
  give(pool: Pool): void;
  /** A connection has become idle and nobody in its pool waits for one. */
  idle(pool: Pool): void;
}

export interface PoolOptions extends Pick<ConnectionOptions, "connectMs" | "onNotice"> {
  /** The most connections. */
  max: number;
  /** Milliseconds that a scope may keep a connection, and a statement may run; default 30,000. */
  deadlineMs?: number;
  /** Milliseconds to wait for a connection; default 5,000. */
  queueMs?: number;
  /** Milliseconds after which an idle connection is closed; default 60,000. */
  idleMs?: number;
  /** Bytes that one scope may receive; default 256 MiB. */
  byteLimit?: number;
  /** Milliseconds after which a transaction's context is sent again; default 10,000, since proofs are good for 30,000. */
  renewMs?: number;
  budget?: Budget;
}

interface Waiter {
  resolve(connection: Connection): void;
  reject(error: AppError): void;
}

export class Pool implements Leases {
  /** When it was last used, in the milliseconds of `performance.now()`. */
  lastUsed = performance.now();
  readonly #options: Required<Omit<PoolOptions, "onNotice" | "budget" | "connectMs">> & PoolOptions;
  readonly #counters = { roundTrips: 0 };
  readonly #all = new Set<Connection>();
  readonly #idle: Connection[] = [];
  readonly #waiting = new Set<Waiter>();
  readonly #closing = new Set<Promise<void>>();
  readonly #deadlines = new Watch<Connection>();
  readonly #patience = new Watch<Waiter>();
  #opening = 0;
  #generation = 0;
  #ended = false;
  #sweeper: ReturnType<typeof startTimer> | undefined;

  constructor(readonly target: Target, options: PoolOptions) {
    const byteLimit = 256 * 1024 * 1024;
    this.#options = { deadlineMs: 30_000, queueMs: 5_000, idleMs: 60_000, renewMs: 10_000, byteLimit, ...options };
  }

  /**
   * Runs `fn` in a transaction that begins with the context. If it returns its only statement without awaiting it, all
   * is one round trip; otherwise n + 1. An error, of `fn` or of a statement even if caught, rolls everything back.
   * @throws what `fn` throws; PostgresError of a statement; AppError `overloaded` (no connection in time, lease kept too
   * long), `database_unavailable` (connecting, broken connection, statement deadline), `internal` (misuse).
   */
  async run<T>(
    context: Context,
    fn: (tx: Tx) => PromiseLike<T> | Query<T>,
    options: { deadlineMs?: number } = {},
  ): Promise<T> {
    const { renewMs } = this.#options;
    const scope = new Scope(this, context, { deadlineMs: options.deadlineMs ?? this.#options.deadlineMs, renewMs });
    try {
      const returned = fn(scope.tx);
      if (scope.isOnly(returned)) return returned.shape(await scope.single(returned.source.statement)) as T;
      const result = await scope.settled(returned);
      await scope.commit();
      return result;
    } catch (error) {
      await scope.rollback(error);
      throw error;
    } finally {
      scope.end();
    }
  }

  /** For scopes: an idle connection, or a place in the queue. */
  acquire(): Connection | Promise<Connection> {
    this.lastUsed = performance.now();
    if (this.#ended) throw new AppError("database_unavailable", "The pool has ended");
    const connection = this.#idle.pop();
    if (connection) return this.#lent(connection);
    return new Promise((resolve, reject) => {
      const waiter: Waiter = { resolve, reject };
      this.#waiting.add(waiter);
      this.#patience.add(waiter, this.#options.queueMs, () => this.#served(waiter).reject(this.#tooLate()));
      this.grow();
    });
  }

  /** For scopes: takes a connection back, to lend it again only if its state is known to be clean. */
  release(connection: Connection): void {
    this.#deadlines.remove(connection);
    this.lastUsed = performance.now();
    if (connection.wire.stale) this.#renew();
    if (connection.reusable && connection.generation === this.#generation && !this.#ended) this.#offer(connection);
    else this.#drop(connection);
  }

  watch(connection: Connection, ms: number, late: () => void): void {
    this.#deadlines.add(connection, ms, late);
  }

  /** Opens connections for those who wait, as far as the limits allow. */
  grow(): void {
    const { max, budget } = this.#options;
    while (!this.#ended && this.#opening < this.#waiting.size && this.#all.size + this.#opening < max) {
      if (budget && !budget.take(this)) return;
      void this.#open();
    }
  }

  /** Closes the connection that has been idle longest; false if none is idle. */
  shed(): boolean {
    const connection = this.#idle[0];
    if (connection) this.#drop(connection);
    return connection !== undefined;
  }

  /** Refuses new work, waits up to `graceMs` milliseconds for running scopes, and closes everything. */
  async end(graceMs = 5_000): Promise<void> {
    this.#ended = true;
    clearTimeout(this.#sweeper);
    const ended = new AppError("database_unavailable", "The pool has ended");
    for (const waiter of [...this.#waiting]) this.#served(waiter).reject(ended);
    this.#patience.stop();
    while (this.shed());
    const until = performance.now() + graceMs;
    while (this.#all.size + this.#opening > 0 && performance.now() < until) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    for (const connection of [...this.#all]) connection.wire.abort(ended);
    this.#deadlines.stop();
    await Promise.all(this.#closing);
  }

  stats(): { connections: number; idle: number; opening: number; waiting: number; roundTrips: number } {
    return {
      connections: this.#all.size,
      idle: this.#idle.length,
      opening: this.#opening,
      waiting: this.#waiting.size,
      roundTrips: this.#counters.roundTrips,
    };
  }

  async #open(): Promise<void> {
    const { connectMs, onNotice, budget } = this.#options;
    this.#opening++;
    let connection: Connection;
    try {
      connection = await Connection.open(this.target, { connectMs, onNotice, counters: this.#counters });
    } catch (error) {
      this.#opening--;
      this.#openFailed(error as AppError);
      budget?.give(this);
      return;
    }
    this.#opening--;
    this.#all.add(connection);
    connection.generation = this.#generation;
    connection.wire.once("down", () => this.#forget(connection));
    const closed = connection.wire.closed.then(() => void this.#closing.delete(closed));
    this.#closing.add(closed);
    this.release(connection);
  }

  /** With other connections alive only one waiter pays; without, nobody would serve the others in time. */
  #openFailed(error: AppError): void {
    const hopeless = this.#all.size + this.#opening === 0;
    for (const waiter of [...this.#waiting].slice(0, hopeless ? undefined : 1)) this.#served(waiter).reject(error);
    this.grow();
  }

  #offer(connection: Connection): void {
    const [waiter] = this.#waiting;
    if (waiter) return this.#served(waiter).resolve(this.#lent(connection));
    connection.idleSince = performance.now();
    this.#idle.push(connection);
    if (this.#idle.length === 1) this.#sweepLater();
    this.#options.budget?.idle(this);
  }

  /** Takes somebody out of the queue. */
  #served(waiter: Waiter): Waiter {
    this.#waiting.delete(waiter);
    this.#patience.remove(waiter);
    return waiter;
  }

  #lent(connection: Connection): Connection {
    connection.wire.startLease(this.#options.byteLimit);
    return connection;
  }

  /** The schema changed: statements prepared before may not be used again. */
  #renew(): void {
    this.#generation++;
    while (this.shed());
  }

  #drop(connection: Connection): void {
    this.#forget(connection);
    const { wire } = connection;
    if (wire.down) return;
    if (wire.answered) void wire.close();
    else wire.abort(new AppError("database_unavailable", "The connection was left in an unknown state"));
  }

  #forget(connection: Connection): void {
    if (!this.#all.delete(connection)) return;
    const at = this.#idle.indexOf(connection);
    if (at >= 0) this.#idle.splice(at, 1);
    this.#options.budget?.give(this);
    this.grow();
  }

  #tooLate(): AppError {
    const { queueMs } = this.#options;
    if (this.#all.size === 0 && this.#opening > 0) {
      return new AppError("database_unavailable", `The database could not be reached within ${queueMs} ms`);
    }
    return new AppError("overloaded", `No connection became free within ${queueMs} ms`, { retryAfter: 1 });
  }

  /** Closes connections when they have been idle for `idleMs`, by one timer; the oldest is first in the list. */
  #sweepLater(): void {
    const oldest = this.#idle[0];
    if (this.#sweeper || !oldest || this.#ended) return;
    const { idleMs } = this.#options;
    this.#sweeper = startTimer(() => {
      this.#sweeper = undefined;
      while (this.#idle.length > 0 && performance.now() - this.#idle[0].idleSince >= idleMs) this.shed();
      this.#sweepLater();
    }, Math.max(oldest.idleSince + idleMs - performance.now(), 10));
    this.#sweeper.unref();
  }
}
