// Deadlines of many things with one coarse timer: a timer of its own for each statement costs more than the rest of it.
import { clearInterval, setInterval } from "node:timers";

const TICK_MS = 20;

export class Watch<K extends object> {
  readonly #entries = new Map<K, { until: number; late: () => void }>();
  #timer: ReturnType<typeof setInterval> | null = null;

  /** Calls `late` once after `ms` milliseconds (up to 20 more), unless the key is removed before. */
  add(key: K, ms: number, late: () => void): void {
    this.#entries.set(key, { until: performance.now() + ms, late });
    this.#timer ??= setInterval(() => this.#tick(), TICK_MS).unref();
  }

  remove(key: K): void {
    this.#entries.delete(key);
  }

  stop(): void {
    this.#entries.clear();
    this.#rest();
  }

  #tick(): void {
    if (this.#entries.size === 0) return this.#rest();
    const now = performance.now();
    for (const [key, { until, late }] of this.#entries) {
      if (until > now) continue;
      this.#entries.delete(key);
      late();
    }
  }

  #rest(): void {
    if (this.#timer) clearInterval(this.#timer);
    this.#timer = null;
  }
}
