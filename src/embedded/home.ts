// The `.bulkhead/` folder: everything a local installation keeps. One process at a time may use it; the lock is the operating
// system's, so it goes with the process that holds it and can never be stale.

import { join } from "node:path";
import { isFolder, stopServersIn } from "./cluster_folder.ts";
import { type Lock, takeLock } from "./lock.ts";
import { outsideFolder, passable } from "./outside.ts";
import { openSecrets, type Secrets, writePrivate } from "./secrets.ts";

/** The folder of a local installation, held by this process. */
export interface Home {
  /** Its absolute path. */
  readonly dir: string;
  readonly secrets: Secrets;
  /** The folder of the local clusters, for startCluster(). */
  readonly clusters: string;
  /** The path of the folder `name` in it, made if it is not there. */
  folder(name: string): Promise<string>;
  /** Tells other programs of the owner what runs here: `run.json`, mode 0600, replaced as a whole. */
  writeRunFile(data: RunFile): Promise<void>;
  /** Removes `run.json` and lets the folder go; a second call does nothing. */
  release(): Promise<void>;
}

/** What `run.json` holds; `url` is the one that a second start names. */
export interface RunFile {
  url: string;
  [key: string]: unknown;
}

/** Another live process holds the folder. */
export class HomeInUse extends Error {
  override name = "HomeInUse";
  /** The process id of the holder, 0 when it is not known, and the URL it serves, if it does already. */
  constructor(readonly dir: string, readonly pid: number, readonly url?: string) {
    const who = pid ? `process ${pid}` : "the other process";
    super(`Stop ${who} first: it runs in "${dir}"${url ? ` and serves ${url}` : ""}`);
  }
}

const clustersName = "postgres";

/** Takes the folder `dir` for this process, making it at the first start. Throws HomeInUse while another live process has it. */
export async function openHome(dir: string): Promise<Home> {
  // The server's user, who is another one than ours when we are root, must pass through; it can read no secret in it.
  await Deno.mkdir(dir, { recursive: true, mode: 0o700 });
  const path = await Deno.realPath(dir);
  const lock = await hold(path);
  if (Deno.uid() === 0) await Deno.chmod(path, passable);
  const runFile = join(path, "run.json");
  const secrets = await openSecrets(join(path, "secrets.json")).catch((error) => {
    lock.release();
    throw error;
  });
  await remove(runFile);
  let held = true;
  return {
    dir: path,
    secrets,
    clusters: join(path, clustersName),
    folder: async (name) => {
      const folder = join(path, name);
      await Deno.mkdir(folder, { recursive: true, mode: 0o700 });
      return folder;
    },
    writeRunFile: (data) => writePrivate(runFile, JSON.stringify(data, undefined, 2) + "\n"),
    release: async () => {
      if (held) await remove(runFile);
      held = false;
      lock.release();
    },
  };
}

/**
 * Removes the folder `dir` with all data in it, after a "y" at the terminal or with `yes`. Returns whether it was removed.
 * Throws HomeInUse while a live process has it.
 */
export async function removeHome(
  dir: string,
  options: { yes?: boolean; ask?: (question: string) => boolean } = {},
): Promise<boolean> {
  if (!await isFolder(dir)) return false;
  const path = await Deno.realPath(dir);
  const lock = await hold(path);
  try {
    const ask = options.ask ?? confirm;
    if (!options.yes && !ask(`Remove "${path}" with all its databases, keys and files?`)) return false;
    const clusters = join(path, clustersName);
    const outside = await outsideFolder(clusters);
    for (const folder of [clusters, outside]) {
      if (folder && await isFolder(folder)) await stopServersIn(folder);
    }
    if (outside) await Deno.remove(outside, { recursive: true });
    await Deno.remove(path, { recursive: true });
    return true;
  } finally {
    lock.release();
  }
}

async function hold(dir: string): Promise<Lock> {
  const lock = await takeLock(join(dir, "lock")).catch((cause) => {
    if (!(cause instanceof Deno.errors.PermissionDenied)) throw cause;
    throw new Error(`Start as the user who made "${dir}", or remove it as that user: it is not ours`, { cause });
  });
  if (!("pid" in lock)) return lock;
  const run = await Deno.readTextFile(join(dir, "run.json")).then(JSON.parse).catch(() => undefined);
  throw new HomeInUse(dir, lock.pid, typeof run?.url === "string" ? run.url : undefined);
}

async function remove(path: string): Promise<void> {
  await Deno.remove(path).catch((error) => {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  });
}
