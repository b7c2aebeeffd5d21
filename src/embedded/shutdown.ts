// Ends the program in order: what was started last is stopped first, once, within a deadline.
// A second Ctrl-C ends it at once.

import { watchLauncher } from "./launcher.ts";

/** Stops one part of the program. */
export type Stopper = () => Promise<unknown> | unknown;

/** What a Shutdown takes; the defaults are for the real program. */
export interface ShutdownOptions {
  /** How long all stoppers together may take, in milliseconds (default 20,000). */
  deadlineMs?: number;
  /** Hears which part failed to stop. */
  log?: (sentence: string) => void;
  exit?: (code: number) => void;
}

// A terminal's Ctrl-C reaches us twice when a task runner passes it on as well: those are one.
const sameSignalMs = 1_000;

/** The stoppers of one program, and what happens at a signal. */
export class Shutdown {
  #stoppers: { name: string; stop: Stopper }[] = [];
  #options: Required<ShutdownOptions>;
  #begun: Promise<void> | undefined;
  #begunAt = 0;
  #code = 0;

  constructor(options: ShutdownOptions = {}) {
    this.#options = { deadlineMs: 20_000, log: (sentence) => console.error(sentence), exit: Deno.exit, ...options };
  }

  /** Adds a part that is running now. Returns a function that takes it off again. */
  add(name: string, stop: Stopper): () => void {
    const entry = { name, stop };
    this.#stoppers.push(entry);
    return () => void (this.#stoppers = this.#stoppers.filter((other) => other !== entry));
  }

  /**
   * Stops everything, last added first, then ends the program with the first code other than 0 that it was called with
   * (1 if there was none and a part failed or the deadline passed).
   */
  run(code = 0): Promise<void> {
    this.#begunAt ||= Date.now();
    this.#code ||= code;
    return this.#begun ??= this.#stopAll().then((clean) => this.#options.exit(this.#code || (clean ? 0 : 1)));
  }

  /** What a signal does: the first begins to stop, a later one ends the program at once with 130. */
  signal(code: number): void {
    if (this.#begun === undefined) void this.run(code);
    else if (Date.now() - this.#begunAt > sameSignalMs) this.#options.exit(130);
  }

  async #stopAll(): Promise<boolean> {
    let [clean, current] = [true, ""];
    const { deadlineMs, log } = this.#options;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const deadline = new Promise<false>((resolve) => timer = setTimeout(() => resolve(false), deadlineMs));
    const work = async () => {
      for (let entry = this.#stoppers.pop(); entry !== undefined; entry = this.#stoppers.pop()) {
        current = entry.name;
        await Promise.resolve().then(entry.stop).catch((error) => {
          clean = false;
          log(`Stop ${current}: ${error instanceof Error ? error.message : error}`);
        });
      }
      return clean;
    };
    const result = await Promise.race([work(), deadline]);
    clearTimeout(timer);
    if (!result && clean) log(`Stop ${current}: it took longer than ${deadlineMs} ms`);
    return result;
  }
}

let program: Shutdown | undefined;

/** Has `stop` run when the program ends by Ctrl-C, SIGTERM, a closed terminal, a killed npx or endProgram(). Returns a function that takes it off. */
export function onShutdown(name: string, stop: Stopper): () => void {
  return theProgram().add(name, stop);
}

/** Stops everything that onShutdown() knows of and ends the program with `code`. */
export async function endProgram(code = 0): Promise<void> {
  await theProgram().run(code);
}

function theProgram(): Shutdown {
  if (program !== undefined) return program;
  const made = program = new Shutdown();
  const signals: Deno.Signal[] = Deno.build.os === "windows" ? ["SIGINT"] : ["SIGINT", "SIGTERM", "SIGHUP"];
  for (const name of signals) {
    Deno.addSignalListener(name, () => {
      if (name === "SIGHUP") silence();
      made.signal(0);
    });
  }
  watchLauncher(() => made.signal(0));
  return program;
}

// The terminal is gone: printing to it throws, in the middle of whatever is being stopped.
function silence(): void {
  Object.assign(console, { debug() {}, log() {}, info() {}, warn() {}, error() {} });
}
