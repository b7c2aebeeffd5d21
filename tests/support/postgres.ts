// Real PostgreSQL for tests: the two servers that tests/run.ts started (or one of our own when a file is run by itself),
// and databases of a test's own on them.

import postgres from "postgres";
import { startCluster } from "../../src/embedded/cluster.ts";

/** How to connect to a test server as superuser. */
export interface TestServer {
  host: string;
  port: number;
  user: string;
  password: string;
}

/** A database of one test; `drop()` removes it, whoever is still connected. */
export interface TestDatabase {
  database: string;
  server: TestServer;
  drop(): Promise<void>;
}

const started = new Map<string, Promise<TestServer>>();
let programs: string | undefined;

/** From here on this file's servers are its own, started with the PostgreSQL programs of `folder`. */
export function useProgramsOf(folder: string): void {
  programs = folder;
  started.clear();
}

/** The server that plays ours: from BULKHEAD_TEST_SERVER, else started for this process and gone with it. */
export function testServer(): Promise<TestServer> {
  return server("BULKHEAD_TEST_SERVER", "main", 54400);
}

/** The server that plays a customer's own: from BULKHEAD_TEST_BYO_SERVER, else started for this process and gone with it. */
export function secondTestServer(): Promise<TestServer> {
  return server("BULKHEAD_TEST_BYO_SERVER", "customer", 54450);
}

/** Creates an empty database, or a copy of `template`, named `<prefix>_<random>`, on `server` (default: testServer()). */
export async function freshDatabase(
  prefix: string,
  options: { template?: string; server?: TestServer } = {},
): Promise<TestDatabase> {
  const target = options.server ?? await testServer();
  const database = `${prefix}_${crypto.randomUUID().slice(0, 8)}`;
  await run(target, `create database "${database}" template "${options.template ?? "template0"}" strategy wal_log`);
  return {
    database,
    server: target,
    drop: () => run(target, `drop database if exists "${database}" with (force)`),
  };
}

/** A plain client as superuser, for setting up and looking behind the curtain; the caller ends it. */
export async function adminSql(database: string, server?: TestServer): Promise<postgres.Sql> {
  const { host, port, user, password } = server ?? await testServer();
  return postgres({ host, port, user, password, database, max: 2, onnotice: () => undefined });
}

async function run(server: TestServer, statement: string): Promise<void> {
  const sql = await adminSql("postgres", server);
  try {
    await sql.unsafe(statement);
  } finally {
    await sql.end();
  }
}

function server(variable: string, name: string, port: number): Promise<TestServer> {
  const known = started.get(name) ?? (programs ? undefined : fromEnvironment(variable)) ?? startOwn(name, port);
  started.set(name, known);
  return known;
}

function fromEnvironment(variable: string): Promise<TestServer> | undefined {
  const text = Deno.env.get(variable);
  if (!text) return undefined;
  const { hostname, port, username, password } = new URL(text);
  return Promise.resolve({
    host: hostname,
    port: Number(port),
    user: username,
    password: decodeURIComponent(password),
  });
}

async function startOwn(name: string, port: number): Promise<TestServer> {
  const dir = await Deno.makeTempDir({ prefix: "bulkhead-test-own-" });
  const cluster = await startCluster({ dir, name, port, superuserPassword: crypto.randomUUID(), programs, fast: true });
  globalThis.addEventListener("unload", () => removeServer(cluster.pid, dir));
  const { host, user, password } = cluster.superuser;
  return { host, port: cluster.port, user, password };
}

// Nothing can be awaited while a process unloads, and the server's processes need a moment to go.
function removeServer(pid: number, dir: string): void {
  Deno.kill(pid, "SIGKILL");
  for (let attempt = 0; attempt < 50; attempt++) {
    try {
      return Deno.removeSync(dir, { recursive: true });
    } catch {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20);
    }
  }
}
