// One PostgreSQL server process: starting it, waiting until it accepts connections, stopping it, and telling whether the pid
// file in a data folder belongs to a live server of that folder or is left over from one that died.

import { spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import type { OsUser } from "./os_user.ts";
import { serverEnvironment } from "./settings.ts";

const readyMs = 60_000;
const fastStopMs = 15_000;
const forcedStopMs = 5_000;
const pollMs = 15;

/** A started server; `exited` settles when it is gone. */
export interface Postmaster {
  readonly pid: number;
  readonly exited: Promise<void>;
}

/**
 * Starts the server on `data` and waits until it accepts connections; its output is appended to `log`.
 * It has a process group of its own, so a terminal's Ctrl-C does not reach it, and it never keeps our process alive.
 * Throws with the log's last lines when it ends or is not ready within 60 s.
 */
export async function launch(
  program: string,
  data: string,
  options: { log: string; user: OsUser | undefined },
): Promise<Postmaster> {
  const from = await Deno.stat(options.log).then((info) => info.size, () => 0);
  const output = openSync(options.log, "a", 0o600);
  const environment = serverEnvironment().env;
  const child = spawn(program, ["-D", data], {
    cwd: data,
    detached: true,
    stdio: ["ignore", output, output],
    ...options.user,
    ...(environment && { env: environment }),
  });
  child.unref();
  closeSync(output);
  let gone = false;
  const exited = new Promise<void>((resolve) => {
    child.once("error", () => resolve());
    child.once("exit", () => resolve());
  }).then(() => void (gone = true));
  const deadline = Date.now() + readyMs;
  while (!gone && Date.now() < deadline) {
    const file = await readPidFile(data);
    if (file !== undefined && file.pid === child.pid && file.status === "ready") return { pid: file.pid, exited };
    await delay(pollMs);
  }
  if (!gone) child.kill("SIGQUIT");
  throw new Error(`Start PostgreSQL: its log says: ${await tail(options.log, from)}`);
}

/** Stops the server `pid` of `data` in order (sessions are ended, a checkpoint is written); by force after 15 s. */
export async function halt(pid: number, data: string): Promise<void> {
  for (const [signal, waitMs] of [["SIGINT", fastStopMs], ["SIGQUIT", forcedStopMs]] as const) {
    signalTo(pid, signal);
    if (await isGone(pid, data, waitMs)) return;
  }
  await destroy(pid, data);
}

/** Ends the server `pid` of `data` at once, as a crash would. */
export async function destroy(pid: number, data: string): Promise<void> {
  signalTo(pid, "SIGKILL");
  if (!await isGone(pid, data, forcedStopMs)) throw new Error(`Stop PostgreSQL: process ${pid} is still there`);
}

// Asked again and again: a child that is not to keep our process alive cannot be awaited.
async function isGone(pid: number, data: string, waitMs: number): Promise<boolean> {
  const deadline = Date.now() + waitMs;
  while (await serves(pid, data)) {
    if (Date.now() > deadline) return false;
    await delay(pollMs);
  }
  return true;
}

/** Sends `signal` to `pid`; nothing happens when there is no such process. */
export function signalTo(pid: number, signal: Deno.Signal): void {
  try {
    Deno.kill(pid, signal);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound) && !(error instanceof TypeError)) throw error;
  }
}

/**
 * Clears the way in `data`: a live server of this folder that lost its parent is stopped in order; a pid file that names a dead
 * process or another program is removed. Returns what was done, for the log, or undefined.
 */
export async function heal(data: string): Promise<string | undefined> {
  const file = await readPidFile(data);
  if (file === undefined) return undefined;
  if (await serves(file.pid, data)) {
    await halt(file.pid, data);
    return `Stopped the PostgreSQL server ${file.pid} that a killed run had left behind`;
  }
  await Deno.remove(join(data, "postmaster.pid")).catch(() => undefined);
  return `Removed the lock of the PostgreSQL server ${file.pid}, which is gone`;
}

/** What the pid file in `data` says; undefined when there is none or it is no pid file. */
async function readPidFile(data: string): Promise<{ pid: number; status: string } | undefined> {
  const text = await Deno.readTextFile(join(data, "postmaster.pid")).catch(() => undefined);
  if (text === undefined) return undefined;
  const lines = text.split("\n");
  // A server in single-user mode writes its pid negated.
  return { pid: Math.abs(Number(lines[0])) || 0, status: (lines[7] ?? "").trim() };
}

/** Whether the process `pid` is a live PostgreSQL server of the folder `data`. */
async function serves(pid: number, data: string): Promise<boolean> {
  if (pid < 2 || !isAlive(pid)) return false;
  if (Deno.build.os === "windows") return true;
  if (Deno.build.os !== "linux") return (await commandLine(pid)).includes(data);
  const state = await Deno.readTextFile(`/proc/${pid}/stat`).catch(() => "");
  if (state === "" || /\) [ZX]/.test(state)) return false;
  const arguments_ = await Deno.readTextFile(`/proc/${pid}/cmdline`).catch(() => "");
  if (arguments_.split("\0").includes(data)) return true;
  // The project's folder may have been renamed since: a server's working folder is its data folder.
  const folder = await Deno.readLink(`/proc/${pid}/cwd`).catch(() => undefined);
  return folder !== undefined && folder === await Deno.realPath(data).catch(() => data);
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as { code?: string }).code === "EPERM";
  }
}

async function commandLine(pid: number): Promise<string> {
  const { stdout } = await new Deno.Command("ps", { args: ["-p", String(pid), "-o", "command="] }).output();
  return new TextDecoder().decode(stdout);
}

async function tail(log: string, from: number): Promise<string> {
  const bytes = await Deno.readFile(log).catch(() => new Uint8Array());
  return new TextDecoder().decode(bytes.subarray(from)).trim().split("\n").slice(-8).join("\n");
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
