// Where root keeps a cluster when the server's user cannot reach the project's folder (a clone below /root, for example):
// a folder of its own below /var/lib/bulkhead, named by a pointer file in the project. Nobody but root uses this.

import { tmpdir } from "node:os";
import { join } from "node:path";
import { canEnter, type OsUser } from "./os_user.ts";

const pointerName = "elsewhere.json";
const projectName = "project";

/** Mode of a folder of ours that the server's user may pass through but not read. */
export const passable = 0o711;

/**
 * The folder to hold the clusters of `dir`: `dir` itself where `user` can enter it, else one outside, the same at each start.
 * `onOrphan` is called with each outside folder of a former life of `dir`, whose pointer is lost, before it is removed.
 */
export function reachableFolder(
  dir: string,
  user: OsUser | undefined,
  onOrphan: (folder: string) => Promise<void>,
): Promise<string> {
  // One after another: two clusters of a project that start together must find the same folder.
  const found = turn.then(() => find(dir, user, onOrphan));
  turn = found.catch(() => undefined);
  return found;
}

let turn: Promise<unknown> = Promise.resolve();

async function find(
  dir: string,
  user: OsUser | undefined,
  onOrphan: (folder: string) => Promise<void>,
): Promise<string> {
  await Deno.mkdir(dir, { recursive: true, mode: 0o700 });
  if (user === undefined) return dir;
  const known = await outsideFolder(dir);
  if (known !== undefined) return known;
  await Deno.chmod(dir, passable);
  if (await canEnter(user, dir)) return dir;
  await removeOrphans(dir, onOrphan);
  const made = await Deno.makeTempDir({ dir: await sharedFolder(), prefix: "project-" });
  await Deno.chmod(made, passable);
  await Deno.writeTextFile(join(made, projectName), dir);
  await Deno.writeTextFile(join(dir, pointerName), JSON.stringify({ folder: made }), { mode: 0o600 });
  return made;
}

/** The folder outside that `dir` points to, or undefined when there is none. */
export async function outsideFolder(dir: string): Promise<string | undefined> {
  const text = await Deno.readTextFile(join(dir, pointerName)).catch(() => undefined);
  if (text === undefined) return undefined;
  const { folder } = JSON.parse(text) as { folder: string };
  return await Deno.stat(folder).then(() => folder, () => undefined);
}

/** Root's folder that every user of the system may enter: made on demand; never one that somebody else could write to. */
export async function sharedFolder(): Promise<string> {
  for (const folder of ["/var/lib/bulkhead", join(tmpdir(), "bulkhead-shared")]) {
    await Deno.mkdir(folder, { recursive: true }).then(() => Deno.chmod(folder, 0o755)).catch(() => undefined);
    const info = await Deno.lstat(folder).catch(() => undefined);
    if (info?.isDirectory && info.uid === 0 && ((info.mode ?? 0) & 0o022) === 0) return folder;
  }
  throw new Error('Let root create the folder "/var/lib/bulkhead": the server\'s user cannot reach this project');
}

async function removeOrphans(dir: string, onOrphan: (folder: string) => Promise<void>): Promise<void> {
  const shared = await sharedFolder();
  for await (const entry of Deno.readDir(shared)) {
    const folder = join(shared, entry.name);
    const project = await Deno.readTextFile(join(folder, projectName)).catch(() => undefined);
    if (project !== dir) continue;
    await onOrphan(folder);
    await Deno.remove(folder, { recursive: true });
  }
}
