// What row-level security alone does not guard: keys, which could tell whether a foreign row is there, expressions that
// see a row before the wall does, and everything else that a hostile session could try. In the placement that two tenants
// share, for every table, key and index of the catalogue.
import assert from "node:assert/strict";
import { attempt, type DatabaseFault, NOBODY, proven, under } from "../support/placement.ts";
import type { Sql } from "../../src/db/direct.ts";
import { quoteLiteral } from "../../src/db/sql_files.ts";
import type { Column, Table } from "./catalogue.ts";
import { columnsOfLogin, insertion, type Row } from "./rows.ts";
import { type Scene, setStage, type Stage } from "./stage.ts";

let stage: Stage;
let shared: Scene;
Deno.test.beforeAll(async () => {
  stage = await setStage();
  shared = stage.scenes[0];
});
Deno.test.afterAll(() => stage?.end());

const loose = { sanitizeOps: false, sanitizeResources: false };

/** An expression that fails as soon as it is evaluated on a row of another tenant. */
const trap = (alias: string, tenantId: string) =>
  `1 / (case when ${alias}.tenant_id = '${tenantId}' then 1 else 0 end) = 1`;
/** One that fails on any row. */
const trapOnAny = (alias: string) => `1 / (length(${alias}.tenant_id::text) - 36) = 0`;
const DIVISION_BY_ZERO = "22012";

/** Runs a statement in the tenant's own context. */
function asOwn<T>(text: string): Promise<{ value?: T[]; error?: DatabaseFault }> {
  return under(
    shared.place,
    proven(shared.place),
    (tx) => attempt(tx, (inner) => inner.unsafe(text) as unknown as Promise<T[]>),
  );
}

/** An insert that the tenant may make, with these values where they are given. */
async function ownInsert(table: Table, fixed: Row, columns = columnsOfLogin(table)): Promise<string> {
  const { place, rows } = shared;
  return await under(place, proven(place), async (tx) => {
    let text = "";
    await rows.make(table, place.tenant.id, columns, async (statement) => {
      const { value, error } = await attempt(tx, (inner: Sql) => inner.unsafe(statement));
      if (error) throw error;
      text = statement;
      return value![0] as unknown as Row;
    }, fixed);
    return text;
  });
}

/** The words of an error, without the ids in it. */
function words({ code, message, detail = "", constraint_name = "" }: DatabaseFault): string {
  return [code, message, detail, constraint_name].join(" | ").replace(
    /[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g,
    "<id>",
  );
}

/** What the login may give in an insert, other than what refers to parents. */
function ownColumns(table: Table): Column[] {
  return table.columns.filter((column) => column.mayInsert);
}

function isParentColumn(table: Table, name: string): boolean {
  return table.foreignKeys.some((key) => key.columns.includes(name));
}

/** A foreign row's values for an insert of one's own: all the same, but the parents are one's own. */
async function copyOf(table: Table, tenantId: string): Promise<Row> {
  const row = await shared.rows.row(table, tenantId);
  const own = await shared.rows.row(table, shared.place.tenant.id);
  return Object.fromEntries(
    ownColumns(table).map(({ name }) => [name, isParentColumn(table, name) ? own[name] : row[name]]),
  );
}

function insertOf(table: Table, values: Row, conflict = ""): string {
  const columns = ownColumns(table).filter(({ name }) => name in values);
  return insertion(table, columns, columns.map(({ name }) => values[name]), conflict);
}

Deno.test("tenant_id cannot be written, and no row can be moved to another tenant", loose, async (t) => {
  const { place, other, tables, rows } = shared;
  for (const table of tables) {
    await t.step(table.name, async () => {
      const columns = table.columns.filter(({ name }) =>
        name === "tenant_id" || columnsOfLogin(table).some((c) => c.name === name)
      );
      for (const tenantId of [other.tenant.id, place.tenant.id]) {
        const row = await rows.row(table, tenantId);
        const insert = await asOwn(insertion(table, columns, columns.map(({ name }) => row[name])));
        assert.equal(insert.error?.code, "42501");
        const update = await asOwn(`update ${table.name} set tenant_id = '${tenantId}'`);
        assert.equal(update.error?.code, "42501");
      }
      const conflict = `on conflict (${table.primaryKey.join(", ")}) do update set tenant_id = '${other.tenant.id}'`;
      if (table.may.insert) {
        const text = (await ownInsert(table, {})).replace(" returning ", ` ${conflict} returning `);
        assert.equal((await asOwn(text)).error?.code, "42501");
      }
    });
  }
});

Deno.test("a foreign parent and a missing one give the same error", loose, async (t) => {
  const { other, tables, rows } = shared;
  let probed = 0;
  for (const table of tables) {
    for (const key of table.foreignKeys.filter(({ parent }) => parent.startsWith("tenant."))) {
      const column = key.columns.find((name) => name !== "tenant_id")!;
      const { mayInsert, mayUpdate } = table.columns.find(({ name }) => name === column)!;
      if (!mayInsert && !mayUpdate) continue;
      await t.step(`${table.name} ${key.name}`, async () => {
        const parent = await rows.row(tables.find(({ name }) => name === key.parent)!, other.tenant.id);
        const foreign = parent[key.parentColumns[key.columns.indexOf(column)]]!;
        const missing = crypto.randomUUID();
        const own = mayInsert ? await ownInsert(table, {}) : "";
        const mine = (await rows.row(table, shared.place.tenant.id))[column]!;
        const statements = [
          ...(mayInsert ? [(id: string) => own.replace(quoteLiteral(mine), quoteLiteral(id))] : []),
          ...(mayUpdate ? [(id: string) => `update ${table.name} set ${column} = '${id}'`] : []),
        ];
        for (const statement of statements) {
          assert.notEqual(statement(foreign), statement(mine), "the probe does not name the parent");
          const [a, b] = [await asOwn(statement(foreign)), await asOwn(statement(missing))];
          assert.equal(a.error?.code, "23503");
          assert.equal(words(a.error!), words(b.error!));
          assert.doesNotMatch(words(a.error!), new RegExp(foreign));
          probed++;
        }
      });
    }
  }
  assert.ok(probed >= 10, `only ${probed} foreign keys were probed`);
});

Deno.test("a unique index says nothing of foreign rows", loose, async (t) => {
  const { place, other, tables } = shared;
  for (const table of tables.filter(({ may }) => may.insert)) {
    await t.step(table.name, async () => {
      const values = await copyOf(table, other.tenant.id);
      const { value, error } = await asOwn<Row>(insertOf(table, values));
      assert.equal(error, undefined, error?.message);
      assert.equal(value![0].tenant_id, place.tenant.id);
    });
  }
});

Deno.test("ON CONFLICT evaluates nothing on foreign rows", loose, async (t) => {
  const { place, other, tables } = shared;
  let controls = 0;
  for (const table of tables.filter(({ may }) => may.insert)) {
    for (const { name, columns, where } of table.uniques) {
      await t.step(`${table.name} ${name}`, async () => {
        const settable = table.columns.find(({ mayUpdate }) => mayUpdate)?.name;
        if (!settable) return;
        const conflict = `on conflict (${columns.join(", ")}) ${where ? `where ${where}` : ""} do update
          set ${settable} = excluded.${settable} where ${trapOnAny(table.name)}`;
        const foreign = await asOwn<Row>(insertOf(table, await copyOf(table, other.tenant.id), conflict));
        assert.equal(foreign.error, undefined, foreign.error?.message);
        assert.equal(foreign.value?.length, 1, "the foreign row was found");
        // Against a row of one's own the trap must spring, else it proves nothing; not every key can be given by the login.
        const again = await asOwn(insertOf(table, await copyOf(table, place.tenant.id), conflict));
        if (again.error?.code === DIVISION_BY_ZERO) controls++;
      });
    }
  }
  assert.ok(controls >= 6, `the trap sprang on ${controls} indexes only`);
});

Deno.test("no expression in any clause is evaluated on foreign rows", loose, async (t) => {
  const { place, tables } = shared;
  const modes = [
    "",
    "set local enable_seqscan = off",
    "set local enable_indexscan = off; set local enable_bitmapscan = off",
  ]
    .flatMap((mode) => [mode, `${mode}; set local plan_cache_mode = force_generic_plan; set local jit = off`]);
  for (const table of tables) {
    await t.step(table.name, async () => {
      const bad = trap("x", place.tenant.id);
      const [column] = table.columns.filter(({ mayUpdate }) => mayUpdate);
      const clauses = [
        `select count(*) from ${table.name} x where ${bad}`,
        `select count(*) from ${table.name} x where tenant_id is not null and (${bad} or true)`,
        `select count(*) filter (where ${bad}) from ${table.name} x`,
        `select (${bad}) from ${table.name} x order by ${bad} limit 1`,
        `select max(case when ${bad} then 1 end) from ${table.name} x group by ${bad} having bool_and(${bad})`,
        `select count(*) from ${table.name} x join ${table.name} y on ${bad} and ${trap("y", place.tenant.id)}`,
        `select count(*) from ${table.name} x left join lateral (select ${bad} as b) z on z.b`,
        `select count(*) from tenant.members m where exists (select from ${table.name} x where ${bad})`,
        `with c as materialized (select * from ${table.name} x where ${bad}) select count(*) from c`,
        `select row_number() over (order by ${bad}) from ${table.name} x`,
        `select query_to_xml($q$select 1 from ${table.name} x where ${bad}$q$, true, false, '')`,
        ...(column
          ? [`update ${table.name} x set "${column.name}" = "${column.name}" where ${bad} returning ${bad}`]
          : []),
        ...(table.may.delete ? [`delete from ${table.name} x where ${bad} and not (${bad}) returning ${bad}`] : []),
      ];
      for (const mode of modes) {
        for (const clause of clauses) {
          const { error } = await asOwn(mode ? `${mode}; ${clause}` : clause);
          assert.equal(error, undefined, `${clause}: ${error?.message}`);
        }
      }
    });
  }
  const { error } = await asOwn(`select from tenant.buildings x where ${trapOnAny("x")}`);
  assert.equal(error?.code, DIVISION_BY_ZERO, "the trap does not spring");
});

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
