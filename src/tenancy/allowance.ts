// What one process knows of one allowance: how much it holds of the current window, and who waits for more. It hands out
// only what the database has granted (limits.ts asks for it), and forgets it before the window ends there.
import type { Given } from "./rate_windows.ts";

/** Whose requests are counted, and how many are allowed in a window. */
export interface Limit {
  /** Kind of limit, as callers see it in headers: `tenant`, `key`, `operator`, `address`, `strict`. */
  name: string;
  /** Who is limited; the row in platform.rate_windows. */
  key: string;
  /** Requests in a window. */
  allowance: number;
  /** Refuses while nobody can count; others are then counted in this process alone. */
  closed?: boolean;
}

/** How a limit stands after a request was counted or refused. */
export interface Standing {
  limit: Limit;
  granted: boolean;
  /** Requests that are left in the window, as far as this process knows. */
  remaining: number;
  /** Milliseconds until the window ends. */
  resetMs: number;
  /** Which window it was counted in; empty where this process counted alone. */
  window: string;
}

/** How long a refusal holds without asking again: another process may have given something back. */
const REFUSAL_MS = 1_000;

/** What is held and not used for so long goes back. */
export const IDLE_MS = 1_000;
/** So many may wait for one allowance and all expect to be granted. */
const FEW = 10;

/** One allowance in one process. Times are those of `performance.now()`. */
export class Allowance {
  /** When it was last taken from. */
  lastUsed = -Infinity;
  /** Whether what was held in advance would have gone back before the last request came. */
  #isSeldom = true;
  /** Whether a take is on its way. */
  asking = false;
  #waiting: ((standing: Standing) => void)[] = [];
  #held = 0;
  /** What is left in the database. */
  #left = 0;
  #window = "";
  #until = 0;
  #emptyUntil = 0;
  /** What this process used in this window, and in the one before. */
  #used = 0;
  #usedBefore = 0;

  constructor(public limit: Limit) {}

  /** A standing at once, if what is held, or a refusal of just now, decides it. */
  now(): Standing | null {
    const now = this.#turn();
    this.#isSeldom = now - this.lastUsed > IDLE_MS;
    this.lastUsed = now;
    if (this.#held > 0) {
      this.#held--;
      this.#used++;
      return this.#standing(true, now);
    }
    return now < this.#emptyUntil ? this.#standing(false, now) : null;
  }

  /** The refusal that a request would get at once; null where none is known. */
  get refusal(): Standing | null {
    const now = this.#turn();
    return this.#held === 0 && now < this.#emptyUntil ? this.#standing(false, now) : null;
  }

  /** Waits for the next take. */
  wait(): Promise<Standing> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  /** Whether who waits can expect to be granted: few do, and more than a tenth was left when the database was last asked. */
  get isPromising(): boolean {
    if (this.limit.closed || this.#waiting.length > FEW) return false;
    return performance.now() >= this.#until || this.#left > this.limit.allowance / 10;
  }

  /** What a take asks for: for everyone who waits, and in advance as much as was used lately, if it is used at once. */
  get wish(): { needed: number; ahead: number } {
    return { needed: this.#waiting.length, ahead: this.#isSeldom ? 0 : Math.max(this.#used, this.#usedBefore) };
  }

  /** What a take that was sent at `sentAt` has brought. Whoever came later than it waits on, unless nothing is left. */
  settle(given: Given, sentAt: number): void {
    const now = this.#turn();
    if (given.window_start !== this.#window) this.#begin(given.window_start);
    // The database counted from later than `sentAt`: here the window ends no later than there.
    this.#until = sentAt + given.reset_ms;
    this.#held += given.granted;
    this.#left = given.remaining;
    while (this.#held > 0 && this.#waiting.length > 0) {
      this.#held--;
      this.#used++;
      this.#waiting.shift()!(this.#standing(true));
    }
    if (this.#waiting.length === 0 || this.#left > 0) return;
    this.#emptyUntil = Math.min(this.#until, now + REFUSAL_MS);
    this.#refuseWaiting();
  }

  /** Puts back what was granted to a request that another limit refused, if its window has not ended. */
  putBack({ window }: Standing): void {
    if (performance.now() >= this.#until || window !== this.#window) return;
    this.#used--;
    if (window !== "") this.#held++;
  }

  /** Counts here alone, while nobody else can: this process gives out the whole allowance. */
  alone(windowMs: number): Standing {
    const now = this.#turn();
    if (now >= this.#until) {
      this.#begin("");
      this.#until = now + windowMs;
    }
    this.#held = 0;
    const granted = !this.limit.closed && this.#used < this.limit.allowance;
    if (granted) this.#used++;
    this.#window = "";
    this.#left = Math.max(0, this.limit.allowance - this.#used);
    return this.#standing(granted);
  }

  /** Answers whoever waits, counted here alone. */
  aloneForWaiting(windowMs: number): void {
    for (const resolve of this.#waiting.splice(0)) resolve(this.alone(windowMs));
  }

  /** Lets go of what is held and has not been used since `before`; null if that is nothing. */
  release(before: number): { windowStart: string; amount: number } | null {
    this.#turn();
    if (this.#held === 0 || this.asking || this.lastUsed > before) return null;
    const amount = this.#held;
    this.#held = 0;
    this.#left += amount;
    return { windowStart: this.#window, amount };
  }

  /** What is held now. */
  get held(): number {
    this.#turn();
    return this.#held;
  }

  #begin(window: string): void {
    this.#usedBefore = this.#used;
    this.#used = 0;
    this.#held = 0;
    this.#window = window;
    this.#emptyUntil = 0;
  }

  /** What is held of a window that has ended is gone. */
  #turn(): number {
    const now = performance.now();
    if (now >= this.#until) this.#held = 0;
    return now;
  }

  #refuseWaiting(): void {
    for (const resolve of this.#waiting.splice(0)) resolve(this.#standing(false));
  }

  #standing(granted: boolean, now = performance.now()): Standing {
    const resetMs = Math.max(0, this.#until - now);
    return { limit: this.limit, granted, remaining: this.#left + this.#held, resetMs, window: this.#window };
  }
}
