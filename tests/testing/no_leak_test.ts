// expectNoLeak() passes for what the platform has, and names the leak in each table and route that has one.
import assert from "node:assert/strict";
import { expectNoLeak, freshTenant, testPlatform } from "bulkhead/testing";
import type { Sql } from "../../src/db/direct.ts";

let admin: Sql;
Deno.test.beforeAll(async () => {
  const platform = await testPlatform();
  admin = await platform.admin(platform.shared.database);
});

for (const table of ["buildings", "tenant.members", "meter_readings", "idempotency_keys", "jobs"]) {
  Deno.test(`expectNoLeak() finds nothing in ${table}`, () => expectNoLeak(table));
}

for (const route of ["buildings.get", "GET /v1/buildings/{id}", "buildings.list", "buildings.update", "members.get"]) {
  Deno.test(`expectNoLeak() finds nothing in ${route}`, () => expectNoLeak(route));
}

Deno.test("expectNoLeak() asks across databases as well", async () => {
  const tenants = [await freshTenant({ tier: "dedicated" }), await freshTenant()] as const;
  await expectNoLeak("buildings", { tenants });
  await expectNoLeak("buildings.get", { tenants });
});

Deno.test("expectNoLeak() takes an id that the test makes", async () => {
  const building = { name: "Tower", address: "1 King St", city: "Toronto", country: "CA" };
  const id = async (tenant: Awaited<ReturnType<typeof freshTenant>>) =>
    (await (await tenant.fetch("/v1/buildings", { json: building })).json()).id;
  await expectNoLeak("buildings.delete", { id });
});

Deno.test("expectNoLeak() knows only what there is", async () => {
  await assert.rejects(expectNoLeak("castles"), /There is no table "castles"/);
  await assert.rejects(expectNoLeak("castles.get"), /There is no route "castles.get"/);
  await assert.rejects(expectNoLeak("tenants.list"), /is for operators/);
});

/** Faults, how each is planted and repaired, and what the message must say. */
const FAULTS: [name: string, plant: string, repair: string, says: RegExp][] = [
  [
    "a table without row-level security",
    "alter table tenant.buildings disable row level security",
    "alter table tenant.buildings enable row level security",
    /select by tenant "t-\w+" with its own context sees 1 of tenant "t-\w+"'s rows/,
  ],
  [
    "a guard that lets everything be read",
    "alter policy tenant_guard on tenant.buildings using (true)",
    "alter policy tenant_guard on tenant.buildings using (tenant_id = (select coalesce((select tenant_id from app.entered), app.tenant_id())))",
    /select by tenant .* with no context sees/,
  ],
  [
    "a guard that believes a claim without proof",
    "alter policy tenant_guard on tenant.buildings using (tenant_id::text = current_setting('app.tenant_id', true))",
    "alter policy tenant_guard on tenant.buildings using (tenant_id = (select coalesce((select tenant_id from app.entered), app.tenant_id())))",
    /select by tenant .* with a claim without proof sees/,
  ],
  [
    "a guard that lets everything be written",
    "alter policy tenant_guard on tenant.buildings with check (true)",
    "alter policy tenant_guard on tenant.buildings with check (tenant_id = (select coalesce((select tenant_id from app.entered), app.tenant_id())))",
    /insert by tenant .* with a claim without proof reaches/,
  ],
  [
    "a unique index over all tenants",
    "create unique index leaky on tenant.buildings (name, created_at)",
    "drop index tenant.leaky",
    /unique index "(tenant\.)?leaky" has no tenant_id/,
  ],
];

for (const [name, plant, repair, says] of FAULTS) {
  Deno.test(`expectNoLeak() finds ${name}`, async () => {
    await expectNoLeak("buildings");
    await admin.unsafe(plant);
    try {
      await assert.rejects(expectNoLeak("buildings"), (error: Error) => {
        assert.equal(error.name, "AssertionError");
        assert.match(error.message, /^"buildings" leaks:\n/);
        assert.match(error.message, says);
        return true;
      });
    } finally {
      await admin.unsafe(repair);
    }
    await expectNoLeak("buildings");
  });
}

Deno.test("expectNoLeak() finds a route that shows a foreign row", async () => {
  const guard = "(tenant_id = (select coalesce((select tenant_id from app.entered), app.tenant_id())))";
  await admin.unsafe("alter policy tenant_guard on tenant.buildings using (true)");
  try {
    await assert.rejects(expectNoLeak("buildings.get"), /with the other tenant's id gets 200, which must be refused/);
    await assert.rejects(
      expectNoLeak("buildings.list"),
      /and the answer has the id "[0-9a-f-]{36}" of another tenant's tenant.buildings/,
    );
  } finally {
    await admin.unsafe(`alter policy tenant_guard on tenant.buildings using ${guard}`);
  }
});
