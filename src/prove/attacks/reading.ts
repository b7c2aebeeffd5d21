// Ways to other rows than by a plain SELECT: expressions that run SQL, other relations, COPY, cursors, statistics, the
// words of errors, and roles that one might become.
import { type Attack, eachOf, everything, type Ground, id, keyOf } from "./attack.ts";

const read = (name: string, sql: Attack["sql"], more: Partial<Attack> = {}): Attack => ({
  name,
  kind: "read",
  sql,
  ...more,
});

/** A query inside an expression, with the victim's claim set in it. */
const nested = (g: Ground) => `select set_config('app.tenant_id', '${g.b}', true), x.* from ${g.name} x`;

const BECOME = (g: Ground) => [g.roles.owner, g.roles.keeper, "bulkhead_migrator", "postgres", "pg_read_all_data"];

export const READING: Attack[] = [
  read("a plain SELECT", (g) => everything(g)),
  read("SELECT by the victim's id", (g) => everything(g, `where x.tenant_id = ${id(g.b)}`), { modes: true }),
  read("SELECT by the victim's key", (g) => everything(g, `where ${keyOf(g.table, g.foreign)}`), { modes: true }),
  read(
    "SELECT of system columns",
    (g) => `select ctid, xmin, tableoid, tenant_id = ${id(g.b)} as leaked from ${g.name} x`,
  ),
  read(
    "SELECT by position",
    (g) =>
      everything(
        g,
        "where x.ctid = any (array(select format('(%s,%s)', p, i)::tid from generate_series(0, 3) p, generate_series(1, 60) i))",
      ),
  ),
  read("a count", (g) => `select count(*) filter (where tenant_id <> ${id(g.a)}) as leaked from ${g.name}`, {
    modes: true,
  }),
  read("query_to_xml", (g) => `select query_to_xml($q$${nested(g)}$q$, true, false, '') as seen`),
  read(
    "query_to_xml_and_xmlschema",
    (g) => `select query_to_xml_and_xmlschema($q$${nested(g)}$q$, true, false, '') as seen`,
  ),
  read("table_to_xml", (g) => `select table_to_xml('${g.name}'::regclass, true, false, '') as seen`),
  read("schema_to_xml", () => "select schema_to_xml('tenant', true, false, '') as seen", { once: true }),
  read("database_to_xml", () => "select database_to_xml(true, false, '') as seen", { once: true }),
  read(
    "cursor_to_xml",
    (g) => `declare c cursor for ${nested(g)}; select cursor_to_xml('c', 1000, true, false, '') as seen`,
  ),
  read("DO", (g) =>
    `do $$ declare r record; begin for r in select x.*::text as t, tenant_id from ${g.name} x loop
      if r.tenant_id <> ${id(g.a)} then raise exception '%', r.t; end if; end loop; end $$`),
  read(
    "EXECUTE in DO",
    (g) =>
      `do $$ declare t text; begin execute 'select string_agg(x::text, '','') from ${g.name} x' into t; raise notice '%', t; end $$`,
  ),
  read("COPY TO", (g) => `copy ${g.name} to stdout`),
  read("COPY of a query", (g) => `copy (select x.*::text from ${g.name} x) to stdout`),
  read("COPY to a program", (g) => `copy (select * from ${g.name}) to program 'cat > /dev/null'`),
  read(
    "a scrolling cursor",
    (g) => `declare c scroll cursor for ${everything(g)}; move last from c; fetch backward all from c`,
  ),
  read(
    "a cursor that outlives its transaction",
    (g) => `declare c cursor with hold for ${everything(g)}; fetch all from c`,
  ),
  read(
    "a recursive query",
    (g) =>
      `with recursive r as (select x.*::text as t from ${g.name} x union select t || '' from r where false) select t as seen from r`,
  ),
  read(
    "ONLY and inheritance",
    (g) => `select x.*::text as seen, tenant_id = ${id(g.b)} as leaked from only ${g.name} x`,
  ),
  read(
    "its partitions and children",
    (g) =>
      `select query_to_xml(format('select * from %s', inhrelid::regclass), true, false, '') as seen from pg_inherits
      where inhparent = '${g.name}'::regclass`,
  ),
  read(
    "its TOAST table",
    (g) =>
      `select query_to_xml(format('select * from %s', reltoastrelid::regclass), true, false, '') as seen from pg_class
      where oid = '${g.name}'::regclass and reltoastrelid <> 0`,
  ),
  read("every view", (g) => eachOf(g.views), { once: true }),
  read("each view", (g) => g.views[0] ? `select v::text as seen from ${g.views[0]} v` : null, { once: true }),
  read("every function with other rights", (g) => eachOf(callsOf(g)), { once: true }),
  read(
    "pg_stats",
    (g) =>
      `select most_common_vals::text, histogram_bounds::text from pg_stats where format('%I.%I', schemaname, tablename) = '${g.name}'`,
  ),
  read("pg_statistic", () => "select stavalues1::text from pg_statistic", { once: true }),
  read("extended statistics", () => "select most_common_vals::text from pg_stats_ext", { once: true }),
  read("the keys", () => "select encode(inner_block, 'hex') as seen, true as leaked from app.keys", { once: true }),
  read("the gates", () => "select tenant_id::text as seen, true as leaked from app.gates", { once: true }),
  read("pg_authid", () => "select rolpassword as seen, true as leaked from pg_authid", { once: true }),
  read("a file of the server", () => "select pg_read_file('postgresql.conf') as seen, true as leaked", { once: true }),
  read("large objects", () => "select lo_get(oid) as seen, true as leaked from pg_largeobject_metadata", {
    once: true,
  }),
  read("row_security off", (g) => `set local row_security = off; ${everything(g)}`),
  read("session_replication_role", (g) => `set local session_replication_role = replica; ${everything(g)}`),
  ...["SET ROLE", "SET LOCAL ROLE", "SET SESSION AUTHORIZATION"].map((how) =>
    read(
      `${how} of each role`,
      (g) =>
        BECOME(g).map((role) =>
          `do $$ begin execute '${how.toLowerCase()} "${role}"'; exception when others then null; end $$`
        )
          .join("; ") + `; set local row_security = on; ${everything(g)}`,
      { login: true },
    )
  ),
  read("RESET ROLE", (g) => `reset role; reset session authorization; ${everything(g)}`, { login: true }),
  read("search_path", (g) => `set local search_path = public, pg_temp; ${everything(g)}`),
  read(
    "a temporary table in its place",
    (g) =>
      `create temp table ${g.name.split(".").at(-1)} as select * from ${g.name}; select x::text as seen from ${
        g.name.split(".").at(-1)
      } x`,
  ),
  read(
    "a function that shadows",
    (g) => `create function pg_temp.tenant_id() returns uuid language sql as $f$select ${id(g.b)}$f$; ${everything(g)}`,
  ),
  read("an error of a cast", (g) => `select (x::text)::int from ${g.name} x where x.tenant_id <> ${id(g.a)}`, {
    modes: true,
  }),
  read("an error of a division", (g) => `select 1 / (x.tenant_id = ${id(g.a)})::int from ${g.name} x`, { modes: true }),
  read(
    "an error of a regular expression",
    (g) => `select 'x' ~ ('(' || x::text) from ${g.name} x where x.tenant_id = ${id(g.b)}`,
  ),
  read(
    "an error of a row that is too many",
    (g) =>
      `select (select x.*::text from ${g.name} x where x.tenant_id <> ${
        id(g.a)
      } union all select '1' union all select '2' where false)`,
  ),
  read("notices of a planner", (g) => `set local client_min_messages = debug5; ${everything(g)}`),
  read(
    "MERGE that reads",
    (g) =>
      `merge into ${g.name} x using (select ${
        id(g.b)
      } as t) s on x.tenant_id = s.t when matched and 1 / (x.tenant_id = ${id(g.a)})::int = 1 then do nothing`,
  ),
];

/** A call of each definer function with the victim's id wherever a uuid fits. */
function callsOf({ definers, b }: Ground): string[] {
  return definers.map(({ name, arguments: types }) => {
    const given = types.map((type) => type === "uuid" ? id(b) : `null::${type}`);
    return `${name}(${given.join(", ")})`;
  });
}
