// What row-level security alone does not guard: keys, which could tell whether a foreign row is there, expressions that
// see a row before the wall does. In the placement that two tenants share, for every table, key and index of the catalogue.
import assert from "node:assert/strict";
import { attempt, type DatabaseFault, proven, under } from "../support/placement.ts";
import type { Sql } from "../../src/db/direct.ts";
import { quoteLiteral } from "../../src/db/sql_files.ts";
import type { Column, Table } from "../../src/prove/catalogue.ts";
import { columnsOfLogin, insertion, type Row } from "../../src/prove/rows.ts";
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
  const own = await shared.rows.parents(table, shared.place.tenant.id);
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
        const mine = (await rows.parents(table, shared.place.tenant.id))[column]; // none where a table refers to itself
        const statements = [
          ...(mayInsert && mine ? [(id: string) => own.replace(quoteLiteral(mine), quoteLiteral(id))] : []),
          ...(mayUpdate ? [(id: string) => `update ${table.name} set ${column} = '${id}'`] : []),
        ];
        for (const statement of statements) {
          assert.notEqual(statement(foreign), statement(mine ?? missing), "the probe does not name the parent");
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
