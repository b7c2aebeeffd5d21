// What else a hostile session of the run-time login could try, in all three tiers: rights it must not have, whatever its
// context, and what it may do without one, which must show no row.
import assert from "node:assert/strict";
import { attempt, NOBODY, proven, under } from "../support/placement.ts";
import { type Scene, setStage, type Stage } from "./stage.ts";

let stage: Stage;
Deno.test.beforeAll(async () => {
  stage = await setStage();
});
Deno.test.afterAll(() => stage?.end());

const loose = { sanitizeOps: false, sanitizeResources: false };

/** Statements that the run-time login must be refused whatever its context, in every tier. */
function forbidden(scene: Scene): string[] {
  const { owner, keeper, tenantLogin } = rolesOf(scene);
  const anyTable = scene.tables.map(({ name }) => `truncate ${name}`);
  return [
    ...anyTable,
    ...["keys", "gates", "migrations"].flatMap((name) => [
      `select * from app.${name}`,
      `insert into app.${name} default values`,
      `update app.${name} set ${name === "gates" ? "open = true" : "id = id"}`.replace(
        "migrations set id = id",
        "migrations set name = name",
      ),
      `delete from app.${name}`,
      `truncate app.${name}`,
    ]),
    `set role "${owner}"`,
    `set local role "${keeper}"`,
    "set role bulkhead_migrator",
    `set session authorization "${owner}"`,
    "set local session_replication_role = replica",
    "create temp table t (a int)",
    "create table public.t (a int)",
    "create table tenant.t (a int)",
    "create schema t",
    "create function public.f() returns int language sql as 'select 1'",
    "create function tenant.f() returns int language sql as 'select 1'",
    "create function pg_temp.f() returns int language sql as 'select 1'",
    "create view public.v as select * from tenant.members",
    "create view tenant.v as select * from tenant.members",
    "create materialized view tenant.v as select * from tenant.members",
    "create type tenant.t as (a int)",
    "create sequence tenant.s",
    "create extension dblink",
    "create role r",
    "create publication p for table tenant.members",
    "create policy p on tenant.members using (true)",
    "alter policy tenant_guard on tenant.members using (true)",
    "drop policy tenant_guard on tenant.members",
    "alter table tenant.members disable row level security",
    "alter table tenant.members no force row level security",
    `alter table tenant.members owner to "${tenantLogin}"`,
    "alter table tenant.members add column a int",
    "alter table tenant.members disable trigger all",
    "drop table tenant.members cascade",
    "create index i on tenant.members (email)",
    "create trigger g before insert on tenant.members for each row execute function suppress_redundant_updates_trigger()",
    "create rule r as on insert to tenant.members do also nothing",
    `grant "${owner}" to "${tenantLogin}"`,
    `alter role "${tenantLogin}" bypassrls`,
    `alter role "${tenantLogin}" superuser`,
    `alter database ${scene.place.placement.database} set row_security = off`,
    "create or replace function app.tenant_id() returns uuid language sql as 'select null::uuid'",
    "alter function app.tenant_id() immutable",
    "comment on table tenant.members is 'mine'",
    "copy tenant.members to program 'cat'",
    "copy tenant.members to '/tmp/members'",
    "copy tenant.members from '/etc/passwd'",
    "copy (select 1) to program 'cat'",
    "select pg_read_file('postgresql.conf')",
    "select pg_ls_dir('.')",
    "select lo_import('/etc/passwd')",
    "select pg_reload_conf()",
    "select * from pg_authid",
    "select * from pg_statistic",
    "select * from pg_largeobject",
    "call app.isolate('tenant.members')",
    "reindex table tenant.members",
    "cluster tenant.members using members_pkey",
    "lock table tenant.members in access exclusive mode",
  ];
}

function rolesOf(scene: Scene) {
  const { login } = scene.place.placement;
  const own = login.startsWith("bh_l_") && scene.tier === "byo";
  return {
    owner: own ? login.replace("bh_l_", "bh_o_") : "bulkhead_owner",
    keeper: own ? login.replace("bh_l_", "bh_k_") : "bulkhead_keeper",
    tenantLogin: login,
  };
}

for (const [i, tier] of ["shared", "dedicated", "byo"].entries()) {
  Deno.test(`the run-time login is refused all else, ${tier}`, loose, async (t) => {
    const scene = stage.scenes[i];
    for (const text of forbidden(scene)) {
      await t.step(
        text.replace(/bh_([lok])_[0-9a-f]+|bh_d_[0-9a-f]+|t_[0-9a-f]{8}_shared|db_access\w+/g, "…"),
        async () => {
          for (const claim of [NOBODY, proven(scene.place)]) {
            const { error } = await under(scene.place, claim, (tx) => attempt(tx, (inner) => inner.unsafe(text)));
            assert.ok(error, "it was not refused");
            // 22023: on a server without that role. 0A000: COPY FROM knows no row-level security.
            assert.ok(["42501", "0A000", "22023"].includes(error.code), `${error.code} ${error.message}`);
          }
        },
      );
    }
    for (const text of ["create database d", "alter system set row_security = off"]) {
      await t.step(text, async () => {
        await assert.rejects(async () => await scene.place.login.unsafe(text), { code: "42501" });
      });
    }
    await t.step("a grant gives nothing", async () => {
      const { admin, login, placement } = scene.place;
      const rights = () => admin`select relacl::text from pg_class where oid = 'tenant.members'::regclass`;
      const [before] = await rights();
      // PostgreSQL warns only, where the caller holds rights but may not pass them on.
      await login.unsafe(
        `grant all on tenant.members to public; grant select on tenant.members to "${placement.login}"`,
      );
      assert.deepEqual((await rights())[0], before);
    });
  });

  Deno.test(`what a session may do shows no row without a context, ${tier}`, loose, async () => {
    const { place, tables } = stage.scenes[i];
    await under(place, NOBODY, async (tx) => {
      for (const { name } of tables) {
        await tx.unsafe(`do $$ begin if exists (select from ${name}) then raise 'a row was seen'; end if; end $$`);
        await tx.unsafe(`declare c cursor for select * from ${name}`);
        assert.equal((await tx.unsafe("fetch all from c")).length, 0);
        await tx.unsafe("close c");
        assert.equal((await tx.unsafe(`select from ${name} tablesample system (100)`)).length, 0);
        assert.equal(
          (await tx.unsafe(`explain (analyze, costs off, timing off) select * from ${name}`)).length > 0,
          true,
        );
      }
      const off = await attempt(
        tx,
        (inner) => inner.unsafe("set local row_security = off; select from tenant.members"),
      );
      assert.equal(off.error?.code, "42501");
    });
    // Statistics hold samples of everyone's rows; the view of them hides those of guarded tables.
    await place.admin.unsafe("analyze tenant.members");
    assert.equal(
      (await under(place, proven(place), (tx) => tx`select * from pg_stats where schemaname = 'tenant'`)).length,
      0,
    );
  });
}
