// Processes of the measurements: each contender has one of its own, so that none pays for another's garbage. The parent
// sends lines of JSON to its standard input, the child answers with lines on its standard output; when the input ends,
// because the parent does, the child ends too.
import process from "node:process";
import { createInterface } from "node:readline";
import { onShutdown } from "../../embedded/shutdown.ts";

/** A process that runs. */
export interface Child<A> {
  /** What it said first. */
  answer: A;
  /** Sends one more line and waits for one more answer. */
  ask(question: unknown): Promise<unknown>;
  stop(): Promise<void>;
}

/** What is run. */
export interface Program {
  /** A module of this folder, `./contender.ts`. */
  module: string;
  /** By default this Deno; PostGraphile runs under Node. */
  runtime?: { command: string; args: string[] };
  /** Arguments of the module. */
  args?: string[];
  /** What it is told first. */
  config: unknown;
  /** Milliseconds until its first answer is there. */
  ms?: number;
}

/** Starts a process and waits for its first answer. Throws when it ends, or says nothing in time; it is stopped then. */
export async function startChild<A>({ module, runtime, args = [], config, ms = 30_000 }: Program): Promise<Child<A>> {
  const path = new URL(module, import.meta.url).pathname;
  const by = runtime ?? { command: Deno.execPath(), args: ["run", "-A"] };
  const child = new Deno.Command(by.command, {
    args: [...by.args, path, ...args],
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const input = child.stdin.getWriter();
  const lines = linesOf(child.stdout);
  const ask = async (question: unknown, limit = ms) => {
    await input.write(new TextEncoder().encode(JSON.stringify(question) + "\n"));
    const line = await within(lines.next(), limit);
    if (!line || line.done) throw new Error(`"${module}" ${line ? "ended" : `said nothing for ${limit} ms`}`);
    return JSON.parse(line.value);
  };
  const stop = async () => {
    forget();
    await input.close().catch(() => {}); // it has ended already
    if (await within(child.status, 3_000)) return;
    child.kill("SIGKILL");
    await child.status;
  };
  const forget = onShutdown(`"${module}"`, stop);
  try {
    return { answer: await ask(config) as A, ask, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** In a child: answers each line of the parent, and ends the process when there are no more. */
export async function answerParent(answer: (question: never, first: boolean) => Promise<unknown>): Promise<void> {
  let first = true;
  for await (const line of createInterface({ input: process.stdin })) {
    console.log(JSON.stringify(await answer(JSON.parse(line) as never, first)));
    first = false;
  }
  process.exit(0);
}

async function* linesOf(stream: ReadableStream<Uint8Array<ArrayBuffer>>): AsyncGenerator<string> {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop()!;
    yield* lines;
  }
}

async function within<T>(work: Promise<T>, ms: number): Promise<T | undefined> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<undefined>((resolve) => timer = setTimeout(() => resolve(undefined), ms));
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
