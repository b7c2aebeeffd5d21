// The tenant directory: how often it asks the database, how long it believes, and what it never gives out.
import assert from "node:assert/strict";
import type { Doors } from "../../src/db/doors.ts";
import { Directory } from "../../src/tenancy/directory.ts";
import { bootApp, type TestApp, type TestTenant } from "../support/app.ts";
import { adminSql } from "../support/postgres.ts";

const loose = { sanitizeOps: false, sanitizeResources: false };
let app: TestApp;
let tenant: TestTenant;

Deno.test.beforeAll(async () => {
  app = await bootApp();
  tenant = await app.tenant("listed");
});
Deno.test.afterAll(() => app.stop());

/** A directory of its own, with the number of times that it asked, and a door that can be shut. */
function counted() {
  const { doors } = app.services;
  const seen = { loads: 0, shut: false };
  const counting: Doors = {
    asTenant: doors.asTenant,
    asPlatform(context, work) {
      seen.loads++;
      return seen.shut ? Promise.reject(new Error("The database is away")) : doors.asPlatform(context, work);
    },
  };
  return { directory: new Directory(counting), seen };
}

/** Runs `work` while the clock can be put forward. */
async function withClock(work: (forward: (ms: number) => void) => Promise<void>): Promise<void> {
  const real = Date.now;
  let ahead = 0;
  Date.now = () => real() + ahead;
  try {
    await work((ms) => void (ahead += ms));
  } finally {
    Date.now = real;
  }
}

Deno.test("Directory asks once for many who ask at once, and not again for a while", loose, async () => {
  const { directory, seen } = counted();
  const found = await Promise.all(Array.from({ length: 50 }, () => directory.bySlug("listed")));
  assert.ok(found.every((record) => record?.id === tenant.id));
  assert.equal((await directory.bySlug("LISTED"))?.id, tenant.id);
  assert.equal(seen.loads, 1);
  assert.equal((await directory.byId(tenant.id.toUpperCase()))?.slug, "listed");
  assert.equal(seen.loads, 2);
});

Deno.test("Directory believes no answer for longer than ten seconds", loose, async () => {
  await withClock(async (forward) => {
    const { directory, seen } = counted();
    await directory.bySlug("listed");
    forward(7_500);
    await directory.bySlug("listed");
    assert.equal(seen.loads, 1);
    forward(2_600);
    await directory.bySlug("listed");
    assert.equal(seen.loads, 2);
  });
});

Deno.test("Directory asks nothing again that was not contradicted, as long as it is told so", loose, async () => {
  await withClock(async (forward) => {
    const { directory, seen } = counted();
    await directory.bySlug("listed");
    // At most ten minutes, of which jitter takes up to a fifth.
    for (let i = 0; i < 50; i++) {
      forward(9_000);
      directory.confirm(Date.now());
      assert.equal((await directory.bySlug("listed"))?.id, tenant.id);
    }
    assert.equal(seen.loads, 1, "seven and a half minutes on");
    forward(8_000);
    await directory.bySlug("listed");
    assert.equal(seen.loads, 1);
    forward(2_001);
    await directory.bySlug("listed");
    assert.equal(seen.loads, 2, "ten seconds after the last word");
    for (let i = 0; i < 61; i++) {
      forward(9_900);
      directory.confirm(Date.now());
      await directory.bySlug("listed");
    }
    assert.equal(seen.loads, 3, "and ten minutes in any case");
  });
});

Deno.test("Directory believes no longer for being told so that there is no such tenant", loose, async () => {
  await withClock(async (forward) => {
    const { directory, seen } = counted();
    assert.equal(await directory.bySlug("nobody"), null);
    forward(2_100);
    directory.confirm(Date.now());
    assert.equal(await directory.bySlug("nobody"), null);
    assert.equal(seen.loads, 2);
  });
});

Deno.test("Directory remembers for two seconds that there is no such tenant", loose, async () => {
  await withClock(async (forward) => {
    const { directory, seen } = counted();
    for (let i = 0; i < 20; i++) {
      assert.equal(await directory.bySlug("nobody"), null);
      assert.equal(await directory.byHost("nobody.test"), null);
    }
    assert.equal(seen.loads, 2);
    forward(2_100);
    assert.equal(await directory.bySlug("nobody"), null);
    assert.equal(seen.loads, 3);
    assert.equal(await directory.byId("no id at all"), null);
    assert.equal(seen.loads, 3);
  });
});

Deno.test("Directory keeps no failure: the next who asks is answered", loose, async () => {
  const { directory, seen } = counted();
  seen.shut = true;
  const failed = await Promise.allSettled(Array.from({ length: 5 }, () => directory.bySlug("listed")));
  assert.ok(failed.every((result) => result.status === "rejected"));
  assert.equal(seen.loads, 1);
  seen.shut = false;
  assert.equal((await directory.bySlug("listed"))?.id, tenant.id);
});

Deno.test("Directory.forget() has a tenant read anew at once, and what was not there", loose, async () => {
  const { directory, seen } = counted();
  await Promise.all([directory.bySlug("listed"), directory.byId(tenant.id), directory.bySlug("later")]);
  assert.equal(seen.loads, 3);
  directory.forget(tenant.id);
  await Promise.resolve();
  await Promise.all([directory.bySlug("listed"), directory.byId(tenant.id), directory.bySlug("later")]);
  assert.equal(seen.loads, 6);
});

Deno.test("Directory gives out no tenant that is being made or was removed", loose, async () => {
  const sql = await adminSql(app.services.servers.settings.platformDatabase);
  try {
    for (const status of ["provisioning", "deleted", "erased"]) {
      await sql`update platform.tenants set status = ${status} where id = ${tenant.id}`;
      assert.equal(await counted().directory.bySlug("listed"), null, status);
    }
    for (const status of ["suspended", "blocked", "inactive", "maintenance", "active"]) {
      await sql`update platform.tenants set status = ${status} where id = ${tenant.id}`;
      assert.equal((await counted().directory.bySlug("listed"))?.status, status);
    }
  } finally {
    await sql.end();
  }
});

Deno.test("a tenant that is not open is refused with its state, and let in again when it is", loose, async () => {
  const sql = await adminSql(app.services.servers.settings.platformDatabase);
  try {
    for (const status of ["suspended", "blocked", "inactive", "maintenance"]) {
      await sql`update platform.tenants set status = ${status} where id = ${tenant.id}`;
      app.services.directory.forget(tenant.id);
      const { status: code, body } = await app.ask("GET", "/v1/buildings", { token: tenant.admin });
      assert.deepEqual([code, body.code], [403, "tenant_unavailable"]);
      assert.match(body.detail, new RegExp(status));
    }
    await sql`update platform.tenants set status = 'active' where id = ${tenant.id}`;
    app.services.directory.forget(tenant.id);
    assert.equal((await app.ask("GET", "/v1/buildings", { token: tenant.admin })).status, 200);
  } finally {
    await sql.end();
  }
});
