// Rollouts: twice is once, history is not rewritten, a hole takes everything back, a forgotten table is shut at once, and
// the proof looks at the platform's own database too.
import assert from "node:assert/strict";
import { openDirect, type Sql } from "../../src/db/direct.ts";
import { OWN_ROLES, sharedRoles } from "../../src/db/names.ts";
import { hardenDatabase } from "../../src/db/rollout.ts";
import { migrationFiles } from "../../src/db/sql_files.ts";
import { deployOwnServer } from "../../src/platform/fleet/deploy.ts";
import { QUEUES } from "../../src/worker.ts";
import { bootApp, type TestApp } from "../support/app.ts";
import { fingerprint } from "./fingerprint.ts";
import { holesIn } from "../../src/prove/rights.ts";
import { makeScratch, type Scratch } from "./scratch.ts";

let scratch: Scratch;
let app: TestApp;
Deno.test.beforeAll(async () => {
  scratch = await makeScratch("rollout");
  app = await bootApp({ worker: false });
});
Deno.test.afterAll(async () => {
  await app.stop();
  await scratch.drop();
});

const loose = { sanitizeOps: false, sanitizeResources: false };

/** What differs, so that a failure shows the lines and not two whole catalogues. */
function changes(before: string[], after: string[]): string[] {
  const [was, is] = [new Set(before), new Set(after)];
  return [
    ...before.filter((line) => !is.has(line)).map((line) => `- ${line}`),
    ...after.filter((line) => !was.has(line)),
  ];
}

async function onDatabase<T>(database: string, work: (sql: Sql) => Promise<T>): Promise<T> {
  const sql = await openDirect(app.services.servers.admin(database));
  try {
    return await work(sql);
  } finally {
    await sql.end();
  }
}

Deno.test("deployPlacement() twice changes nothing", loose, async () => {
  const before = await fingerprint(scratch.admin);
  assert.ok(before.length > 300, `only ${before.length} lines`);
  const report = await scratch.deploy();
  assert.deepEqual(report.applied, []);
  assert.deepEqual(changes(before, await fingerprint(scratch.admin)), []);
});

Deno.test("deployPlacement() runs once at a time on a database, from however many places", loose, async () => {
  const empty = await makeScratch("race", { deployed: false });
  try {
    const reports = await Promise.all([empty.deploy(), empty.deployElsewhere(), empty.deployElsewhere()]);
    const applied = reports.map((report) => report.applied.length).sort();
    assert.deepEqual(applied, [0, 0, migrationFiles("tenant").length]);
    assert.deepEqual(await empty.prove(empty.admin), []);
  } finally {
    await empty.drop();
  }
});

Deno.test("deployPlacement() puts back rights that were changed by hand", loose, async () => {
  const before = await fingerprint(scratch.admin);
  await scratch.admin.unsafe(`alter table tenant.meters disable row level security;
    drop policy tenant_guard on tenant.buildings; create policy extra on tenant.buildings using (true);
    revoke select on tenant.members from ${scratch.roles.tenantLogin};
    grant truncate on tenant.members to ${scratch.roles.tenantLogin};
    grant update (tenant_id) on tenant.members to ${scratch.roles.tenantLogin};
    alter function app.tenant_id() volatile`);
  assert.ok(changes(before, await fingerprint(scratch.admin)).length >= 10);
  await scratch.deploy();
  assert.deepEqual(changes(before, await fingerprint(scratch.admin)), []);
});

Deno.test("deployOwnServer() twice changes nothing in both of its databases", loose, async () => {
  const { servers } = app.services;
  const { platformDatabase, sharedDatabase } = servers.settings;
  const look = async () => [
    ...await onDatabase(platformDatabase, fingerprint),
    ...await onDatabase(sharedDatabase, fingerprint),
  ];
  const before = await look();
  const report = await deployOwnServer(servers, QUEUES);
  assert.deepEqual([report.platform.applied, report.shared.applied], [[], []]);
  assert.deepEqual(changes(before, await look()), []);
});

Deno.test("deployPlacement() stops at an applied migration that was edited, and names it", loose, async () => {
  const { admin, deploy } = scratch;
  const [{ sha256 }] = await admin`select sha256 from app.migrations where name = '0001_core.sql'`;
  await admin`update app.migrations set sha256 = ${"0".repeat(64)} where name = '0001_core.sql'`;
  await assert.rejects(deploy(), /"0001_core\.sql"/);
  await admin`update app.migrations set sha256 = ${sha256} where name = '0001_core.sql'`;
  await admin`insert into app.migrations (name, sha256) values ('0000_gone.sql', '-')`;
  await assert.rejects(deploy(), /"0000_gone\.sql"/);
  await admin`delete from app.migrations where name = '0000_gone.sql'`;
  await deploy();
});

Deno.test("deployPlacement() is rolled back whole by a hole, which it names", loose, async () => {
  const { admin, roles, deploy } = scratch;
  await admin.unsafe(`revoke select on tenant.members from ${roles.tenantLogin};
    create table tenant.forgotten (tenant_id uuid not null, id uuid, primary key (tenant_id, id));
    alter table tenant.forgotten owner to ${roles.owner}; delete from app.keys`);
  const before = await fingerprint(admin);
  await assert.rejects(deploy(), (error: Error & { code?: string; detail?: string }) => {
    assert.equal(error.code, "BH900");
    assert.match(error.detail ?? "", /^table "tenant\.forgotten" has row-level security off$/m);
    return true;
  });
  assert.deepEqual(changes(before, await fingerprint(admin)), []);
  assert.equal((await admin`select from app.keys`).length, 0);
  await admin.unsafe("drop table tenant.forgotten");
  await deploy();
  assert.equal((await admin`select from app.keys`).length, 1);
});

Deno.test("hardenDatabase() shuts a new tenant table at once, however it is made", loose, async () => {
  const { admin, roles } = scratch;
  await hardenDatabase(admin, roles);
  await admin.begin(async (tx) => {
    await tx.unsafe(`set local role ${roles.owner}; create table tenant.plain (tenant_id uuid not null);
      create table tenant.copied as select * from tenant.members; select * into tenant.selected from tenant.members;
      create table if not exists tenant.like_it (like tenant.members including all)`);
    const open = await tx`select relname from pg_class where relnamespace = 'tenant'::regnamespace
      and relname in ('plain', 'copied', 'selected', 'like_it') and relrowsecurity and relforcerowsecurity`;
    assert.equal(open.length, 4);
    throw new Error("undo");
  }).catch((error) => assert.equal(error.message, "undo"));
});

Deno.test("the proof finds what is wrong with the platform's database", loose, async (t) => {
  const { platformLogin, queueLogin, tenantLogin, migrator } = OWN_ROLES;
  const { platformDatabase } = app.services.servers.settings;
  const faults: [string, RegExp][] = [
    ["grant select on platform.tenants to public", /^PUBLIC has SELECT on "platform\.tenants"$/m],
    [`grant truncate on platform.tenants to ${platformLogin}`, /has TRUNCATE on "platform\.tenants"$/m],
    [`grant select on pgboss.job to ${tenantLogin}`, /has SELECT on "pgboss\.job"$/m],
    [`grant usage on schema pgboss to ${tenantLogin}`, /may use schema "pgboss"$/m],
    [`grant usage on schema platform to ${queueLogin}`, /"bulkhead_queue" may use schema "platform"$/m],
    [`grant select on platform.operators to ${queueLogin}`, /has SELECT on "platform\.operators"$/m],
    [`grant connect on database ${platformDatabase} to ${tenantLogin}`, /where it has no work$/m],
    [`alter role ${platformLogin} bypassrls`, /^login "bulkhead_platform" has BYPASSRLS$/m],
    [`alter role ${queueLogin} createdb`, /^login "bulkhead_queue" has CREATEDB$/m],
    [`grant ${tenantLogin} to ${queueLogin}`, /^login "bulkhead_queue" is a member of "bulkhead_tenant"$/m],
    [`alter role ${migrator} superuser`, /^role "bulkhead_migrator" has SUPERUSER$/m],
    [
      `alter table platform.events owner to ${platformLogin}`,
      /^login "bulkhead_platform" owns table platform\.events$/m,
    ],
  ];
  await onDatabase(platformDatabase, async (admin) => {
    for (const [plant, says] of faults) {
      await t.step({
        name: plant.replaceAll(platformDatabase, "platform"),
        ...loose,
        fn: async () => {
          assert.deepEqual(await holesIn(admin, sharedRoles()), []);
          let found: string[] = [];
          await admin.begin(async (tx) => {
            await tx.unsafe(plant);
            found = await holesIn(tx as unknown as Sql, sharedRoles());
            throw new Error("undo");
          }).catch((error) => assert.ok(found.length > 0 || error.message === "undo", error));
          assert.match(found.join("\n"), says);
        },
      });
    }
  });
});
