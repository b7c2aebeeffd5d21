// All pools of a process, one per database and login, under one budget of connections: a thousand dedicated databases
// must not need a thousand connections. When the budget is spent, the connection that nobody has used for longest is
// closed for the one who needs one; a connection in use is never taken away.
import { createHash } from "node:crypto";
import { type Budget, Pool, type PoolOptions } from "./pool.ts";
import type { Target } from "./wire_connect.ts";

export interface PoolsOptions extends Omit<PoolOptions, "max" | "budget"> {
  /** The most connections of this process, all pools together. */
  maxConnections: number;
  /** The most connections of one pool, unless `get()` says otherwise. */
  perPool: number;
}

export class Pools implements Budget {
  readonly #options: PoolsOptions;
  readonly #pools = new Map<string, Pool>();
  /** Pools that were refused a connection, in the order of asking. */
  readonly #starved = new Set<Pool>();
  readonly #keys = new WeakMap<Target, string>();
  #used = 0;
  /** Round trips of pools that were forgotten, so that the sum never falls. */
  #pastRoundTrips = 0;

  constructor(options: PoolsOptions) {
    this.#options = options;
  }

  /** The pool for a target; the first call for it decides on `max`. Opens nothing. */
  get(target: Target, { max = this.#options.perPool }: { max?: number } = {}): Pool {
    const key = this.#key(target);
    let pool = this.#pools.get(key);
    if (!pool) {
      pool = new Pool(target, { ...this.#options, max, budget: this });
      this.#pools.set(key, pool);
    }
    return pool;
  }

  /** Ends the pool of a target, for example when its password changed or its tenant moved away. */
  async drop(target: Target): Promise<void> {
    const key = this.#key(target);
    const pool = this.#pools.get(key);
    if (pool) this.#forget(key, pool);
    await pool?.end();
  }

  /** Ends all pools, waiting up to `graceMs` milliseconds for running scopes. */
  async end(graceMs = 5_000): Promise<void> {
    const pools = [...this.#pools];
    for (const [key, pool] of pools) this.#forget(key, pool);
    await Promise.all(pools.map(([, pool]) => pool.end(graceMs)));
  }

  /** Gauges: pools, their connections (open or opening) and how many of them are idle, callers that wait. */
  stats(): { pools: number; connections: number; idle: number; waiting: number; roundTrips: number } {
    const all = [...this.#pools.values()].map((pool) => pool.stats());
    return {
      pools: all.length,
      connections: this.#used,
      idle: all.reduce((sum, one) => sum + one.idle, 0),
      waiting: all.reduce((sum, one) => sum + one.waiting, 0),
      roundTrips: all.reduce((sum, one) => sum + one.roundTrips, this.#pastRoundTrips),
    };
  }

  // ---- for the pools

  take(pool: Pool): boolean {
    const key = this.#key(pool.target);
    if (!this.#pools.has(key)) { // it was forgotten while empty
      this.#pools.set(key, pool);
      this.#pastRoundTrips -= pool.stats().roundTrips;
    }
    if (this.#used >= this.#options.maxConnections) this.#leastUsedIdle(pool)?.shed();
    if (this.#used >= this.#options.maxConnections) {
      this.#starved.add(pool);
      return false;
    }
    this.#used++;
    return true;
  }

  give(pool: Pool): void {
    this.#used--;
    const { connections, opening, waiting } = pool.stats();
    const key = this.#key(pool.target);
    if (connections + opening + waiting === 0 && this.#pools.get(key) === pool) this.#forget(key, pool);
    for (const starved of [...this.#starved]) {
      if (this.#used >= this.#options.maxConnections) return;
      this.#starved.delete(starved);
      starved.grow();
    }
  }

  idle(pool: Pool): void {
    for (const starved of [...this.#starved]) {
      if (starved.stats().waiting === 0) this.#starved.delete(starved);
    }
    if (this.#starved.size > 0) pool.shed();
  }

  #forget(key: string, pool: Pool): void {
    this.#pools.delete(key);
    this.#pastRoundTrips += pool.stats().roundTrips;
  }

  #leastUsedIdle(except: Pool): Pool | undefined {
    let found: Pool | undefined;
    for (const pool of this.#pools.values()) {
      if (pool === except || pool.stats().idle === 0) continue;
      if (!found || pool.lastUsed < found.lastUsed) found = pool;
    }
    return found;
  }

  #key(target: Target): string {
    let key = this.#keys.get(target);
    if (key === undefined) {
      const { host, port, pooler, database, user, password, tls, applicationName } = target;
      const where = [host, port, pooler, database, tls?.mode, tls?.ca, tls?.servername];
      const parts = JSON.stringify([where, user, password, applicationName]);
      key = createHash("sha256").update(parts).digest("base64"); // no password in memory twice
      this.#keys.set(target, key);
    }
    return key;
  }
}
