// The folder of one cluster (`data/`, `server.log`, `port`, `bulkhead.conf`, `owner.lock`): its lock, and what is done with
// servers whose process died without stopping them. All but `data/` belongs to us and is closed to the server's user.

import { join } from "node:path";
import { type Lock, takeLock } from "./lock.ts";
import { heal } from "./postmaster.ts";

const portName = "port";
const maxLogBytes = 10_000_000;

/** Takes the cluster in `folder` for this process. Throws while another live process uses it. */
export async function lockCluster(folder: string): Promise<Lock> {
  const lock = await takeLock(join(folder, "owner.lock"));
  if ("pid" in lock) throw new Error(`Stop process ${lock.pid || "?"} first: it uses the cluster in "${folder}"`);
  return lock;
}

/** Stops every server that runs on a cluster in `dir` and lost its parent. Throws while a live process still uses one. */
export async function stopServersIn(dir: string): Promise<void> {
  for await (const entry of Deno.readDir(dir)) {
    const folder = join(dir, entry.name);
    if (!entry.isDirectory || !await isFolder(join(folder, "data"))) continue;
    const lock = await lockCluster(folder);
    await heal(join(folder, "data")).finally(() => lock.release());
  }
}

/** The port that the cluster in `folder` had at its first start, or undefined. */
export async function keptPort(folder: string): Promise<number | undefined> {
  return Number(await Deno.readTextFile(join(folder, portName)).catch(() => "")) || undefined;
}

/**
 * Keeps the port of the first start, which others may have written down. One that the cluster had to take later, because a
 * stranger sat on its own, is forgotten again.
 */
export async function keepPort(folder: string, port: number): Promise<void> {
  if (await keptPort(folder) === undefined) await Deno.writeTextFile(join(folder, portName), String(port));
}

/** The path of the server's log in `folder`; one above 10 MB is set aside first, in place of the one before. */
export async function logFile(folder: string): Promise<string> {
  const log = join(folder, "server.log");
  const size = await Deno.stat(log).then((info) => info.size, () => 0);
  if (size > maxLogBytes) await Deno.rename(log, `${log}.1`);
  return log;
}

/** Whether `path` is a folder. */
export async function isFolder(path: string): Promise<boolean> {
  return await Deno.stat(path).then((info) => info.isDirectory, () => false);
}
