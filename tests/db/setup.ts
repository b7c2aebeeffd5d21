// What the tests of the pool share: a database of their own, a context that can be looked at, and a stand-in for a
// server that does not play by the rules.
import { Buffer } from "node:buffer";
import net from "node:net";
import { openDirect, type Sql } from "../../src/db/direct.ts";
import { type Context, ContextStatement, Pool, type PoolOptions, type Target } from "../../src/db/pool.ts";
import { freshDatabase, testServer } from "../support/postgres.ts";

const ENTER = new ContextStatement("test_enter", "select set_config('app.tenant_id', $1, true)", 1);
const LOOK = new ContextStatement("test_look", "select 1", 0);

/** Enters as a tenant. */
export function as(tenant: string): Context {
  return { statement: ENTER, values: () => [tenant] };
}

/** Enters without setting anything, to see what is left from before. */
export const looking: Context = { statement: LOOK, values: () => [] };

/** Where `database()` says that databases are, when it is not the server itself: the same suite runs behind a pooler. */
let pooler: Pick<Target, "host" | "port"> | null = null;

/** From here on `database()` leads through a transaction pooler. */
export function putBehind(where: Pick<Target, "host" | "port">): void {
  pooler = { host: where.host, port: where.port };
}

/** A new database and how to reach it; dropped when the file's tests are done. */
export async function database(prefix: string): Promise<Target> {
  const { host, port, user, password } = await testServer();
  const fresh = await freshDatabase(prefix);
  Deno.test.afterAll(() => fresh.drop());
  return through({ host, port, user, password, database: fresh.database });
}

/** The way to a target: through the pooler, if the tests run behind one. */
export function through(target: Target): Target {
  return pooler ? { ...target, ...pooler, pooler: "transaction" } : target;
}

/** A connection to the target's server itself, for what stands outside the pool. */
export async function openStraight(target: Target): Promise<Sql> {
  const { host, port } = await testServer();
  return await openDirect({ ...target, host, port, pooler: "none" });
}

/** Runs `fn` with a pool and ends it. */
export async function withPool(
  target: Target,
  options: Partial<PoolOptions>,
  fn: (pool: Pool) => Promise<void>,
): Promise<void> {
  const pool = new Pool(target, { max: 2, ...options });
  try {
    await fn(pool);
  } finally {
    await pool.end();
  }
}

/** The tenant that a scope sees on the pool's connection without having entered; null if none is left. */
export async function leftover(pool: Pool): Promise<string | null> {
  const rows = await pool.run(
    looking,
    (tx) => tx<{ left: string }>`select current_setting('app.tenant_id', true) as left`,
  );
  return rows[0].left || null;
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** The error that a promise rejects with; fails if it does not. */
export async function failure(promise: PromiseLike<unknown>): Promise<Error & { code?: string; retryAfter?: number }> {
  try {
    await promise;
  } catch (error) {
    return error as Error;
  }
  throw new Error("It should have failed");
}

/** A message of the server: type letter and body. */
export function message(type: string, ...parts: (string | number | Uint8Array)[]): Buffer {
  const body = Buffer.concat(parts.map((part) => {
    if (typeof part === "string") return Buffer.from(part);
    if (typeof part !== "number") return part;
    const bytes = Buffer.alloc(4);
    bytes.writeInt32BE(part);
    return bytes;
  }));
  const head = Buffer.alloc(5);
  head.write(type);
  head.writeInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
}

/** What a server says that trusts everyone. */
export const WELCOME = Buffer.concat([message("R", 0), message("K", 4242, 7), message("Z", "I")]);

/** A server that answers the n-th chunk that it receives with `script(n, chunk)`; undefined says nothing. */
export async function falseServer(
  script: (n: number, chunk: Buffer, socket: net.Socket) => Uint8Array | string | undefined,
  fn: (target: Target) => Promise<void>,
): Promise<void> {
  const sockets = new Set<net.Socket>();
  const server = net.createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    let n = 0;
    socket.on("data", (chunk: Buffer) => {
      const answer = script(n++, chunk, socket);
      if (answer !== undefined && !socket.destroyed) socket.write(answer);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as net.AddressInfo;
  try {
    await fn({ host: "127.0.0.1", port, database: "d", user: "u", password: "secret" });
  } finally {
    for (const socket of sockets) socket.destroy();
    await new Promise<void>((resolve) => server.close(() => resolve()));
  }
}
