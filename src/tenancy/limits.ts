// Rate limits, exact over all processes: the database gives out what a window allows, and a process holds a little of it in
// advance, so that most requests ask nobody. Whoever must ask does so together: one statement for all that wait.
// While the database is away this process counts alone, and what is `closed` is refused.
import { clearTimeout, setTimeout } from "node:timers";
import type { Doors } from "../db/doors.ts";
import type { Query, Tx } from "../db/sql.ts";
import type { Log } from "../telemetry/log.ts";
import { Allowance, IDLE_MS, type Limit, type Standing } from "./allowance.ts";
import { giveBackAllowances, sweepWindows, takeAllowances, type Unused } from "./rate_windows.ts";

export type { Limit, Standing } from "./allowance.ts";

/** How many allowances are kept in memory; what the oldest one holds is lost to its window. */
const MAX_KEPT = 20_000;
const SWEEP_MS = 60_000;
/** How long a take may last before this process counts alone, and how often it then looks whether it still must. */
const TAKE_MS = 5_000;
const AWAY_MS = 1_000;

/** The limits of one process. */
export class Limits {
  readonly #kept = new Map<string, Allowance>();
  readonly #asking = new Set<Allowance>();
  readonly #holding = new Set<Allowance>();
  readonly #background = new Set<Promise<unknown>>();
  readonly #windowMs: number;
  #flushing = false;
  #away = false;
  #triedAt = 0;
  #sweptAt = performance.now();
  #timer: ReturnType<typeof setTimeout> | null = null;
  #stopped = false;

  /** @param options `windowMs`: how long a window is; a minute. */
  constructor(private readonly doors: Doors, private readonly log: Log, options: { windowMs?: number } = {}) {
    this.#windowMs = options.windowMs ?? 60_000;
  }

  /** Seconds of a window. */
  get windowSeconds(): number {
    return this.#windowMs / 1_000;
  }

  /**
   * Counts one request against each limit: all grant it, or nothing is counted. At once where what is held decides, else
   * after one round trip for all of them.
   */
  take(limits: readonly Limit[]): Standing[] | Promise<Standing[]> {
    const allowances = limits.map((limit) => this.#allowance(limit));
    const now = allowances.map((allowance) => this.#now(allowance));
    if (now.every((standing) => standing?.granted)) return now as Standing[];
    if (now.some((standing) => standing?.granted === false)) {
      const known = now.filter((standing) => standing !== null);
      return this.#allOrNothing(known, allowances.filter((_, i) => now[i] !== null));
    }
    const later = now.map((standing, i) => standing ?? this.#ask(allowances[i]));
    return Promise.all(later).then((standings) => this.#allOrNothing(standings, allowances));
  }

  /** Whether a request that waits to be counted against these can expect to be granted. */
  arePromising(limits: readonly Limit[]): boolean {
    return limits.every(({ key }) => this.#kept.get(key)?.isPromising);
  }

  /** Those of the limits that are known to be used up. Nothing is counted. */
  exhausted(limits: readonly Limit[]): Standing[] {
    return limits.map(({ key }) => this.#kept.get(key)?.refusal).filter((standing) => !!standing);
  }

  /** Gives back what is held, so that the next process finds it. */
  async stop(): Promise<void> {
    this.#stopped = true;
    if (this.#timer) clearTimeout(this.#timer);
    this.#giveBack(Infinity);
    await Promise.all(this.#background);
  }

  #allowance(limit: Limit): Allowance {
    let allowance = this.#kept.get(limit.key);
    if (allowance) {
      allowance.limit = limit;
      return allowance;
    }
    allowance = new Allowance(limit);
    if (this.#kept.size >= MAX_KEPT) this.#kept.delete(this.#kept.keys().next().value!);
    this.#kept.set(limit.key, allowance);
    return allowance;
  }

  #now(allowance: Allowance): Standing | null {
    if (!this.#away) return allowance.now();
    this.#lookAgain();
    return allowance.alone(this.#windowMs);
  }

  #allOrNothing(standings: Standing[], allowances: Allowance[]): Standing[] {
    if (standings.every(({ granted }) => granted)) return standings;
    standings.forEach((standing, i) => {
      if (standing.granted) allowances[i].putBack(standing);
      this.#holds(allowances[i]);
    });
    return standings;
  }

  /** Waits for the next take; those of one turn of the event loop go together. */
  #ask(allowance: Allowance): Promise<Standing> {
    const answer = allowance.wait();
    if (!allowance.asking) this.#asking.add(allowance);
    if (!this.#flushing && this.#asking.size > 0) {
      this.#flushing = true;
      queueMicrotask(() => void this.#flush());
    }
    return answer;
  }

  async #flush(): Promise<void> {
    this.#flushing = false;
    const allowances = [...this.#asking];
    this.#asking.clear();
    for (const allowance of allowances) allowance.asking = true;
    const sentAt = performance.now();
    try {
      const asked = allowances.map(({ limit, wish }) => ({ key: limit.key, allowance: limit.allowance, ...wish }));
      const given = await this.#visit("limits.take", (tx) => takeAllowances(tx, asked, this.#windowMs));
      allowances.forEach((allowance, i) => allowance.settle(given[i], sentAt));
    } catch (error) {
      this.#goAway(error);
      for (const allowance of allowances) allowance.aloneForWaiting(this.#windowMs);
    }
    for (const allowance of allowances) {
      allowance.asking = false;
      if (allowance.waiting > 0) this.#asking.add(allowance);
      this.#holds(allowance);
    }
    if (this.#asking.size > 0 && !this.#flushing) void this.#flush();
    this.#sweep();
  }

  #visit<T>(operation: string, work: (tx: Tx) => Query<T>): Promise<T> {
    const context = { actor: "system", operation, requestId: "", readOnly: false, deadlineMs: TAKE_MS };
    return this.doors.asPlatform(context, work);
  }

  #goAway(error: unknown): void {
    this.#triedAt = performance.now();
    if (this.#away) return;
    this.#away = true;
    this.log.warn("Limits are counted in this process alone: the platform's database does not answer", {
      reason: String(error),
    });
  }

  /** While the database is away: looks once a second whether it is back, and keeps nobody waiting for that. */
  #lookAgain(): void {
    if (performance.now() - this.#triedAt < AWAY_MS) return;
    this.#triedAt = performance.now();
    this.#behind(async () => {
      await this.#visit("limits.take", (tx) => takeAllowances(tx, [], this.#windowMs));
      this.#away = false;
      this.log.info("Limits are counted by all processes together again");
    });
  }

  /** Sees to it that what an allowance holds goes back if nobody uses it. */
  #holds(allowance: Allowance): void {
    if (allowance.held === 0 || this.#stopped) return;
    this.#holding.add(allowance);
    this.#timer ??= setTimeout(() => {
      this.#timer = null;
      this.#giveBack(performance.now() - IDLE_MS);
      for (const one of [...this.#holding]) this.#holds(one);
    }, IDLE_MS).unref();
  }

  #giveBack(before: number): void {
    const unused: Unused[] = [];
    for (const allowance of this.#holding) {
      const released = allowance.release(before);
      if (released) unused.push({ key: allowance.limit.key, ...released });
      if (allowance.held === 0) this.#holding.delete(allowance);
    }
    if (unused.length === 0 || this.#away) return;
    this.#behind(() => this.#visit("limits.giveBack", (tx) => giveBackAllowances(tx, unused)));
  }

  #sweep(): void {
    const now = performance.now();
    if (now - this.#sweptAt < SWEEP_MS || this.#away) return;
    this.#sweptAt = now;
    this.#behind(() => this.#visit("limits.sweep", (tx) => sweepWindows(tx)));
  }

  /** Runs what no request waits for. What fails here costs a part of a window, or is tried again. */
  #behind(work: () => Promise<unknown>): void {
    const running: Promise<unknown> = work().catch((error) => {
      this.log.debug("Limits: work behind the requests failed", { reason: String(error) });
    }).finally(() => this.#background.delete(running));
    this.#background.add(running);
  }
}
