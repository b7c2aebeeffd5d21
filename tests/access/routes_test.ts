// The access matrix of the API, generated from its own document: every operation × {no token, malformed, expired, foreign
// and forged tokens, another tenant's member by every way to name a tenant, the other plane's people, wrong roles, a
// closed tenant}. Each is refused with its status and code, and nothing of the victim is changed.
import assert from "node:assert/strict";
import { createApp } from "../../src/app.ts";
import { platformHosts } from "../../src/services.ts";
import { type Answer, bootApp, type TestApp, type TestTenant } from "../support/app.ts";
import { openPlace, type Place } from "../support/placement.ts";
import { sendRaw } from "../http/raw.ts";
import { adminSql } from "../support/postgres.ts";
import type { Sql } from "../../src/db/direct.ts";
import { readTables, type Table } from "./catalogue.ts";
import { type Operation, readOperations } from "./operations.ts";
import { Rows } from "./rows.ts";
import { inventory } from "./stage.ts";
import { wrongTokens } from "./tokens.ts";

/** What anyone may call. A route that becomes open by accident is not in this list. */
const OPEN = [
  "applications.submit",
  "auth.login",
  "auth.refresh",
  "auth.setupPassword",
  "health.live",
  "health.ready",
  "operators.login",
  "slugs.check",
];

/** What is served beside the document's operations: pages without data, the same for everyone. */
const PAGES = [
  "GET /assets/setup.css",
  "GET /assets/setup.js",
  "GET /docs",
  "GET /docs/:asset",
  "GET /docs/start.js",
  "GET /openapi.json",
  "GET /t/:slug/setup-password",
];

/** Operations that read nothing of a tenant: only the platform's own status closes them, not the placement's gate. */
const WITHOUT_TENANT_ROWS = ["tariffs.list"];

let app: TestApp;
let operations: Operation[];
let victim: TestTenant;
let attacker: TestTenant;
let place: Place;
let tables: Table[];
let platform: Sql;
/** A row of the victim in each of its tables, by the last word of the table's name. */
const victimIds = new Map<string, string>();

Deno.test.beforeAll(async () => {
  app = await bootApp();
  [victim, attacker] = await Promise.all([app.tenant("routes-victim"), app.tenant("routes-attacker")]);
  operations = readOperations((await app.ask("GET", "/openapi.json")).body);
  place = await openPlace(app, victim);
  platform = await adminSql(app.services.servers.settings.platformDatabase);
  tables = await readTables(place.admin, "tenant", place.placement.login);
  const shared = await readTables(place.admin, "reference", place.placement.login);
  const rows = new Rows(place.admin, [...tables, ...shared]);
  for (const table of tables) {
    const row = await rows.row(table, victim.id);
    if (row.id) victimIds.set(table.name.replace("tenant.", ""), row.id);
  }
});
Deno.test.afterAll(async () => {
  await place?.end();
  await platform?.end();
  await app?.stop();
});

const loose = { sanitizeOps: false, sanitizeResources: false };
let calls = 0;

/** Sends a valid request for an operation; the path's id is the victim's, if it is a tenant's thing. */
async function send(operation: Operation, headers: Record<string, string> = {}, prefix = ""): Promise<Answer> {
  const path = operation.path.replace(/\{(\w+)\}/g, () => idFor(operation)) + operation.query;
  const { body } = operation;
  const raw = body && (body.type === "application/json" ? JSON.stringify(body.value) : String(body.value));
  calls++;
  return await app.ask(operation.method, prefix + path, {
    headers: { ...headers, ...(body && { "content-type": body.type }) },
    ...(raw !== null && { raw }),
  });
}

/** Sends it to a host by hand: fetch() writes the Host header itself. */
async function sendTo(host: string, operation: Operation, token: string): Promise<Answer> {
  const { method, body } = operation;
  const text = body === null ? "" : body.type === "application/json" ? JSON.stringify(body.value) : String(body.value);
  const path = operation.path.replace(/\{(\w+)\}/g, () => idFor(operation)) + operation.query;
  const lines = [`${method} ${path} HTTP/1.1`, `Host: ${host}`, `Authorization: Bearer ${token}`];
  if (body) lines.push(`Content-Type: ${body.type}`, `Content-Length: ${text.length}`);
  calls++;
  return await sendRaw(app.port, lines, text);
}

function idFor({ path, inTenant }: Operation): string {
  if (!inTenant) {
    return path.includes("{slug}") ? victim.slug : path.includes("applications") ? victim.applicationId : victim.id;
  }
  const collection = path.split("/")[2];
  const id = victimIds.get(collection);
  if (!id) throw new Error(`The victim has nothing in "${collection}", which "${path}" is about`);
  return id;
}

function refused(answer: Answer, status: number, code: string, what: string): void {
  assert.deepEqual([answer.status, answer.body.code], [status, code], `${what}: ${JSON.stringify(answer.body)}`);
  assert.match(answer.headers.get("content-type") ?? "", /^application\/problem\+json/, what);
  assert.deepEqual([answer.body.status, typeof answer.body.request_id], [status, "string"], what);
  assert.ok(!("stack" in answer.body), what);
}

const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

function memberToken(tenantId: string, role: string): Promise<string> {
  const sessionId = crypto.randomUUID();
  return app.services.tokens.issueMember({ memberId: victimIds.get("members")!, tenantId, role, sessionId });
}

function operatorToken(role: string): Promise<string> {
  return app.services.tokens.issueOperator({ operatorId: crypto.randomUUID(), email: "x@example.test", role });
}

/** The roles that a CHECK of the catalogue allows. */
async function allRoles(sql: Sql, table: string): Promise<string[]> {
  const [row] =
    await sql`select to_json(array(select m[1] from regexp_matches(pg_get_constraintdef(c.oid), '''([a-z_]+)''', 'g') m)) as roles
    from pg_constraint c where conrelid = ${table}::regclass and contype = 'c' and conkey = array[
      (select attnum from pg_attribute where attrelid = ${table}::regclass and attname = 'role')]`;
  assert.ok(row.roles.length >= 3);
  return row.roles;
}

/** Everything that an attack could have changed. */
async function everything() {
  const told = await platform`select md5(string_agg(t::text, '|' order by t::text)) as hash from (
    select to_jsonb(t)::text from platform.tenants t union all select to_jsonb(a)::text from platform.applications a
    union all select to_jsonb(o)::text from platform.operators o union all select to_jsonb(e)::text from platform.events e) t`;
  return { platform: told[0].hash, tenant: await inventory(place.admin, tables, victim.id) };
}

/** Goes through operations, a step each; nothing of the victim may change. */
async function each(t: Deno.TestContext, chosen: Operation[], work: (operation: Operation) => Promise<void>) {
  assert.ok(chosen.length > 0);
  const before = await everything();
  for (const operation of chosen) await t.step({ name: operation.id, ...loose, fn: () => work(operation) });
  assert.deepEqual(await everything(), before);
}

const forMembers = () => operations.filter(({ audience }) => audience === "members");
const forOperators = () => operations.filter(({ audience }) => audience === "operators");
const inTenants = () => operations.filter(({ inTenant }) => inTenant);

Deno.test("the operations that anyone may call are these and no others", () => {
  assert.deepEqual(operations.filter(({ audience }) => audience === "anyone").map(({ id }) => id).sort(), OPEN);
  assert.ok(forMembers().every(({ inTenant }) => inTenant) && forOperators().every(({ inTenant }) => !inTenant));
});

Deno.test("nothing is served that the document does not tell of, but a few pages", async () => {
  const { config, publicUrl } = app.services;
  const { routes } = createApp(app.services, platformHosts(config, publicUrl));
  const told = operations.flatMap(({ method, path, inTenant }) => {
    const plain = `${method} ${path.replace(/\{(\w+)\}/g, ":$1")}`;
    return inTenant ? [plain, plain.replace(" ", " /t/:tenant_slug")] : [plain];
  });
  const served = [...new Set(routes.map(({ method, path }) => `${method} ${path}`))];
  assert.deepEqual(served.filter((one) => !told.includes(one)).sort(), PAGES);
  assert.deepEqual(told.filter((one) => !served.includes(one)), []);
});

Deno.test("members' operations refuse every token that is not one of ours", loose, async (t) => {
  const claims = { sub: crypto.randomUUID(), tid: victim.id, sid: crypto.randomUUID(), role: "admin" };
  const wrong = await wrongTokens(
    app.services.servers.masterKey,
    "tenant",
    claims,
    await memberToken(victim.id, "admin"),
  );
  await each(t, forMembers(), async (operation) => {
    refused(await send(operation), 401, "unauthorized", "no header");
    refused(await send(operation, { "x-tenant": victim.slug }), 401, "unauthorized", "no header, tenant named");
    for (const [name, { authorization, code }] of Object.entries(wrong)) {
      refused(await send(operation, { authorization }), 401, code, name);
    }
  });
});

Deno.test("operators' operations refuse every token that is not one of ours", loose, async (t) => {
  const claims = { sub: crypto.randomUUID(), email: "x@example.test", role: "superadmin" };
  const wrong = await wrongTokens(
    app.services.servers.masterKey,
    "platform",
    claims,
    await operatorToken("superadmin"),
  );
  await each(t, forOperators(), async (operation) => {
    refused(await send(operation), 401, "unauthorized", "no header");
    for (const [name, { authorization, code }] of Object.entries(wrong)) {
      refused(await send(operation, { authorization }), 401, code, name);
    }
  });
});

Deno.test("members' operations refuse another tenant's member, however the victim is named", loose, async (t) => {
  const token = bearer(attacker.admin);
  const { BASE_DOMAIN } = app.services.config;
  await each(t, forMembers(), async (operation) => {
    const ways: [string, Record<string, string>, string?][] = [
      ["X-Tenant, slug", { "x-tenant": victim.slug }],
      ["X-Tenant, id", { "x-tenant": victim.id }],
      ["X-Tenant, capitals", { "x-tenant": victim.slug.toUpperCase() }],
      ["path", {}, `/t/${victim.slug}`],
      ["path and X-Tenant", { "x-tenant": attacker.slug }, `/t/${victim.slug}`],
      ["X-Tenant and path", { "x-tenant": victim.slug }, `/t/${attacker.slug}`],
    ];
    for (const [name, headers, prefix] of ways) {
      refused(await send(operation, { ...token, ...headers }, prefix), 403, "tenant_mismatch", name);
    }
    const host = await sendTo(`${victim.slug}.${BASE_DOMAIN}`, operation, attacker.admin);
    refused(host, 403, "tenant_mismatch", "host");
    const twice = await send(operation, { ...token, "x-tenant": `${attacker.slug}, ${victim.slug}` });
    refused(twice, 400, "invalid_request", "two tenants in one header");
    if (!operation.path.includes("{id}")) return;
    refused(await send(operation, token), 404, "not_found", "a foreign id, in one's own tenant");
    refused(
      await send(operation, token, `/t/${attacker.slug}`),
      404,
      "not_found",
      "a foreign id, below one's own path",
    );
  });
});

Deno.test("a foreign id and a missing one give the same answer", loose, async (t) => {
  const token = bearer(attacker.admin);
  const about = forMembers().filter(({ path }) => path.includes("{id}"));
  const told = ({ body: { request_id: _, ...rest }, headers }: Answer) => ({
    ...rest,
    headers: [...headers.keys()].filter((name) => name !== "date").sort(),
  });
  await each(t, about, async (operation) => {
    const foreign = await send(operation, token);
    const path = operation.path.replace("{id}", crypto.randomUUID());
    assert.deepEqual(told(foreign), told(await send({ ...operation, path }, token)));
  });
});

Deno.test("each plane's operations refuse the other plane's people", loose, async (t) => {
  const superadmin = await operatorToken("superadmin");
  await each(t, forMembers(), async (operation) => {
    const ways: [Record<string, string>, string?][] = [[{}], [{ "x-tenant": victim.slug }], [{}, `/t/${victim.slug}`]];
    for (const [headers, prefix] of ways) {
      refused(await send(operation, { ...bearer(superadmin), ...headers }, prefix), 403, "forbidden", "an operator");
    }
  });
  await each(t, forOperators(), async (operation) => {
    for (const token of [victim.admin, attacker.admin]) {
      refused(await send(operation, bearer(token)), 403, "forbidden", "a tenant's admin");
    }
  });
});

Deno.test("operations refuse every role that is not theirs", loose, async (t) => {
  const roles = {
    members: [...await allRoles(place.admin, "tenant.members"), "superadmin", "Admin", "admin,manager"],
    operators: [...await allRoles(platform, "platform.operators"), "admin", "Superadmin"],
  };
  const limited = operations.filter((operation) => operation.roles !== null);
  assert.ok(limited.length >= 15);
  await each(t, limited, async (operation) => {
    for (const role of roles[operation.audience as "members" | "operators"]) {
      if (operation.roles!.includes(role)) continue;
      const token = operation.audience === "members" ? await memberToken(victim.id, role) : await operatorToken(role);
      refused(await send(operation, bearer(token)), 403, "forbidden", role);
    }
  });
});

Deno.test("a tenant that the platform closed is shut for its own people too", loose, async (t) => {
  const { directory } = app.services;
  const set = async (status: string) => {
    await platform`update platform.tenants set status = ${status} where id = ${victim.id}`;
    directory.forget(victim.id);
    await directory.bySlug(attacker.slug);
  };
  const token = bearer(await memberToken(victim.id, "admin"));
  for (const status of ["suspended", "blocked", "inactive", "maintenance"]) {
    await set(status);
    try {
      await t.step({
        name: status,
        ...loose,
        fn: (inner) =>
          each(inner, inTenants(), async (operation) => {
            const headers = operation.audience === "members" ? token : {};
            refused(await send(operation, headers, `/t/${victim.slug}`), 403, "tenant_unavailable", "by path");
            refused(await send(operation, { ...headers, "x-tenant": victim.id }), 403, "tenant_unavailable", "by id");
          }),
      });
    } finally {
      await set("active");
    }
  }
});

Deno.test("a closed gate shuts a tenant where the platform does not know yet", loose, async (t) => {
  const gate = (open: boolean) => place.admin`update app.gates set open = ${open} where tenant_id = ${victim.id}`;
  const token = bearer(await memberToken(victim.id, "admin"));
  await gate(false);
  try {
    const guarded = inTenants().filter(({ id }) => !WITHOUT_TENANT_ROWS.includes(id));
    await each(t, guarded, async (operation) => {
      const headers = operation.audience === "members" ? token : {};
      refused(await send(operation, headers, `/t/${victim.slug}`), 403, "tenant_unavailable", "gate");
    });
  } finally {
    await gate(true);
  }
});

Deno.test("operations let in whom they are for", loose, async (t) => {
  const superadmin = await app.operator();
  // Not by the victim, since it changes things; and what ends the session comes last.
  const ending = (operation: Operation) => Number(/^auth\.(logout|changePassword)$/.test(operation.id));
  for (const operation of [...forMembers(), ...forOperators()].sort((a, b) => ending(a) - ending(b))) {
    await t.step({
      name: operation.id,
      ...loose,
      fn: async () => {
        const answer = await send(operation, bearer(operation.audience === "members" ? attacker.admin : superadmin));
        assert.ok(
          ![401, 403].includes(answer.status) || operation.id === "auth.changePassword",
          JSON.stringify(answer.body),
        );
        assert.ok(answer.status < 500, JSON.stringify(answer.body));
      },
    });
  }
  console.log(`    ${operations.length} operations, ${calls} calls: 0 let through, 0 changes to the victim`);
});
