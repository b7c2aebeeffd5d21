// Whether a route shows or changes anything of another tenant: asked for its id, by every way to name its tenant.
import type { Table } from "../prove/catalogue.ts";
import { type Operation, readOperations } from "../prove/operations.ts";
import { Rows } from "../prove/rows.ts";
import { madeRow, openTables, type Question } from "./table_leaks.ts";
import type { TestTenant } from "./tenant.ts";

/** A way to ask, and what must come of it. */
interface Way {
  name: string;
  /** What `{id}` in the path is. */
  id: string;
  headers?: Record<string, string>;
  /** Before the path. */
  prefix?: string;
  query?: Record<string, string>;
  /** Whether it may succeed, as long as nothing of the other tenant is in the answer. */
  open?: boolean;
}

/** The leaks of a route, a sentence each. */
export async function routeLeaks(question: Question): Promise<string[]> {
  const { platform, subject, attacker, victim } = question;
  const document = await (await platform.fetch("/openapi.json")).json();
  const operation = findOperation(readOperations(document), subject);
  const foreign = await idOf(question, operation, victim);
  const own = await idOf(question, operation, attacker);
  const foreignIds = await foreignFinder(question);
  const leaks: string[] = [];
  const ask = async (way: Way) => {
    const answer = await send(operation, way, attacker);
    const what = `tenant "${attacker.slug}" with ${way.name} gets ${answer.status}`;
    if (answer.status >= 500) leaks.push(`${what}: ${answer.text.slice(0, 200)}`);
    if (answer.status < 400 && !way.open) leaks.push(`${what}, which must be refused`);
    for (const told of await foreignIds(answer.text)) leaks.push(`${what}, and the answer has ${told} in it`);
    return answer;
  };
  for (const way of ways(attacker, victim, foreign, own)) await ask(way);
  if (operation.path.includes("{")) {
    const missing = await ask({ name: "an id that nobody has", id: crypto.randomUUID() });
    const other = await ask({ name: "the other tenant's id", id: foreign });
    if (missing.status !== 404) {
      leaks.push(`an id that nobody has gets ${missing.status}, not 404: nothing is shown by it`);
    }
    if (other.status !== missing.status) leaks.push("the other tenant's id and one that nobody has are told apart");
  }
  const answer = await ask({ name: "its own id", id: own, open: true });
  if (answer.status === 404) leaks.push("a tenant's own id gets 404: nothing is shown by it");
  return leaks;
}

const UUID = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g;

/** Finds what an answer has in it of any other tenant, the victim or not: ids of tenants and of rows. */
async function foreignFinder({ platform, attacker, victim }: Question): Promise<(text: string) => Promise<string[]>> {
  const places = new Map([attacker, victim].map((tenant) => [tenant.placement.id, tenant]));
  const asking = await Promise.all([...places.values()].map(async (tenant) => {
    const { admin, tables } = await openTables(platform, tenant);
    const parts = tables.filter(({ columns }) =>
      ["id", "tenant_id"].every((name) => columns.some((one) => one.name === name))
    )
      .map(({ name }) => `select '${name}' as name, id from ${name} where id = any ($1::uuid[]) and tenant_id <> $2`);
    return (ids: string[]) => admin.unsafe(parts.join(" union all "), [`{${ids.join(",")}}`, attacker.id]);
  }));
  return async (text) => {
    const ids = [...new Set(text.match(UUID) ?? [])];
    const rows = ids.length ? (await Promise.all(asking.map((ask) => ask(ids)))).flat() : [];
    const found = rows.slice(0, 3).map(({ id, name }) => `the id "${id}" of another tenant's ${name}`);
    return ids.includes(victim.id) ? [...found, `the id of tenant "${victim.slug}"`] : found;
  };
}

function ways(attacker: TestTenant, victim: TestTenant, foreign: string, own: string): Way[] {
  const named = { "x-tenant": victim.slug };
  return [
    { name: "the other tenant's slug in X-Tenant", id: foreign, headers: named },
    { name: "the other tenant's id in X-Tenant", id: foreign, headers: { "x-tenant": victim.id } },
    { name: "its own id and the other tenant's slug in X-Tenant", id: own, headers: named },
    { name: "the other tenant's path", id: foreign, prefix: `/t/${victim.slug}` },
    { name: "both tenants named", id: foreign, prefix: `/t/${attacker.slug}`, headers: named },
    { name: "the other tenant's id in the query", id: own, query: { tenant_id: victim.id }, open: true },
  ];
}

function findOperation(operations: Operation[], subject: string): Operation {
  const found = operations.find(({ id, method, path }) => id === subject || `${method} ${path}` === subject);
  if (!found) throw new Error(`There is no route "${subject}" in the API document`);
  if (found.audience !== "members") {
    throw new Error(`"${subject}" is for ${found.audience}, not for a tenant's members`);
  }
  return found;
}

/** What `{id}` means: what the test says, or a new row of the table that the path is named for; "" where there is none. */
async function idOf({ platform, id }: Question, { path }: Operation, tenant: TestTenant): Promise<string> {
  if (id) return await id(tenant);
  const { admin, tables, rows } = await openTables(platform, tenant);
  const table = tableOf(path, tables);
  if (table) return (await madeRow(admin, new Rows(admin, rows.tables), table, tenant)).id ?? "";
  if (path.includes("{")) throw new Error(`Say what the id in "${path}" means: expectNoLeak(route, { id: … })`);
  return "";
}

/** `/v1/parking-spaces/{id}` → tenant.parking_spaces. */
function tableOf(path: string, tables: Table[]): Table | undefined {
  const name = path.split("/")[2]?.replaceAll("-", "_");
  return tables.find((table) => table.name.replaceAll('"', "") === `tenant.${name}`);
}

async function send(operation: Operation, way: Way, tenant: TestTenant): Promise<{ status: number; text: string }> {
  const { method, path, query, body } = operation;
  const more = way.query ? `${query ? "&" : "?"}${new URLSearchParams(way.query)}` : "";
  const headers: Record<string, string> = { ...way.headers };
  if (body) headers["content-type"] = body.type;
  const content = body && (body.type === "application/json" ? JSON.stringify(body.value) : String(body.value));
  const to = (way.prefix ?? "") + path.replace(/\{\w+\}/g, way.id) + query + more;
  const answer = await tenant.fetch(to, { method, headers, body: content ?? undefined });
  return { status: answer.status, text: await answer.text() };
}
