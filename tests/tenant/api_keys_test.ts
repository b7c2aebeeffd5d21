// API keys of tenants over HTTP: shown once, found in two headers, gone at the next request in every process, and never in a log,
// an error or the audit. What they may do: api_keys_scopes_test.ts.
import assert from "node:assert/strict";
import { createApp } from "../../src/app.ts";
import { createDoors } from "../../src/db/doors.ts";
import { Pools } from "../../src/db/pools.ts";
import { newApiKey } from "../../src/identity/api_keys.ts";
import { platformHosts } from "../../src/services.ts";
import { refusalsOf } from "../../src/tenancy/refusals.ts";
import { sendRaw } from "../http/raw.ts";
import { asSystem } from "../support/people.ts";
import { byBearer, byHeader, Keyed, LOOK, loose, type Made, refused } from "./keyed.ts";

let keyed: Keyed;
let { app, other, tenant, foreign, make, list } = {} as Keyed;
Deno.test.beforeAll(async () => {
  keyed = await Keyed.boot();
  ({ app, other, tenant, foreign, make, list } = keyed);
});
Deno.test.afterAll(() => keyed.end());

Deno.test("a key opens its tenant as bearer and as X-API-Key, and both only if they are the same", loose, async () => {
  const { key } = await make();
  for (const headers of [byBearer(key), byHeader(key), { ...byBearer(key), ...byHeader(key) }]) {
    assert.equal((await list(headers)).status, 200);
    assert.equal((await list(headers, app, `/t/${tenant.slug}/v1/buildings`)).status, 200);
  }
  refused(await list({ ...byBearer((await make()).key), ...byHeader(key) }), "400 invalid_request");
  refused(await list({ ...byBearer(tenant.admin), ...byHeader(key) }), "400 invalid_request");
  refused(await list(byHeader(tenant.admin)), "401 unauthorized");
});

Deno.test("a key is shown once, and only its hash is kept", loose, async () => {
  const made = await make({ name: "Shown once" });
  assert.equal(made.key.slice(-6), made.hint);
  const shown = await app.ask("GET", `/v1/api-keys/${made.id}`, { token: tenant.admin });
  const listed = await app.ask("GET", "/v1/api-keys?limit=200", { token: tenant.admin });
  for (const answer of [shown, listed]) {
    assert.equal(answer.status, 200);
    assert.ok(!JSON.stringify(answer.body).includes(made.key) && !/hash/.test(JSON.stringify(answer.body)));
  }
  assert.equal(shown.body.created_by, listed.body.items.find((one: Made) => one.id === made.id).created_by);
  const [row] = await asSystem(
    app.services,
    tenant.id,
    (tx) => tx`select * from tenant.api_keys k where id = ${made.id} and to_jsonb(k)::text not like ${`%${made.key}%`}`,
  );
  assert.ok(row);
});

/** The app over doors of its own, whose round trips are counted. */
function counted() {
  const { services } = app;
  const pools = new Pools({ maxConnections: 4, perPool: 2, idleMs: 30_000 });
  const doors = createDoors(pools, services.servers.platform(), services.log);
  const own = createApp({ ...services, doors }, platformHosts(services.config, services.publicUrl));
  const ask = async (key: string) => {
    const before = pools.stats().roundTrips;
    const { status } = await own.request(`${services.publicUrl}/v1/buildings`, { headers: byHeader(key) });
    return { status, trips: pools.stats().roundTrips - before };
  };
  return { ask, end: () => pools.end() };
}

Deno.test("a mistyped key asks no database, and a known one costs no round trip more than a token", loose, async () => {
  const { key } = await make();
  const { ask, end } = counted();
  await ask(key); // connects and looks the key up
  await ask(key);
  const typo = key.slice(0, 40) + (key[40] === "x" ? "y" : "x") + key.slice(41);
  assert.deepEqual(await ask(typo), { status: 401, trips: 0 });
  assert.deepEqual(await ask(key.slice(0, -1)), { status: 401, trips: 0 });
  await app.until("the quiet after the first use", async () => (await ask(key)).trips === 1);
  assert.deepEqual(await ask(key), { status: 200, trips: 1 });
  await end();
});

Deno.test("a key that was never given out is refused, also for a tenant that is not there", loose, async () => {
  refused(await list(byHeader(newApiKey(tenant.id).key)), "401 unauthorized");
  refused(await list(byHeader(newApiKey(crypto.randomUUID()).key)), "404 not_found");
  refused(await list(byHeader(newApiKey(null).key)), "403 forbidden");
});

Deno.test("a revoked key stops at its next request, also in a process that knows it", loose, async () => {
  const { id, key } = await make();
  for (const at of [app, other]) assert.equal((await list(byHeader(key), at)).status, 200);
  assert.equal((await app.ask("DELETE", `/v1/api-keys/${id}`, { token: tenant.admin })).status, 204);
  for (const at of [other, app, other]) refused(await list(byHeader(key), at), "401 unauthorized");
  assert.equal((await app.ask("DELETE", `/v1/api-keys/${id}`, { token: tenant.admin })).status, 204, "not repeatable");
  refused(
    await app.ask("PATCH", `/v1/api-keys/${id}`, { token: tenant.admin, body: { name: "Again" } }),
    "404 not_found",
  );
});

Deno.test("a key that has run out is refused, also in a process that knows it", loose, async () => {
  const { id, key } = await make({ expires_at: new Date(Date.now() + 3_600_000).toISOString() });
  for (const at of [app, other]) assert.equal((await list(byHeader(key), at)).status, 200);
  await asSystem(
    app.services,
    tenant.id,
    (tx) => tx`update tenant.api_keys set expires_at = now() - interval '1 second' where id = ${id}`,
  );
  for (const at of [app, other]) refused(await list(byHeader(key), at), "401 unauthorized");
  const past = { name: "Late", permissions: LOOK, expires_at: "2020-01-01T00:00:00Z" };
  refused(await app.ask("POST", "/v1/api-keys", { token: tenant.admin, body: past }), "400 invalid_request");
});

Deno.test("a key of one tenant opens no other, however that is named, and both audits tell of it", loose, async () => {
  const { id, key } = await make();
  assert.equal((await list(byHeader(key))).status, 200);
  const named = { ...byHeader(key), "x-tenant": foreign.slug };
  refused(await list(named), "403 tenant_mismatch");
  refused(await list({ ...byHeader(key), "x-tenant": foreign.id }), "403 tenant_mismatch");
  refused(await list(byHeader(key), app, `/t/${foreign.slug}/v1/buildings`), "403 tenant_mismatch");
  const host = await sendRaw(app.port, [
    "GET /v1/buildings HTTP/1.1",
    `Host: ${foreign.slug}.${app.services.config.BASE_DOMAIN}`,
    `X-API-Key: ${key}`,
  ], "");
  refused(host, "403 tenant_mismatch");
  await refusalsOf(app.services).flush();
  for (const one of [tenant, foreign]) {
    const { body } = await app.ask("GET", "/v1/audit?action=refused&limit=200", { token: one.admin });
    const entry = body.items.find((item: { changes: { reason: string } }) => item.changes.reason === "tenant_mismatch");
    assert.ok(entry, `nothing in the audit of "${one.slug}"`);
    assert.ok(!JSON.stringify(body).includes(key.slice(30)));
    if (one === foreign) assert.ok(!JSON.stringify(body).includes(id) && !JSON.stringify(body).includes(tenant.id));
  }
});

Deno.test("a key says when it was last used", loose, async () => {
  const { id, key } = await make();
  const lastUse = async () =>
    (await app.ask("GET", `/v1/api-keys/${id}`, { token: tenant.admin })).body.last_used_at as string | null;
  assert.equal(await lastUse(), null);
  assert.equal((await list(byHeader(key))).status, 200);
  const used = await app.until("the use to be noted", lastUse);
  assert.ok(Math.abs(Date.parse(used) - Date.now()) < 60_000);
  assert.equal((await list(byHeader(key))).status, 200, "noting a use ended the key");
});

Deno.test("a rotated key works beside the new one until it runs out", loose, async () => {
  const old = await make({ name: "Rotated", requests_per_minute: 500 });
  assert.equal((await list(byHeader(old.key), other)).status, 200);
  const rotate = (id: string, overlap_hours: number) =>
    app.ask("POST", `/v1/api-keys/${id}/rotate`, { token: tenant.admin, body: { overlap_hours } });
  const { status, body: next } = await rotate(old.id, 1);
  assert.equal(status, 201, JSON.stringify(next));
  assert.deepEqual([next.replaces, next.name, next.permissions, next.requests_per_minute], [
    old.id,
    "Rotated",
    LOOK,
    500,
  ]);
  for (const at of [app, other]) {
    for (const key of [old.key, next.key]) assert.equal((await list(byHeader(key), at)).status, 200);
  }
  const { body: shown } = await app.ask("GET", `/v1/api-keys/${old.id}`, { token: tenant.admin });
  const left = Date.parse(shown.expires_at) - Date.now();
  assert.ok(left > 3_500_000 && left <= 3_600_000, String(left));
  const { body: last } = await rotate(next.id, 0);
  for (const at of [app, other]) {
    refused(await list(byHeader(next.key), at), "401 unauthorized");
    assert.equal((await list(byHeader(last.key), at)).status, 200);
  }
  refused(await rotate(next.id, 1), "404 not_found");
});

Deno.test("the key in another's place ends when that one would have, or as it was asked", loose, async () => {
  const expires_at = "2199-11-29T19:00:00.000Z";
  const rotate = async (id: string, body: unknown) => {
    const { status, body: next } = await app.ask("POST", `/v1/api-keys/${id}/rotate`, { token: tenant.admin, body });
    assert.equal(status, 201, JSON.stringify(next));
    return next;
  };
  const next = await rotate((await make({ expires_at })).id, { overlap_hours: 1 });
  assert.equal(Date.parse(next.expires_at), Date.parse(expires_at));
  const sooner = await rotate(next.id, { expires_at: "2198-01-01T00:00:00Z" });
  assert.equal(Date.parse(sooner.expires_at), Date.parse("2198-01-01T00:00:00Z"));
  assert.equal((await rotate(sooner.id, { expires_at: null })).expires_at, null);
  assert.equal((await rotate((await make()).id, {})).expires_at, null);
  const past = { token: tenant.admin, body: { expires_at: "2001-01-01T00:00:00Z" } };
  refused(await app.ask("POST", `/v1/api-keys/${(await make()).id}/rotate`, past), "400 invalid_request");
});

Deno.test("rotations that come at once make one key; when that is revoked there can be another", loose, async () => {
  const { id } = await make({ name: "Twice" });
  const rotate = (at = app) => at.ask("POST", `/v1/api-keys/${id}/rotate`, { token: tenant.admin, body: {} });
  const answers = await Promise.all([app, other, app, other, app, other].map((at) => rotate(at as typeof app)));
  assert.deepEqual(answers.map(({ status }) => status).sort(), [201, 409, 409, 409, 409, 409]);
  refused(answers.find(({ status }) => status === 409)!, "409 invalid_state");
  const { body: made } = answers.find(({ status }) => status === 201)!;
  const { body } = await app.ask("GET", "/v1/api-keys?limit=200", { token: tenant.admin });
  const successors = body.items.filter((key: { replaces: string }) => key.replaces === id);
  assert.deepEqual(successors.map((key: { id: string }) => key.id), [made.id]);
  refused(await rotate(), "409 invalid_state");
  await app.ask("DELETE", `/v1/api-keys/${made.id}`, { token: tenant.admin });
  assert.equal((await rotate()).status, 201);
});

Deno.test("a key has a limit of its own beside the tenant's", loose, async () => {
  const { key } = await make({ requests_per_minute: 5 });
  const answers = [];
  for (let i = 0; i < 7; i++) answers.push(await list(byHeader(key)));
  assert.deepEqual(answers.map(({ status }) => status), [200, 200, 200, 200, 200, 429, 429]);
  refused(answers[6], "429 rate_limited");
  assert.equal(answers[0].headers.get("ratelimit-limit"), "5");
  assert.equal((await list(byBearer(tenant.admin))).status, 200);
});

Deno.test("no key is in a log line, an error or the audit", loose, async () => {
  const { key } = await make({ permissions: { "*": ["*"] } });
  const secret = key.slice(-40, -8);
  const answers = [
    await list(byHeader(key), app, "/v1/buildings?limit=0"),
    await list({ ...byHeader(key), "x-tenant": foreign.slug }),
    await list({ ...byHeader(key), ...byBearer(tenant.admin) }),
    await list(byHeader(key.slice(0, -1))),
    await list(byHeader(key), app, `/v1/buildings/${encodeURIComponent(key)}`),
    await app.ask("POST", "/v1/buildings", { headers: byHeader(key), body: { name: key } }),
  ];
  for (const { status, body } of answers) {
    assert.ok(status >= 400);
    assert.ok(!JSON.stringify(body).includes(secret), JSON.stringify(body));
  }
  await refusalsOf(app.services).flush();
  for (const { admin } of [tenant, foreign]) {
    const exported = await app.ask("GET", "/v1/audit/export", { token: admin });
    assert.equal(exported.status, 200);
    assert.ok(!JSON.stringify(exported.body).includes(secret));
    assert.ok(!/"key_hash":"[^\[]/.test(JSON.stringify(exported.body)), "the hash is in the audit");
  }
  assert.ok(app.lines.length > 0);
  for (const line of [...app.lines, ...other.lines]) assert.ok(!line.includes(secret), line);
});
