// Places for long operations: an upload keeps a connection for as long as its sender likes, so only so many may do that
// at once, for one tenant and for one database. Who finds no place is told to come again; nobody else waits for them.
import { AppError } from "../errors.ts";

/** Counts who is in; one for each kind of operation of a process. */
export class Slots {
  #taken = new Map<string, number>();

  /** Runs `work` in a place for each key. Throws AppError `overloaded` at once when one of them has none left. */
  async within<T>(limits: Record<string, number>, work: () => Promise<T>): Promise<T> {
    for (const [key, limit] of Object.entries(limits)) {
      if ((this.#taken.get(key) ?? 0) >= limit) {
        throw new AppError("overloaded", "Too many of these run at once; try again when one has ended", {
          retryAfter: 5,
        });
      }
    }
    for (const key of Object.keys(limits)) this.#add(key, 1);
    try {
      return await work();
    } finally {
      for (const key of Object.keys(limits)) this.#add(key, -1);
    }
  }

  #add(key: string, change: number): void {
    const count = (this.#taken.get(key) ?? 0) + change;
    if (count === 0) this.#taken.delete(key);
    else this.#taken.set(key, count);
  }
}
