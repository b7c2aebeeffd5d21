// Probes: whether something of the victim's is there at all, by keys, estimates, locks and whatever all sessions share. Where
// PostgreSQL itself leaves something open that carries no rows, it is named as a residual instead of passed over.
import { type Attack, type Ground, id, keyOf } from "./attack.ts";
import { quoteLiteral } from "../../db/sql_files.ts";
import type { Row } from "../rows.ts";

const probe = (name: string, sql: Attack["sql"], more: Partial<Attack> = {}): Attack => ({
  name,
  kind: "probe",
  sql,
  ...more,
});

const nowhere = "00000000-0000-7000-8000-000000000000";

/** The victim's key with every id in it replaced by one that is not there. */
const gone = (g: Ground): Row =>
  Object.fromEntries(
    Object.entries(g.foreign).map(([name, value]) => [name, name !== "tenant_id" && isId(value) ? nowhere : value]),
  );
const isId = (value: string | null) => /^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$/.test(value ?? "");
const hasId = (g: Ground) => g.table.primaryKey.some((name) => name !== "tenant_id" && isId(g.foreign[name]));

/** An insert that refers to a parent of the victim's, or to one that is not there. */
function orphan(g: Ground, missing: boolean): string | null {
  const key = g.table.foreignKeys.find(({ parent, columns }) =>
    parent.startsWith("tenant.") && columns.some((name) => g.insert?.columns.includes(name))
  );
  if (!key || !g.insert) return null;
  const { columns, types, values } = g.insert;
  const column = key.columns.find((name) => columns.includes(name))!;
  // The victim's first row of a tree has no parent: it is one itself.
  const there = g.foreign[key.parent === g.name ? key.parentColumns[key.columns.indexOf(column)] : column];
  const literals = columns.map((name, i) => {
    const value = name === column ? missing ? nowhere : there : values[i];
    return value === null ? "null" : `${quoteLiteral(value)}::${types[i]}`;
  });
  return `insert into ${g.name} (${columns.map((c) => `"${c}"`).join(", ")}) values (${
    literals.join(", ")
  }) returning 1`;
}

/** An insert of the victim's values: a unique index must not know them. */
function same(g: Ground): string | null {
  if (!g.insert) return null;
  const { columns, types, foreign } = g.insert;
  const literals = columns.map((_, i) => foreign[i] === null ? "null" : `${quoteLiteral(foreign[i]!)}::${types[i]}`);
  return `do $$ begin insert into ${g.name} (${columns.map((c) => `"${c}"`).join(", ")}) values (${
    literals.join(", ")
  });
    exception when unique_violation then raise division_by_zero; end $$`;
}

/** What a scan costs to plan, by key. */
const estimate = (g: Ground, row: Row) =>
  `explain (format json, costs on) select 1 from ${g.name} x where ${keyOf(g.table, row)}`;

export const PROBING: Attack[] = [
  probe("a foreign key, whether the parent is there", (g) => orphan(g, false), { missing: (g) => orphan(g, true) }),
  probe("a unique index, whether the values are there", same),
  probe(
    "SELECT by key, whether the row is there",
    (g) => hasId(g) ? `select 1 from ${g.name} x where ${keyOf(g.table, g.foreign)}` : null,
    {
      missing: (g) => `select 1 from ${g.name} x where ${keyOf(g.table, gone(g))}`,
    },
  ),
  probe(
    "DELETE by key, whether the row is there",
    (g) => hasId(g) ? `delete from ${g.name} x where ${keyOf(g.table, g.foreign)}` : null,
    {
      missing: (g) => `delete from ${g.name} x where ${keyOf(g.table, gone(g))}`,
    },
  ),
  probe("estimates of EXPLAIN by key", (g) => hasId(g) ? estimate(g, g.foreign) : null, {
    missing: (g) => estimate(g, gone(g)),
  }),
  probe(
    "FOR UPDATE of the victim's row",
    (g) => `select true as leaked from ${g.name} x where ${keyOf(g.table, g.foreign)} for update nowait`,
  ),
  probe(
    "FOR SHARE of the victim's rows",
    (g) => `select true as leaked from ${g.name} x where x.tenant_id = ${id(g.b)} for key share skip locked`,
  ),
  probe(
    "rows that EXPLAIN ANALYZE passes over",
    (g) =>
      `do $$ declare l text; begin for l in explain (analyze, timing off, summary off, costs off) select * from ${g.name} loop
      if l ~ 'Rows Removed by Filter: [1-9]' then raise notice 'passed over'; end if; end loop; end $$`,
    {
      residual: "EXPLAIN ANALYZE of a sequential scan tells how many rows of others it passed over",
    },
  ),
  probe(
    "LOCK TABLE in a strong mode",
    (g) => `set local lock_timeout = '200ms'; lock table ${g.name} in access exclusive mode; select 1 as locked`,
    {
      residual: "LOCK TABLE is allowed wherever DELETE is granted: the door's deadline ends it",
    },
  ),
  probe(
    "LOCK TABLE in a weak mode",
    (g) => `set local lock_timeout = '200ms'; lock table ${g.name} in row share mode; select 1 as locked`,
    {
      residual: "LOCK TABLE is allowed wherever DELETE is granted: the door's deadline ends it",
    },
  ),
  probe("the size of the table", (g) => `select pg_relation_size('${g.name}') > 0 as told`, {
    residual: "sizes and row counts of whole tables are in the catalogue",
  }),
  probe("reltuples", (g) => `select 1 as told from pg_class where oid = '${g.name}'::regclass and reltuples > 0`, {
    residual: "sizes and row counts of whole tables are in the catalogue",
  }),
  probe(
    "activity statistics",
    (g) => `select 1 as told from pg_stat_user_tables where relid = '${g.name}'::regclass and n_tup_ins > 0`,
    {
      residual: "sizes and row counts of whole tables are in the catalogue",
    },
  ),
  probe("LISTEN and NOTIFY", () => "listen spy; notify spy, 'x'; select 1 as heard", {
    once: true,
    residual: "LISTEN/NOTIFY is open to every login; it carries no rows",
  }),
  probe("advisory locks", () => "select pg_advisory_xact_lock(1); select 1 as locked", {
    once: true,
    residual: "advisory locks are open to every login; they carry no rows",
  }),
  probe("pg_locks", () => "select 1 as told from pg_locks where pid <> pg_backend_pid() limit 1", {
    once: true,
    residual: "pg_locks shows which tables other sessions use, no rows",
  }),
  probe(
    "other sessions' statements",
    () => "select 1 as told from pg_stat_activity where usename = current_user and pid <> pg_backend_pid() limit 1",
    {
      once: true,
      residual: "pg_stat_activity shows the statement texts of the same login's sessions; values are parameters",
    },
  ),
  probe("names of roles and databases", () => "select 1 as told from pg_roles, pg_database limit 1", {
    once: true,
    residual: "names of tables, roles and (opaque) databases are in the catalogue",
  }),
  probe("creating a large object", () => "select lo_from_bytea(0, '\\x00') as made", {
    once: true,
    residual: "large objects, which know no tenant, can be made where the rollout's administrator is not a superuser",
  }),
  probe("setting one's own deadline", () => "set local statement_timeout = 0; select 1 as told", {
    once: true,
    residual: "a session may lift its own statement_timeout: the door's deadline holds",
  }),
  probe("sequences", () => "select last_value as leaked from pg_sequences where schemaname in ('tenant', 'app')", {
    once: true,
  }),
];
