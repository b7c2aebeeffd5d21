// The configuration of an embedded cluster: which settings it runs with, and its first creation by initdb.
// Only password logins over loopback: no trust, no Unix socket.

import { join } from "node:path";
import type { Binaries } from "./binaries.ts";
import type { OsUser } from "./os_user.ts";

/** The name of every embedded cluster's superuser. */
export const superuserName = "postgres";

const settingsName = "bulkhead.conf";
/** The first version with locales of its own. */
const builtinLocale = 17;

const hostRules = "# Written by Bulkhead: password logins over loopback only.\n" +
  "host all all 127.0.0.1/32 scram-sha-256\nhost replication all 127.0.0.1/32 scram-sha-256\n";

/**
 * Writes the settings of the cluster in `folder`; `fast` gives up durability and is for tests only.
 * The file lies beside the data and not in it: root must not write where the server's user could have laid a link.
 */
export async function writeSettings(folder: string, port: number, fast: boolean): Promise<void> {
  const path = join(folder, settingsName);
  await Deno.writeTextFile(path, settingsText(port, fast));
  if (Deno.uid() === 0) await Deno.chmod(path, 0o644);
}

function settingsText(port: number, fast: boolean): string {
  const settings: Record<string, string> = {
    listen_addresses: "'127.0.0.1'",
    port: String(port),
    unix_socket_directories: "''",
    max_connections: "200",
    shared_buffers: "128MB",
    password_encryption: "'scram-sha-256'",
    timezone: "'UTC'",
    log_timezone: "'UTC'",
    log_line_prefix: "'%m [%p] %q%u@%d %a '",
    // A failed statement is not written to the log: it may hold a password.
    log_min_error_statement: "panic",
  };
  // Commits still reach the operating system, so they outlive a crash of the server, but not one of the machine.
  if (fast) Object.assign(settings, { fsync: "off", full_page_writes: "off" });
  const lines = Object.entries(settings).map(([name, value]) => `${name} = ${value}\n`);
  return "# Written by Bulkhead at each start; change settings with ALTER SYSTEM.\n" + lines.join("");
}

/** Creates the cluster's data folder `data`, whole or not at all. Throws with initdb's words when it fails. */
export async function initialise(
  binaries: Binaries,
  data: string,
  options: { user: OsUser | undefined; password: string; fast: boolean },
): Promise<void> {
  const { user, password, fast } = options;
  const [unfinished, passwordFile] = [`${data}.unfinished`, `${data}.password`];
  await Deno.remove(unfinished, { recursive: true }).catch(() => undefined);
  await Deno.remove(passwordFile).catch(() => undefined);
  await Deno.mkdir(unfinished, { mode: 0o700 });
  try {
    await Deno.writeTextFile(passwordFile, password + "\n", { mode: 0o600, createNew: true });
    if (user) { for (const path of [unfinished, passwordFile]) await Deno.chown(path, user.uid, user.gid); }
    await initdb(binaries, unfinished, { user, passwordFile, fast });
  } finally {
    await Deno.remove(passwordFile).catch(() => undefined);
  }
  await Deno.writeTextFile(join(unfinished, "pg_hba.conf"), hostRules);
  await Deno.writeTextFile(join(unfinished, "postgresql.conf"), `\ninclude = '../${settingsName}'\n`, {
    append: true,
  });
  await Deno.rename(unfinished, data);
}

async function initdb(
  binaries: Binaries,
  data: string,
  options: { user: OsUser | undefined; passwordFile: string; fast: boolean },
): Promise<void> {
  const args = [`--pgdata=${data}`, `--username=${superuserName}`, `--pwfile=${options.passwordFile}`];
  args.push("--auth=scram-sha-256", "--encoding=UTF8", "--no-instructions");
  // The same locale of PostgreSQL's own on every system, where it has one.
  if (binaries.version < builtinLocale) args.push("--locale=C.UTF-8");
  else args.push("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8");
  if (options.fast) args.push("--no-sync");
  const { success, stderr } = await new Deno.Command(binaries.initdb, {
    args,
    ...options.user,
    ...serverEnvironment(),
    cwd: data,
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).output();
  if (!success) throw new Error(`Create the cluster in "${data}": initdb said: ${new TextDecoder().decode(stderr)}`);
}

/** What the server's processes see of our environment: nothing, so that no secret of ours is to be read there. */
export function serverEnvironment(): { clearEnv?: boolean; env?: Record<string, string> } {
  // Windows programs do not start without the system's variables.
  return Deno.build.os === "windows" ? {} : { clearEnv: true, env: { LC_ALL: "C", TZ: "UTC" } };
}
