// The audit over HTTP: every write leaves one entry with who, where from and what changed, secrets masked; lists filter, page
// and export; what reads it cannot write it.
import assert from "node:assert/strict";
import { beginning, checkLines } from "../../src/tenant/audit/offline.ts";
import { expectNoLeak, freshTenant, type TestTenant } from "../../src/testing/mod.ts";

const BUILDING = { name: "Tower", address: "1 King St", city: "Toronto", country: "CA" };
const loose = { sanitizeOps: false, sanitizeResources: false };

// deno-lint-ignore no-explicit-any -- tests look into answers of every shape
async function json(answer: Promise<Response>, status = 200): Promise<any> {
  const response = await answer;
  const text = await response.text();
  assert.equal(response.status, status, text);
  return text ? JSON.parse(text) : null;
}

const list = (tenant: TestTenant, query = "") => json(tenant.fetch(`/v1/audit${query}`));

Deno.test("audit.list shows each write with its actor, origin and changes", loose, async () => {
  const tenant = await freshTenant();
  const headers = { "user-agent": 'prober/1 "ä\u2028"'.replace(/[^\x20-\x7e]/g, "") };
  const made = await json(tenant.fetch("/v1/buildings", { json: BUILDING, headers }), 201);
  await json(tenant.fetch(`/v1/buildings/${made.id}`, { method: "PATCH", json: { name: "Spire", city: "Toronto" } }));
  await json(tenant.fetch(`/v1/buildings/${made.id}`, { method: "PATCH", json: { name: "Spire" } }));
  await json(tenant.fetch(`/v1/buildings/${made.id}`, { method: "DELETE" }), 204);
  const { items } = await list(tenant, `?resource=buildings&resource_id=${made.id}&sort=seq`);
  assert.deepEqual(items.map((item: { action: string }) => item.action), ["insert", "update", "delete"]);
  const [insert, update, gone] = items;
  assert.equal(insert.actor, `member:${tenant.admin.id}`);
  assert.equal(insert.operation, "buildings.create");
  assert.equal(insert.agent, headers["user-agent"]);
  assert.ok(insert.request);
  const { id, name, unit_id, postal_code } = insert.changes;
  assert.deepEqual({ id, name, unit_id, postal_code }, {
    id: made.id,
    name: "Tower",
    unit_id: null,
    postal_code: null,
  });
  assert.deepEqual(update.changes, { name: ["Tower", "Spire"] });
  assert.equal(gone.changes.name, "Spire");
  assert.ok(!("tenant_id" in insert.changes) && !("name_key" in insert.changes));
});

Deno.test(
  "A change of what the platform keeps for the tenant is in its audit, whoever was not let in made none",
  loose,
  async () => {
    const tenant = await freshTenant();
    const put = (origins: string[], role: "admin" | "member" = "admin") =>
      tenant.fetch("/v1/origins", { method: "PUT", json: { origins }, role });
    await json(put(["https://a.example.com"]));
    await json(put(["https://b.example.com", "https://a.example.com"]));
    await json(put(["https://c.example.com"], "member"), 403);
    const { items } = await list(tenant, "?action=outside&sort=seq");
    assert.deepEqual(items.map((item: Record<string, unknown>) => [item.operation, item.resource, item.changes]), [
      ["origins.set", "origins", { origins: [[], ["https://a.example.com"]] }],
      ["origins.set", "origins", {
        origins: [["https://a.example.com"], ["https://a.example.com", "https://b.example.com"]],
      }],
    ]);
    assert.equal(items[0].actor, `member:${tenant.admin.id}`);
  },
);

Deno.test("audit.list filters, pages and shows one entry", loose, async () => {
  const tenant = await freshTenant();
  for (let i = 0; i < 5; i++) await json(tenant.fetch("/v1/buildings", { json: { ...BUILDING, name: `B${i}` } }), 201);
  const seen: number[] = [];
  let cursor = "";
  do {
    const page = await list(tenant, `?limit=2&resource=buildings${cursor && `&cursor=${cursor}`}`);
    seen.push(...page.items.map((item: { seq: number }) => item.seq));
    cursor = page.next;
  } while (cursor);
  assert.equal(seen.length, 5);
  assert.deepEqual(seen, seen.toSorted((a, b) => b - a));
  const one = await list(tenant, `/${seen[0]}`);
  assert.equal(one.changes.name, "B4");
  const count = async (query: string) => (await list(tenant, `?${query}`)).items.length;
  assert.equal(await count("action=update&resource=buildings"), 0);
  assert.equal(await count("operation=buildings.create"), 5);
  assert.equal(await count(`actor=member:${tenant.admin.id}&resource=buildings`), 5);
  assert.equal(await count(`resource=buildings&since=${encodeURIComponent(one.at)}`), 1);
  assert.equal(await count(`resource=buildings&until=${encodeURIComponent(one.at)}`), 4);
  for (const query of ["?since=yesterday", "?action=eaten", "?limit=0", "?unknown=1", "/0", "/x"]) {
    await json(tenant.fetch(`/v1/audit${query}`), 400);
  }
  await json(tenant.fetch("/v1/audit/999999"), 404);
});

Deno.test("the audit masks secrets and cuts long values", loose, async () => {
  const tenant = await freshTenant();
  const long = "x".repeat(5_000);
  await tenant.asTenant((tx) =>
    tx`insert into tenant.api_keys (name, hint, key_hash, permissions)
    values ('k', 'bh_', sha256('canary-of-a-key'), ${JSON.stringify({ a: long })}::jsonb)`
  );
  const [row] = await tenant.asTenant((tx) =>
    tx<{ changes: Record<string, unknown>; text: string }>`
    select changes, changes::text as text from tenant.audit where resource = 'api_keys'`
  );
  assert.equal(row.changes.key_hash, "[masked]");
  assert.match(String(row.changes.permissions), /^\[50\d\d bytes, SHA-256 [0-9a-f]{64}\]$/);
  assert.ok(row.text.length < 1_000);
  const [session] = await tenant.asTenant((tx) =>
    tx<{ changes: object }>`
    with made as (insert into tenant.sessions (member_id, refresh_hash, expires_at)
      values (${tenant.admin.id}, sha256('r'), now() + interval '1 day')) select '{}'::jsonb as changes`
  );
  assert.ok(session);
  const [entry] = await tenant.asTenant((tx) =>
    tx<{ changes: object }>`
    select changes from tenant.audit where resource = 'sessions' order by seq desc limit 1`
  );
  assert.ok(!("refresh_hash" in entry.changes));
});

Deno.test("what is no news leaves no entry", loose, async () => {
  const tenant = await freshTenant();
  await tenant.asTenant(async (tx) => {
    await tx`update tenant.members set last_login_at = now()`;
    await tx`update tenant.members set access_version = access_version + 1`;
    await tx`update tenant.sessions set refresh_hash = sha256('n'), refreshed_at = now()`;
    await tx`update tenant.members set first_name = first_name, updated_at = now()`;
  });
  await json(tenant.fetch("/v1/buildings"));
  assert.deepEqual((await list(tenant)).items, []);
  await assert.rejects(tenant.asTenant(async (tx) => {
    await tx`insert into tenant.buildings (name, address, city, country) values ('x', 'x', 'x', 'CA')`;
    throw new Error("undone");
  }));
  assert.deepEqual((await list(tenant)).items, []);
});

Deno.test("a table written in bulk has one entry a transaction", loose, async () => {
  const tenant = await freshTenant();
  await tenant.asTenant(async (tx) => {
    await tx`with b as (insert into tenant.buildings (name, address, city, country) values ('x', 'x', 'x', 'CA') returning id)
      select 1`;
    const [building] = await tx<{ id: string }>`select id from tenant.buildings`;
    const [property] = await tx<{ id: string }>`
      insert into tenant.properties (building_id, label) values (${building.id}, 'F') returning id`;
    const [meter] = await tx<{ id: string }>`
      insert into tenant.meters (property_id, serial_number, utility, unit, time_zone)
      values (${property.id}, 'S', 'water', 'm3', 'UTC') returning id`;
    for (const first of [0, 500]) {
      await tx`insert into tenant.meter_readings (meter_id, ends_at, billing_day, value)
        select ${meter.id}, t, t::date, 1 from generate_series(timestamptz '2020-01-01 00:00+00' + ${first}::int * interval '1 hour',
          timestamptz '2020-01-01 00:00+00' + ${first + 499}::int * interval '1 hour', interval '1 hour') t`;
    }
    await tx`update tenant.meter_readings set value = 2 where ends_at < '2020-01-02'`;
  });
  const { items } = await list(tenant, "?action=bulk");
  assert.equal(items.length, 1);
  assert.equal(items[0].resource, "meter_readings");
  assert.equal(items[0].changes.insert, 1_000);
  assert.equal(items[0].changes.update, 24);
  assert.match(items[0].changes.from, /^2020-01-01/);
  assert.ok((await json(tenant.fetch("/v1/audit/verify"))).ok);
});

Deno.test("audit.export gives JSON lines that verify offline, and CSV without formulas", loose, async () => {
  const tenant = await freshTenant();
  for (const name of ["=1+1", 'q"uo,te', "tab\there", "line\nbreak\u0001\u2028 ü 😀 \\ \u007f"]) {
    await tenant.asTenant((tx) =>
      tx`insert into tenant.buildings (name, address, city, country) values (${name}, 'x', 'x', 'CA')`
    );
  }
  const lines = (await (await tenant.fetch("/v1/audit/export")).text()).trimEnd().split("\n");
  assert.equal(lines.length, 5);
  const check = checkLines(lines);
  assert.equal(check.fault, null);
  assert.equal(check.entries, 4);
  assert.equal(JSON.parse(lines[0]).prev_hash, beginning(tenant.id));
  const part = (await (await tenant.fetch("/v1/audit/export?since=2000-01-01T00:00:00Z")).text()).trimEnd().split("\n");
  assert.equal(checkLines(part.slice(1)).fault, null, "a part of the chain verifies by itself");
  const csv = await tenant.fetch("/v1/audit/export?format=csv");
  assert.match(csv.headers.get("content-type")!, /^text\/csv/);
  const text = await csv.text();
  assert.equal(text.split("\r\n").length, 6);
  assert.ok(!/(^|,)=/m.test(text));
});

Deno.test("the audit is for those who may see it", loose, async () => {
  const tenant = await freshTenant();
  for (const path of ["/v1/audit", "/v1/audit/verify", "/v1/audit/export", "/v1/audit/1"]) {
    await json(tenant.fetch(path, { role: "member" }), 403);
    await json(tenant.fetch(path, { role: null }), 401);
  }
});

Deno.test("the audit stays with its tenant", loose, async () => {
  await expectNoLeak("audit");
  for (const route of ["audit.list", "audit.verify", "audit.export"]) await expectNoLeak(route);
  const [mine, theirs] = [await freshTenant(), await freshTenant()];
  await json(theirs.fetch("/v1/buildings", { json: BUILDING }), 201);
  await json(theirs.fetch("/v1/audit/1"));
  await json(mine.fetch("/v1/audit/1"), 404);
});
