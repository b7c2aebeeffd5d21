// Where argon2 jobs run: a few worker threads, each with one job at a time, or this thread where workers cannot be had.
// The queue is bounded, and never more jobs compute at once than there are lanes: each takes 19 MiB.

import { AppError } from "../errors.ts";
import { type Argon2Job, computeArgon2 } from "./argon2.ts";
import type { Argon2Answer } from "./password_worker.ts";

type Result = string | boolean;

/** One place that computes one job at a time. */
interface Lane {
  run(job: Argon2Job): Promise<Result>;
  end(): void;
}

interface Waiting {
  job: Argon2Job;
  resolve(value: Result): void;
  reject(error: unknown): void;
}

const MAX_WAITING = 200;

/** Runs argon2 jobs first come first served in up to `limit` workers, started when needed; 0 means on this thread. */
export class Argon2Pool {
  readonly #limit: number;
  readonly #queue: Waiting[] = [];
  readonly #idle: Lane[] = [];
  readonly #busy = new Set<Lane>();
  #isClosed = false;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** The job's result. @throws AppError `overloaded` when too many wait or the pool is closed, `internal`. */
  run(job: Argon2Job): Promise<Result> {
    if (this.#isClosed) return Promise.reject(stopping());
    if (this.#queue.length >= MAX_WAITING) {
      const extra = { retryAfter: 2 };
      return Promise.reject(new AppError("overloaded", "Too many sign-ins are waiting, try again soon", extra));
    }
    return new Promise((resolve, reject) => {
      this.#queue.push({ job, resolve, reject });
      this.#next();
    });
  }

  /** Ends all workers; what waits or runs there is refused. */
  close(): void {
    this.#isClosed = true;
    for (const { reject } of this.#queue.splice(0)) reject(stopping());
    for (const lane of [...this.#busy, ...this.#idle.splice(0)]) lane.end();
  }

  async #next(): Promise<void> {
    const isFull = this.#idle.length === 0 && this.#busy.size >= Math.max(1, this.#limit);
    const waiting = isFull ? undefined : this.#queue.shift();
    if (!waiting) return;
    const lane = this.#idle.pop() ?? (this.#limit > 0 ? startWorker() : thisThread());
    this.#busy.add(lane);
    try {
      waiting.resolve(await lane.run(waiting.job));
      this.#idle.push(lane);
    } catch (error) {
      lane.end();
      waiting.reject(
        error instanceof AppError ? error : new AppError("internal", "The password could not be computed"),
      );
    } finally {
      this.#busy.delete(lane);
      this.#next();
    }
  }
}

function thisThread(): Lane {
  return { run: computeArgon2, end: () => {} };
}

function startWorker(): Lane {
  let worker: Worker;
  try {
    worker = new Worker(new URL("./password_worker.ts", import.meta.url), { type: "module" });
  } catch {
    // Some edge runtimes define Worker and refuse to start one.
    return thisThread();
  }
  let abandon = (_error: Error) => {};
  worker.onerror = (event) => {
    // Without this a broken worker would end the whole process.
    event.preventDefault();
    abandon(new AppError("internal", "A password worker stopped"));
  };
  return {
    run: (job) =>
      new Promise((resolve, reject) => {
        abandon = reject;
        worker.onmessage = ({ data }: MessageEvent<Argon2Answer>) =>
          "value" in data ? resolve(data.value) : reject(new Error("The job failed"));
        worker.postMessage(job);
      }),
    end: () => {
      worker.terminate();
      abandon(stopping());
    },
  };
}

function stopping(): AppError {
  return new AppError("overloaded", "The server is stopping");
}
