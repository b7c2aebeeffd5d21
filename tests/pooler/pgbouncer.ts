// A transaction pooler in front of the test server: Debian's pgbouncer, which carries no named prepared statements, with
// SCRAM at both ends and few backends, so that every transaction of the tests meets a backend that served someone else.
import { join } from "node:path";
import { serverUser } from "../../src/embedded/os_user.ts";
import { freePort } from "../../src/embedded/ports.ts";
import { testServer } from "../support/postgres.ts";

/** A running pooler. */
export interface Pooler {
  host: string;
  port: number;
  /** What it wrote so far. */
  log(): string;
  stop(): Promise<void>;
}

/** Backends for each database and login. */
export const BACKENDS = 4;

const PATHS = [...(Deno.env.get("PATH") ?? "").split(":"), "/usr/sbin", "/usr/local/sbin", "/opt/homebrew/bin"];
const program = PATHS.filter(Boolean).map((folder) => join(folder, "pgbouncer")).find(isFile);
const START_MS = 5_000;

/**
 * Whether there is a pgbouncer to test with. Where there is none, says so: as a failed test in continuous integration,
 * elsewhere as an ignored one with the reason for its name.
 */
export function poolerIsThere(): boolean {
  if (program) return true;
  const name = 'Install "pgbouncer" to run the tests behind a transaction pooler';
  const missing = () => Promise.reject(new Error(`${name}: there is none on the PATH`));
  Deno.test({ name, ignore: !Deno.env.get("CI"), fn: missing });
  return false;
}

/** Starts a pooler of its own; `more` are further lines of its settings. Stop it at the end. */
export async function startPooler(more: string[] = []): Promise<Pooler> {
  const dir = await Deno.makeTempDir({ prefix: "bulkhead-test-pooler-" });
  const user = await serverUser(); // it refuses root, like PostgreSQL
  const port = freePort(54480);
  const settings = join(dir, "pgbouncer.ini");
  await writeSettings(dir, settings, port, more);
  if (user) await hand(dir, user);
  const child = new Deno.Command(program!, {
    args: [settings],
    ...user,
    cwd: "/",
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  const kill = () => signal(child, "SIGKILL");
  const clearAway = () => { // a test process that fails early must not leave it behind
    kill();
    Deno.removeSync(dir, { recursive: true });
  };
  globalThis.addEventListener("unload", clearAway);
  let log = "";
  const written = child.stderr.pipeThrough(new TextDecoderStream()).pipeTo(
    new WritableStream({ write: (text) => void (log = (log + text).slice(-200_000)) }),
  );
  const pooler: Pooler = {
    host: "127.0.0.1",
    port,
    log: () => log,
    async stop() {
      signal(child, "SIGINT");
      const timer = setTimeout(kill, 2_000);
      await Promise.all([child.status, written]);
      clearTimeout(timer);
      globalThis.removeEventListener("unload", clearAway);
      await Deno.remove(dir, { recursive: true });
    },
  };
  await ready(pooler);
  return pooler;
}

/** The pooler asks the server for each login's SCRAM secret, since tests make logins as they go. */
async function writeSettings(dir: string, path: string, port: number, more: string[]): Promise<void> {
  const server = await testServer();
  await Deno.writeTextFile(join(dir, "users"), `"${server.user}" "${server.password}"\n`);
  const lines = [
    "[databases]",
    `* = host=${server.host} port=${server.port} auth_user=${server.user}`,
    "[pgbouncer]",
    "listen_addr = 127.0.0.1",
    `listen_port = ${port}`,
    "unix_socket_dir =",
    "pool_mode = transaction",
    `default_pool_size = ${BACKENDS}`,
    "max_client_conn = 200",
    "auth_type = scram-sha-256",
    `auth_file = ${join(dir, "users")}`,
    "auth_query = select usename, passwd from pg_catalog.pg_shadow where usename = $1",
    "server_login_retry = 1",
    ...more,
    "",
  ];
  await Deno.writeTextFile(path, lines.join("\n"));
}

async function hand(dir: string, user: { uid: number; gid: number }): Promise<void> {
  for (const path of [dir, join(dir, "users"), join(dir, "pgbouncer.ini")]) await Deno.chown(path, user.uid, user.gid);
}

async function ready(pooler: Pooler): Promise<void> {
  const until = Date.now() + START_MS;
  while (Date.now() < until) {
    const connection = await Deno.connect({ hostname: pooler.host, port: pooler.port }).catch(() => null);
    if (connection) return connection.close();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  await pooler.stop();
  throw new Error(`pgbouncer does not answer\n${pooler.log()}`);
}

function signal(child: Deno.ChildProcess, name: Deno.Signal): void {
  try {
    child.kill(name);
  } catch {
    // it has ended
  }
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}
