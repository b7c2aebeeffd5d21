// Which operating-system user the embedded PostgreSQL runs as. PostgreSQL refuses root, so root hands it to another user;
// everyone else runs it as themselves.

/** A user and group id of the operating system. */
export interface OsUser {
  readonly uid: number;
  readonly gid: number;
}

const ownName = "bulkhead";

/**
 * The user for the server: undefined when this process is not root (the server runs as us); else `owner` (who owns the data
 * already), else the system user "bulkhead", made here if the system lets us, else a common unprivileged one.
 * Throws when root has no user to hand the server to.
 */
export async function serverUser(owner?: OsUser): Promise<OsUser | undefined> {
  if (Deno.build.os === "windows" || Deno.uid() !== 0) return undefined;
  if (owner !== undefined && owner.uid !== 0) return owner;
  const known = await lookUp(ownName) ?? await create() ?? await lookUp("postgres") ?? await lookUp("nobody");
  if (known === undefined) {
    throw new Error(`Add a system user "${ownName}" or start as a normal user: PostgreSQL does not run as root`);
  }
  return known;
}

async function create(): Promise<OsUser | undefined> {
  await run("/usr/sbin/useradd", [
    "--system",
    "--user-group",
    "--no-create-home",
    "--shell",
    "/usr/sbin/nologin",
    ownName,
  ]);
  return await lookUp(ownName);
}

async function lookUp(name: string): Promise<OsUser | undefined> {
  const [uid, gid] = [Number(await run("id", ["-u", name])), Number(await run("id", ["-g", name]))];
  return uid > 0 && gid > 0 ? { uid, gid } : undefined;
}

async function run(program: string, args: string[]): Promise<string> {
  const result = await output(program, { args, stdout: "piped", stderr: "null" });
  return result?.success ? new TextDecoder().decode(result.stdout).trim() : "";
}

/** Whether `user` can start `program`; false also when a folder on the way is closed to that user. */
export async function canRun(user: OsUser, program: string, ...args: string[]): Promise<boolean> {
  const quiet = { cwd: "/", clearEnv: true, stdout: "null", stderr: "null" } as const;
  return (await output(program, { args, ...user, ...quiet }))?.success === true;
}

/** Whether `user` can pass through the folder `path` and all above it. */
export async function canEnter(user: OsUser, path: string): Promise<boolean> {
  return await canRun(user, "/bin/sh", "-c", 'test -x "$0"', path);
}

async function output(program: string, options: Deno.CommandOptions): Promise<Deno.CommandOutput | undefined> {
  try {
    return await new Deno.Command(program, options).output();
  } catch {
    // There is no such program, or it is not for this user.
    return undefined;
  }
}
