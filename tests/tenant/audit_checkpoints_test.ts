// Ends of chains that the platform notes: with one, who owns the server of a tenant's rows cannot write its audit anew unseen.
import assert from "node:assert/strict";
import type { Sql } from "../../src/db/direct.ts";
import { noteCheckpoints } from "../../src/tenant/audit/checkpoints.ts";
import { freshTenant, type TestTenant } from "../../src/testing/mod.ts";
import { testPlatform } from "../../src/testing/platform.ts";
import { addBuilding, verified, writeAnew } from "./audited.ts";

const loose = { sanitizeOps: false, sanitizeResources: false };
const UNSOUND = "The audit of a tenant does not contain the end that was noted";

/** A tenant with so many entries, whose end is noted. */
async function noted(entries: number): Promise<TestTenant> {
  const tenant = await freshTenant();
  for (let i = 1; i <= entries; i++) await addBuilding(tenant, `B${i}`);
  await note();
  return tenant;
}

/** Looks at every tenant, however long ago the last look was. */
const note = async () => await noteCheckpoints((await testPlatform()).services, 0);
const checkpoint = async (tenant: TestTenant) => (await verified(tenant)).checkpoint?.seq;
const superuser = async (tenant: TestTenant) => await (await testPlatform()).admin(tenant.placement.database);
const alarms = async (tenant: TestTenant) =>
  (await testPlatform()).lines.filter((line) => line.includes(UNSOUND) && line.includes(tenant.id));

Deno.test("noteCheckpoints() notes where a chain ends, and the verified chain contains it", loose, async () => {
  const tenant = await freshTenant();
  await note();
  assert.equal(await checkpoint(tenant), undefined, "nothing was entered yet");
  await addBuilding(tenant, "A");
  await note();
  assert.equal(await checkpoint(tenant), 1);
  await addBuilding(tenant, "B");
  assert.equal(await checkpoint(tenant), 1);
  await note();
  const { ok, head, checkpoint: last } = await verified(tenant);
  assert.deepEqual([ok, last], [true, head]);
  assert.deepEqual(await alarms(tenant), []);
});

Deno.test("noteCheckpoints() looks at nobody again within the time", loose, async () => {
  const tenant = await noted(1);
  await addBuilding(tenant, "later");
  await noteCheckpoints((await testPlatform()).services);
  assert.equal(await checkpoint(tenant), 1);
});

Deno.test("audit.verify finds a chain that was written anew after its end was noted", loose, async () => {
  const tenant = await noted(5);
  await addBuilding(tenant, "after");
  await writeAnew(tenant, await superuser(tenant));
  const { ok, fault } = await verified(tenant);
  assert.deepEqual([ok, fault?.seq], [false, 5]);
});

Deno.test("audit.verify finds entries removed together with the end, if they were noted", loose, async () => {
  const tenant = await noted(5);
  const cut = await superuser(tenant);
  await cut`delete from tenant.audit where tenant_id = ${tenant.id} and seq > 3`;
  await cut`update app.audit_heads set seq = 3, hash = (
    select hash from tenant.audit where tenant_id = ${tenant.id} and seq = 3) where tenant_id = ${tenant.id}`;
  const { ok, fault } = await verified(tenant);
  assert.deepEqual([ok, fault?.seq], [false, 5]);
});

Deno.test("noteCheckpoints() tells of a chain that lost the noted end, and keeps what it knew", loose, async () => {
  const plants: ((tenant: TestTenant, admin: Sql) => Promise<unknown>)[] = [
    writeAnew,
    async ({ id }, admin) => {
      await admin`delete from tenant.audit where tenant_id = ${id}`;
      await admin`delete from app.audit_heads where tenant_id = ${id}`;
    },
    async ({ id }, admin) => await admin`update app.audit_heads set seq = 2 where tenant_id = ${id}`,
  ];
  for (const plant of plants) {
    const tenant = await noted(3);
    await plant(tenant, await superuser(tenant));
    await note();
    assert.equal((await alarms(tenant)).length, 1, String(plant));
    const { ok, checkpoint } = await verified(tenant);
    assert.deepEqual([ok, checkpoint?.seq], [false, 3]);
  }
});

Deno.test("noteCheckpoints() goes on after a tenant that cannot be asked", loose, async () => {
  const [closed, open] = [await noted(1), await noted(1)];
  for (const tenant of [closed, open]) await addBuilding(tenant, "more");
  const admin = await superuser(closed);
  await admin`update app.gates set open = false where tenant_id = ${closed.id}`;
  await note();
  assert.equal(await checkpoint(open), 2);
  const told = (await testPlatform()).lines.filter((line) => line.includes("Noting the end of the audit failed"));
  assert.ok(told.some((line) => line.includes(closed.id)));
});
