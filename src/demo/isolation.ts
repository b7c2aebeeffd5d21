// The story's isolation check: every tenant tries to reach every other one, by every route of the API and by direct SQL
// as the run-time logins. What counts is rows: a refusal and an empty answer are both right, a foreign row is a leak.
import type { Local } from "../cli/local.ts";
import { openDirect, type Sql } from "../db/direct.ts";
import type { TenantContext } from "../db/doors.ts";
import type { Client } from "./client.ts";
import type { Chapter } from "./story.ts";

/** What was tried and what came through. */
export interface IsolationResult {
  http: { calls: number; leaks: number; refused: Record<string, number> };
  sql: { attempts: number; rows: number; refused: number };
}

/** A tenant with the ids of its own rows, by collection ("buildings" → ids). */
interface Owner {
  chapter: Chapter;
  ids: Map<string, string[]>;
}

interface Operation {
  method: string;
  path: string;
  operationId: string;
}

const COLLECTIONS = ["members", "buildings", "properties", "renters", "meters", "invoices", "reports", "jobs"];

/** Bodies that are valid, so that only the foreign id can be what is refused. */
const BODIES: Record<string, unknown> = {
  "buildings.update": { name: "Taken over" },
  "properties.update": { label: "Taken over" },
  "renters.update": { last_name: "Taken over" },
  "meters.update": { serial_number: "Taken-over" },
};

/** Tries everything. Throws when a single foreign row was seen or changed. */
export async function checkIsolation(local: Local, client: Client, chapters: Chapter[]): Promise<IsolationResult> {
  const owners = await Promise.all(chapters.map((chapter) => takeStock(client, chapter)));
  const before = await Promise.all(chapters.map((chapter) => inventory(client, chapter)));
  const operations = await tenantOperations(client);
  const result: IsolationResult = {
    http: { calls: 0, leaks: 0, refused: {} },
    sql: { attempts: 0, rows: 0, refused: 0 },
  };
  for (const attacker of owners) {
    for (const victim of owners) {
      if (attacker === victim) continue;
      await tryRoutes(client, operations, attacker, victim, result.http);
      await trySql(local, attacker.chapter, victim.chapter, result.sql);
    }
  }
  const after = await Promise.all(chapters.map((chapter) => inventory(client, chapter)));
  if (JSON.stringify(before) !== JSON.stringify(after)) throw new Error("A tenant's rows were changed by another one");
  if (result.http.leaks + result.sql.rows > 0) throw new Error("A tenant saw rows of another one");
  return result;
}

async function takeStock(client: Client, chapter: Chapter): Promise<Owner> {
  const ids = new Map<string, string[]>();
  for (const collection of COLLECTIONS) {
    const rows = await client.list(`/v1/${collection}`, { token: chapter.token });
    ids.set(collection, rows.map((row: { id: string }) => row.id));
  }
  return { chapter, ids };
}

/** Everything that the others could have changed. */
async function inventory(client: Client, chapter: Chapter) {
  const rows = await Promise.all(
    COLLECTIONS.map((collection) => client.list(`/v1/${collection}`, { token: chapter.token })),
  );
  return rows;
}

async function tenantOperations(client: Client): Promise<Operation[]> {
  const document = await client.call("GET", "/openapi.json");
  const operations: Operation[] = [];
  for (const [path, methods] of Object.entries<Record<string, Record<string, unknown>>>(document.paths)) {
    for (const [method, operation] of Object.entries(methods)) {
      const inTenant = (operation.parameters as { name: string }[] ?? []).some((p) => p.name === "x-tenant");
      const signedIn = (operation.security as unknown[] ?? []).length > 0;
      if (inTenant && signedIn) operations.push({ method, path, operationId: String(operation.operationId) });
    }
  }
  return operations;
}

async function tryRoutes(
  client: Client,
  operations: Operation[],
  attacker: Owner,
  victim: Owner,
  seen: IsolationResult["http"],
): Promise<void> {
  const secrets = [...victim.ids.values()].flat();
  const { token } = attacker.chapter;
  for (const { method, path, operationId } of operations) {
    const collection = path.split("/")[2];
    const id = victim.ids.get(collection)?.[0];
    const foreign = path.replace(/\{id\}/, id ?? crypto.randomUUID());
    const body = BODIES[operationId];
    const attempts: [string, { tenant?: string; body?: unknown }][] = [
      [foreign, { tenant: victim.chapter.slug, body }],
      [`/t/${victim.chapter.slug}${foreign}`, { body }],
    ];
    if (path.includes("{id}") || method === "get") attempts.push([foreign, { body }]);
    for (const [target, asking] of attempts) {
      const answer = await client.ask(method.toUpperCase(), target, { token, ...asking });
      seen.calls++;
      if (answer.status >= 500) throw new Error(`${operationId} answered ${answer.status} to a foreign id`);
      if (answer.status >= 400) seen.refused[answer.body.code] = (seen.refused[answer.body.code] ?? 0) + 1;
      else seen.leaks += secrets.filter((secret) => answer.text.includes(secret)).length;
    }
  }
}

/** The victim's tables, by each way that a stolen run-time login could try. */
async function trySql(local: Local, attacker: Chapter, victim: Chapter, seen: IsolationResult["sql"]): Promise<void> {
  const [mine, theirs] = await Promise.all([contextOf(local, attacker), contextOf(local, victim)]);
  const forged = "v1.1.-.0.9999999999." + "0".repeat(64);
  const claims: [string, TenantContext, string, string][] = [
    ["no context", theirs, "", ""],
    ["a claim without a proof", theirs, victim.tenantId, ""],
    ["a forged proof", theirs, victim.tenantId, forged],
    ["one's own proof for another tenant", theirs, victim.tenantId, mine.sign(0)],
    ["one's own context", mine, attacker.tenantId, mine.sign(0)],
  ];
  for (const [, at, tenant, proof] of claims) {
    const sql = await openDirect(at.target);
    try {
      for (const table of await tenantTables(sql)) {
        seen.attempts++;
        await sql.begin(async (tx) => {
          await tx`select set_config('app.tenant_id', ${tenant}, true), set_config('app.proof', ${proof}, true)`;
          const [{ rows }] = await tx.unsafe(
            `select count(*)::int as rows from tenant."${table}" where tenant_id = $1`,
            [
              victim.tenantId,
            ],
          );
          seen.rows += rows;
        }).catch((error) => {
          if (error.code !== "42501") throw error;
          seen.refused++;
        });
      }
    } finally {
      await sql.end();
    }
  }
  await tryLogin(mine, theirs, seen);
}

/** The attacker's login at the victim's database: refused before anything else. */
async function tryLogin(mine: TenantContext, theirs: TenantContext, seen: IsolationResult["sql"]): Promise<void> {
  if (mine.target.database === theirs.target.database && mine.target.port === theirs.target.port) return;
  seen.attempts++;
  const { user, password } = mine.target;
  const sql = await openDirect({ ...theirs.target, user, password }).catch(() => null);
  if (sql === null) return void seen.refused++;
  await sql.end();
  throw new Error("A tenant's login could connect to the database of another one");
}

async function contextOf(local: Local, chapter: Chapter): Promise<TenantContext> {
  const { directory, targets } = local.services;
  const tenant = await directory.byId(chapter.tenantId);
  if (!tenant) throw new Error(`Tenant "${chapter.slug}" is not there`);
  return await targets.context(tenant, { operation: "demo", requestId: "", readOnly: true });
}

async function tenantTables(sql: Sql): Promise<string[]> {
  const rows = await sql`select c.relname as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = 'tenant' and c.relkind in ('r', 'p') order by 1`;
  return rows.map((row) => row.name);
}
