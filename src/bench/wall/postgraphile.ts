// PostGraphile as a contender (c): its packages are installed into the temporary folder when it is measured, and it runs
// under Node. It reads the copy of the rows by the usual policy on a claim of its token, and answers the same fields.
import { Buffer } from "node:buffer";
import { createHmac } from "node:crypto";
import { join } from "node:path";
import { type Child, startChild } from "./child.ts";
import { type Asked, requestBytes } from "./client.ts";
import { type Ground, LOGINS } from "./ground.ts";

const VERSION = "4.14.1";
const INSTALL_MS = 60_000;

const QUERY = `{ allRenters(first: 20, orderBy: [LAST_NAME_KEY_ASC, ID_ASC]) { nodes { id propertyId firstName lastName
  email phone leaseStartsOn leaseEndsOn createdAt updatedAt } pageInfo { hasNextPage endCursor } } }`;

/** A running PostGraphile. */
export interface PostGraphile {
  child: Child<{ ports: number[] }>;
  /** What it is asked at each of the ports. */
  asked: Asked[];
}

/** Installs and starts it. Throws with the reason where that is not possible. */
export async function startPostGraphile(ground: Ground, ports: number[], connections: number): Promise<PostGraphile> {
  const folder = join(ground.dir, "postgraphile");
  await install(folder);
  const { host, sharedDatabase: database } = ground.servers.settings;
  const jwtSecret = crypto.randomUUID();
  const targets = ports.map((port) => ({ host, port, database, user: LOGINS.naive, password: ground.password }));
  const child = await startChild<{ ports: number[] }>({
    module: "./postgraphile_server.mjs",
    runtime: { command: "node", args: [] },
    args: [join(folder, "package.json")],
    config: { targets, connections, jwtSecret },
  });
  const body = JSON.stringify({ query: QUERY.replace(/\s+/g, " ") });
  const requests = ground.tenants.map((tenant) =>
    requestBytes({
      method: "POST",
      path: "/graphql",
      headers: { authorization: `Bearer ${tokenFor(tenant, jwtSecret)}`, "content-type": "application/json" },
      body,
    })
  );
  return { child, asked: child.answer.ports.map((port) => ({ port, requests, lengths: new Map() })) };
}

async function install(folder: string): Promise<void> {
  await Deno.mkdir(folder);
  await Deno.writeTextFile(join(folder, "package.json"), '{ "private": true }\n');
  const { success, stderr } = await new Deno.Command("npm", {
    args: ["install", "--no-audit", "--no-fund", "--ignore-scripts", `postgraphile@${VERSION}`],
    cwd: folder,
    stdout: "null",
    stderr: "piped",
    signal: AbortSignal.timeout(INSTALL_MS),
  }).output();
  if (!success) throw new Error(`npm said: ${new TextDecoder().decode(stderr).trim().split("\n").at(-1)}`);
}

/** A JWT by HS256 (RFC 7519), which is what PostGraphile checks by itself. */
function tokenFor(tenant: string, secret: string): string {
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const claims = { tenant_id: tenant, aud: "postgraphile", exp: Math.floor(Date.now() / 1000) + 3600 };
  const head = `${part({ alg: "HS256", typ: "JWT" })}.${part(claims)}`;
  return `${head}.${createHmac("sha256", secret).update(head).digest("base64url")}`;
}
