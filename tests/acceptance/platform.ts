// Starts the program as a stranger would: a child process with a home folder of its own, found by its run.json and stopped
// by SIGINT. Nothing of src/ is imported in this folder; what is known of the platform is what it says by itself.
import assert from "node:assert/strict";
import { join } from "node:path";

const ROOT = new URL("../../", import.meta.url);
const START_MS = 90_000;
const STOP_MS = 30_000;

/** Variables of the developer that would change what a stranger sees; empty ones count as absent. */
const STRANGER = { DATABASE_URL: "", PUBLIC_URL: "", SMTP_URL: "", BASE_DOMAIN: "", BYO_ALLOW: "", LOG_LEVEL: "" };

/** What run.json tells. */
export interface RunFile {
  url: string;
  pid: number;
  databases: Record<string, string>;
  operator: { email: string; password: string };
  customer: { host: string; port: number; database: string; user: string; password: string; tls_mode: string };
}

/** How a run ended. */
export interface Ended {
  code: number;
  stdout: string;
  stderr: string;
  /** From its start, in milliseconds. */
  ms: number;
}

/** A program that was started. */
export interface Running {
  pid: number;
  home: string;
  /** What it has printed so far. */
  stdout(): string;
  ended: Promise<Ended>;
  /** Its own process and all below it, by their ids; none where the system has no /proc. */
  processes(): number[];
  /** Sends SIGINT and waits for the end. */
  stop(): Promise<Ended>;
}

/** A running platform: the program once it serves. */
export interface Platform extends Running {
  run: RunFile;
}

/** Makes an empty folder that a home can be made in. */
export function temporaryHome(): string {
  return join(Deno.makeTempDirSync({ prefix: "bulkhead-accept-" }), "home");
}

/** Removes the home as a user would, and the folder around it. */
export async function removeHome(home: string): Promise<void> {
  const { code, stderr } = await command(home, ["reset", "--yes"]).ended;
  assert.equal(code, 0, stderr);
  await Deno.remove(join(home, ".."), { recursive: true });
}

/** Runs a command of the program: `command(home, ["demo", "--once"])`. */
export function command(home: string, args: string[], env: Record<string, string> = {}): Running {
  const started = performance.now();
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "src/main.ts", "--home", home, ...args],
    cwd: ROOT,
    env: { ...STRANGER, PORT: "0", NO_COLOR: "1", ...env },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const kill = () => child.kill("SIGINT");
  globalThis.addEventListener("unload", kill);
  const [out, err] = [collect(child.stdout), collect(child.stderr)];
  const ended = (async () => {
    const { code } = await child.status;
    const ms = performance.now() - started;
    globalThis.removeEventListener("unload", kill);
    await Promise.all([out.done, err.done]);
    return { code, ms, stdout: out.text(), stderr: err.text() };
  })();
  return {
    pid: child.pid,
    home,
    ended,
    stdout: out.text,
    processes: () => [child.pid, ...below(child.pid)],
    async stop() {
      kill();
      const timer = setTimeout(() => child.kill("SIGKILL"), STOP_MS);
      return await ended.finally(() => clearTimeout(timer));
    },
  };
}

/** Starts `dev` or `demo` and waits until it serves. */
export async function start(home: string, args: string[], env: Record<string, string> = {}): Promise<Platform> {
  const running = command(home, args, env);
  let over: Ended | undefined;
  running.ended.then((end) => over = end);
  const run = await until("run.json", () => {
    assert.equal(over, undefined, `It ended: ${over?.stderr}\n${over?.stdout}`);
    const run = readRunFile(home);
    return run?.pid === running.pid && run; // a killed one leaves its own behind
  }, START_MS);
  return { ...running, run };
}

/** What run.json says now, or undefined when there is none. */
export function readRunFile(home: string): RunFile | undefined {
  try {
    return JSON.parse(Deno.readTextFileSync(join(home, "run.json")));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** Polls until `look` gives something. */
export async function until<T>(
  what: string,
  look: () => T | undefined | null | false | Promise<T | undefined | null | false>,
  ms = 20_000,
): Promise<T> {
  for (const end = Date.now() + ms; Date.now() < end;) {
    const found = await look();
    if (found) return found;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  throw new Error(`Waited ${ms} ms for ${what}`);
}

/** Whether a process is there, not counting one that has ended and was not collected yet. */
export function isAlive(pid: number): boolean {
  try {
    return !/\) [ZX]/.test(Deno.readTextFileSync(`/proc/${pid}/stat`));
  } catch {
    return false;
  }
}

function below(pid: number): number[] {
  const parents = new Map<number, number>();
  try {
    for (const { name } of Deno.readDirSync("/proc")) {
      if (!/^\d+$/.test(name)) continue;
      const stat = readStat(name);
      if (stat) parents.set(Number(name), Number(/.*\) \S+ (\d+)/s.exec(stat)?.[1]));
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  const children = (parent: number): number[] =>
    [...parents].filter(([, of]) => of === parent).flatMap(([child]) => [child, ...children(child)]);
  return children(pid);
}

function readStat(pid: string): string | undefined {
  try {
    return Deno.readTextFileSync(`/proc/${pid}/stat`);
  } catch {
    return undefined; // it ended meanwhile
  }
}

function collect(stream: ReadableStream<Uint8Array>): { text: () => string; done: Promise<void> } {
  let text = "";
  const decoder = new TextDecoder();
  const done = (async () => {
    for await (const chunk of stream) text += decoder.decode(chunk, { stream: true });
  })();
  return { text: () => text, done };
}
