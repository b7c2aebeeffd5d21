// The routes: every operation of the API's own document, called by the attacker for the victim by every way to name a tenant,
// with foreign ids in path and body, and with tokens that are not the victim's. A route that is added later is called too.
import type { Services } from "../../tenancy/services.ts";
import { nameOf, type Operation, readOperations, tableOf } from "../operations.ts";
import { resigned } from "../resigned.ts";
import type { Fetch, Scratch } from "../scratch.ts";
import { activate, memberToken, type Site } from "../site.ts";
import { type ChannelOptions, type ChannelResult, Findings, sharedSite, unchanged, victimsValues } from "./check.ts";

/** One request, but for the operation. */
interface Way {
  name: string;
  headers: Record<string, string>;
  /** Before the path. */
  prefix?: string;
  host?: string;
  /** Whose ids stand in the path. */
  ids: "own" | "victim";
  /** Whether ids in the body are the victim's. */
  foreignBody?: boolean;
  /** Whether the answer may be a success, which must then hold nothing of the victim. */
  mayPass?: boolean;
}

const BASE = "http://localhost";
/** Proper at operators' own operations. */
const OPERATOR = "an operator's token";

/** Calls everything. `services` may be spoiled ones: what mutants are found by. */
export async function checkHttp(
  scratch: Scratch,
  _: ChannelOptions,
  over: { fetch?: Fetch; services?: Services } = {},
): Promise<ChannelResult> {
  const findings = new Findings("HTTP routes");
  const fetch = over.fetch ?? scratch.app(over.services);
  const site = sharedSite(scratch);
  const values = await victimsValues(site);
  const document = await (await fetch(new Request(`${BASE}/openapi.json`))).json();
  const operations = readOperations(document).filter(({ id }) => !/^auth\.(login|refresh|setupPassword)$/.test(id));
  const ids = await idsOf(site);
  await unchanged(site, findings, async () => {
    for (const operation of operations.filter(({ inTenant, audience }) => inTenant || audience === "operators")) {
      // Tokens anew: the operation before may have ended the caller's sessions, or taken its role.
      await activate(site);
      for (const way of await waysOf(scratch, site)) await callOnce({ fetch, operation, way, ids, values }, findings);
    }
    await scratch.work();
  });
  return findings.result();
}

/** Ids of the rows of both, by collection: `buildings` → id. */
async function idsOf(site: Site) {
  const of = async (tenantId: string) => {
    const found = new Map<string, string>();
    for (const table of site.tables) {
      const id = nameOf(await site.rows.row(table, tenantId));
      if (id) found.set(table.name.replace(/^\w+\./, ""), id);
    }
    return found;
  };
  return { own: await of(site.attacker.id), victim: await of(site.victim.id) };
}

interface Calling {
  fetch: Fetch;
  operation: Operation;
  way: Way;
  ids: { own: Map<string, string>; victim: Map<string, string> };
  values: string[];
}

async function callOnce(calling: Calling, findings: Findings): Promise<void> {
  const { fetch, operation, way, values } = calling;
  if (operation.audience === "operators" && (way.mayPass || way.name === OPERATOR)) return;
  const text = bodyOf(calling);
  const path = `${way.prefix && operation.inTenant ? way.prefix : ""}${pathOf(calling)}`;
  const headers = new Headers({ ...way.headers, host: way.host ?? "localhost" });
  if (operation.body) headers.set("content-type", operation.body.type);
  const request = new Request(`http://${way.host ?? "localhost"}${path}`, {
    method: operation.method,
    headers,
    body: text,
  });
  const answer = await fetch(request);
  const body = await answer.text();
  const what = `${operation.id}, ${way.name}`;
  // Rows that were made from the catalogue alone may not fit an answer's schema: a 500 to one's own is no leak.
  // What is open to anyone may answer; it must only show nothing.
  if (way.mayPass || operation.audience === "anyone") findings.tries++;
  else findings.expect(answer.status >= 400 && answer.status < 500, `${what}: answered with ${answer.status}`);
  const sent = `${path} ${text ?? ""}`;
  const shown = values.find((value) => body.includes(value) && !sent.includes(value));
  if (shown) findings.leak(`${what}: the answer holds a value of the victim's`);
  // An id that was asked for is echoed only by an answer that found it.
  if (answer.status < 300 && way.ids === "victim" && operation.path.includes("{id}")) {
    findings.leak(`${what}: a foreign id was answered with ${answer.status}`);
  }
  if (answer.status < 300 && operation.inTenant) {
    const control = answer.headers.get("cache-control") ?? "";
    findings.expect(/no-store/.test(control), `${what}: a shared cache may keep the answer ("${control}")`);
  }
}

function pathOf({ operation, way, ids }: Calling): string {
  const id = ids[way.ids].get(tableOf(operation.path)) ?? ids[way.ids].get("members")!;
  return operation.path.replace(/\{\w+\}/g, id) + operation.query;
}

/** The body; where it is foreign, every id in it is the victim's, of the table that the property is named after. */
function bodyOf({ operation, way, ids }: Calling): string | undefined {
  if (!operation.body) return undefined;
  const { type, value } = operation.body;
  if (type !== "application/json") return String(value);
  if (!way.foreignBody) return JSON.stringify(value);
  return JSON.stringify(value, (name, inner) => {
    const table = /^(\w+)_id$/.exec(name)?.[1];
    if (!table || typeof inner !== "string") return inner;
    return ids.victim.get(`${table}s`) ?? ids.victim.get(`${table.replace(/y$/, "ie")}s`) ?? inner;
  });
}

async function waysOf(scratch: Scratch, site: Site): Promise<Way[]> {
  const { tokens, config } = scratch.services;
  const { attacker, victim } = site;
  const mine = { authorization: `Bearer ${await memberToken(scratch.services, site, attacker.id)}` };
  const good = await memberToken(scratch.services, site, victim.id);
  const [head, payload, signature] = good.split(".");
  const unsigned = btoa(JSON.stringify({ alg: "none", typ: "at+jwt" })).replace(/=+$/, "");
  const operator = await tokens.issueOperator({
    operatorId: crypto.randomUUID(),
    email: "x@example.test",
    role: "none",
  });
  const named: [string, Partial<Way>][] = [
    ["X-Tenant with the victim's slug", { headers: { ...mine, "x-tenant": victim.slug! } }],
    ["X-Tenant with the victim's id", { headers: { ...mine, "x-tenant": victim.id } }],
    ["X-Tenant in capitals", { headers: { ...mine, "x-tenant": victim.slug!.toUpperCase() } }],
    ["X-Tenant with both", { headers: { ...mine, "x-tenant": `${attacker.slug}, ${victim.slug}` } }],
    ["the victim's path", { prefix: `/t/${victim.slug}` }],
    ["the victim's path, one's own X-Tenant", {
      headers: { ...mine, "x-tenant": attacker.slug! },
      prefix: `/t/${victim.slug}`,
    }],
    ["the victim's host", { host: `${victim.slug}.${config.BASE_DOMAIN}` }],
    ["the victim's host in capitals", { host: `${victim.slug!.toUpperCase()}.${config.BASE_DOMAIN}` }],
    ["no token", { headers: { "x-tenant": victim.slug! } }],
    ["an unsigned token", { headers: { authorization: `Bearer ${unsigned}.${payload}.` } }],
    ["a changed signature", {
      headers: { authorization: `Bearer ${head}.${payload}.${signature.slice(0, -6)}AAAAAA` },
    }],
    ["the attacker's signature", {
      headers: { authorization: `Bearer ${head}.${payload}.${mine.authorization.split(".")[2]}` },
    }],
    ["a token that the attacker's key has signed for the victim", {
      headers: { authorization: `Bearer ${await resigned(scratch.services, good, attacker.id)}` },
    }],
    [OPERATOR, { headers: { authorization: `Bearer ${operator}`, "x-tenant": victim.slug! } }],
  ];
  const refused = named.map(([name, way]): Way => ({ name, headers: mine, ids: "victim", ...way }));
  return [
    ...refused,
    { name: "a foreign id", headers: mine, ids: "victim", mayPass: true },
    {
      name: "a foreign id below one's own path",
      headers: mine,
      prefix: `/t/${attacker.slug}`,
      ids: "victim",
      mayPass: true,
    },
    { name: "foreign ids in the body", headers: mine, ids: "own", foreignBody: true, mayPass: true },
    { name: "a key that the victim used", headers: { ...mine, "idempotency-key": "prove" }, ids: "own", mayPass: true },
  ];
}
