// The kit for app authors: tenants in milliseconds, the real door, the real API.
import assert from "node:assert/strict";
import { asTenant, currentTenant, freshTenant, switchTenant, testPlatform } from "bulkhead/testing";
import { AppError } from "../../src/errors.ts";

const building = { name: "Tower", address: "1 King St", city: "Toronto", country: "CA" };

Deno.test.beforeAll(async () => {
  await testPlatform();
});

Deno.test("freshTenant() makes tenants apart from each other, and prints how long it takes", async () => {
  const times: number[] = [];
  const ids = new Set<string>();
  for (let i = 0; i < 50; i++) {
    const started = performance.now();
    ids.add((await freshTenant()).id);
    times.push(performance.now() - started);
  }
  const median = times.sort((a, b) => a - b)[25];
  console.log(`    freshTenant(): median of 50 ${median.toFixed(1)} ms, most ${times[49].toFixed(1)} ms, goal 50 ms`);
  assert.equal(ids.size, 50);
});

for (const tier of ["shared", "dedicated"] as const) {
  Deno.test(`a fresh tenant has an API, rows and jobs of its own, ${tier}`, async () => {
    const started = performance.now();
    const tenant = await freshTenant({ tier });
    console.log(`    made in ${Math.round(performance.now() - started)} ms`);
    const made = await tenant.fetch("/v1/buildings", { json: building });
    assert.equal(made.status, 201, await made.clone().text());
    const { id } = await made.json();
    const rows = await tenant.asTenant((tx) => tx`select id, tenant_id from tenant.buildings`);
    assert.deepEqual(rows.map((row) => row), [{ id, tenant_id: tenant.id }]);
    const report = await tenant.fetch("/v1/reports", { json: { kind: "usage", month: "2011-12" } });
    assert.equal(report.status, 202, await report.clone().text());
    const { job_id } = await report.json();
    assert.equal((await tenant.job(job_id)).status, "succeeded");
  });
}

Deno.test("token() signs in as a member of the role", async () => {
  const tenant = await freshTenant();
  const { member } = await (await tenant.fetch("/v1/auth/me", { role: "manager" })).json();
  assert.equal(member.role, "manager");
  const refused = await tenant.fetch("/v1/buildings", { role: "member", json: building });
  assert.equal(refused.status, 403);
  await refused.body?.cancel();
  assert.equal((await tenant.fetch("/v1/buildings", { role: null })).status, 401);
});

Deno.test("asTenant() enters by the door: reads are narrowed, other tenants' rows cannot be written", async () => {
  const [one, other] = [await freshTenant(), await freshTenant()];
  await one.fetch("/v1/buildings", { json: building });
  assert.equal((await asTenant(other, (tx) => tx`select id from tenant.buildings`)).length, 0);
  const forged = asTenant(other, (tx) => tx`insert into tenant.idempotency_keys (tenant_id) values (${one.id})`);
  await assert.rejects(forged, AppError);
  const writing = asTenant(one, (tx) => tx`delete from tenant.buildings`, { readOnly: true });
  await assert.rejects(writing, { code: "25006" });
});

Deno.test("switchTenant() says in which tenant the test is", async () => {
  const [one, other] = [await freshTenant(), await freshTenant()];
  const { id } = await (await switchTenant(one).fetch("/v1/buildings", { json: building })).json();
  assert.equal(currentTenant(), one);
  switchTenant(other);
  assert.equal((await currentTenant().fetch(`/v1/buildings/${id}`)).status, 404);
});
