// Attacks that change: rows of the victim, rows that become the victim's, the tables themselves and who may do what.
import { type Attack, type Ground, id, keyOf, touch } from "./attack.ts";
import { quoteLiteral } from "../../db/sql_files.ts";

const write = (name: string, sql: Attack["sql"], more: Partial<Attack> = {}): Attack => ({
  name,
  kind: "write",
  sql,
  ...more,
});

const isB = (g: Ground) => `returning x.tenant_id = ${id(g.b)} as leaked`;
const update = (g: Ground, more: string) => {
  const change = touch(g.table);
  return change && `update ${g.name} x set ${change} ${more}`;
};

/** The attacker's own insert, with more columns and another end. */
function insert(g: Ground, more: Record<string, string> = {}, end = ""): string | null {
  if (!g.insert) return null;
  const { columns, types, values } = g.insert;
  const given = columns.filter((name) => !(name in more));
  const literals = given.map((name) => literal(values[columns.indexOf(name)], types[columns.indexOf(name)]));
  const names = [...given, ...Object.keys(more)].map((name) => `"${name}"`);
  return `insert into ${g.name} as x (${names.join(", ")}) values (${
    [...literals, ...Object.values(more)].join(", ")
  }) ${end}`;
}

/** Links that may be left out: with the attacker's own parent in one a foreign row is refused for that alone. */
function unlinked(g: Ground): Record<string, string> {
  const links = g.table.foreignKeys.flatMap((key) => key.columns);
  const free = g.table.columns.filter(({ name, required }) => links.includes(name) && !required);
  return Object.fromEntries(
    free.filter(({ name }) => g.insert?.columns.includes(name)).map(({ name }) => [name, "null"]),
  );
}

const literal = (value: string | null, type: string) => value === null ? "null" : `${quoteLiteral(value)}::${type}`;

/** Statements that a run-time login must be refused, whatever its context. */
const FORBIDDEN: Record<string, (g: Ground) => string> = {
  "TRUNCATE": (g) => `truncate ${g.name} cascade`,
  "DISABLE ROW LEVEL SECURITY": (g) => `alter table ${g.name} disable row level security`,
  "NO FORCE ROW LEVEL SECURITY": (g) => `alter table ${g.name} no force row level security`,
  "DROP POLICY": (g) => `drop policy tenant_guard on ${g.name}`,
  "ALTER POLICY": (g) => `alter policy tenant_guard on ${g.name} using (true)`,
  "CREATE POLICY": (g) => `create policy open on ${g.name} using (true)`,
  "OWNER TO": (g) => `alter table ${g.name} owner to "${g.roles.login}"`,
  "ADD COLUMN": (g) => `alter table ${g.name} add column spy text`,
  "DISABLE TRIGGER": (g) => `alter table ${g.name} disable trigger all`,
  "DROP TABLE": (g) => `drop table ${g.name} cascade`,
  "CREATE TRIGGER": (g) =>
    `create trigger spy before insert on ${g.name} for each row execute function suppress_redundant_updates_trigger()`,
  "CREATE RULE": (g) => `create rule spy as on insert to ${g.name} do also nothing`,
  "CREATE INDEX": (g) => `create index spy on ${g.name} (tenant_id)`,
  "CREATE VIEW": (g) => `create view tenant.spy as select * from ${g.name}`,
  "CREATE MATERIALIZED VIEW": (g) => `create materialized view tenant.spy as select * from ${g.name}`,
  "CREATE TABLE that refers": (g) => `create table public.spy (like ${g.name})`,
  "INHERITS": (g) => `create table tenant.spy () inherits (${g.name})`,
  "CREATE FUNCTION": () => "create function tenant.spy() returns int language sql as 'select 1'",
  "replacing app.tenant_id()": (g) =>
    `create or replace function app.tenant_id() returns uuid language sql stable as $f$select ${id(g.b)}$f$`,
  "ALTER FUNCTION": () => "alter function app.tenant_id() immutable",
  "opening a gate": () => "update app.gates set open = true",
  "installing a key": () =>
    "insert into app.keys values (99, decode(repeat('00', 64), 'hex'), decode(repeat('00', 64), 'hex'))",
  "calling app.isolate()": (g) => `call app.isolate('${g.name}')`,
  "ALTER ROLE": (g) => `alter role "${g.roles.login}" bypassrls`,
  "GRANT of a role": (g) => `grant "${g.roles.owner}" to "${g.roles.login}"`,
  "ALTER DATABASE": () =>
    "do $$ begin execute format('alter database %I set row_security = off', current_database()); end $$",
  "CREATE EXTENSION": () => "create extension dblink",
  "CREATE PUBLICATION": (g) => `create publication spy for table ${g.name}`,
};

/** Need no table. */
const ONCE = /FUNCTION|gate|key|ROLE|role|DATABASE|EXTENSION|app\.tenant_id/;

export const WRITING: Attack[] = [
  write("UPDATE of everything", (g) => update(g, isB(g)), { modes: true }),
  write("UPDATE of everything, reading nothing", (g) => {
    const column = touch(g.table)?.split(" ")[0];
    return column ? `update ${g.name} set ${column} = default` : null;
  }),
  write("UPDATE by the victim's id", (g) => update(g, `where x.tenant_id = ${id(g.b)} returning true as leaked`), {
    modes: true,
  }),
  write("UPDATE by the victim's key", (g) => update(g, `where ${keyOf(g.table, g.foreign)} returning true as leaked`)),
  write("UPDATE from itself", (g) => update(g, `from ${g.name} y where y.tenant_id = x.tenant_id ${isB(g)}`)),
  write("UPDATE of tenant_id", (g) => `update ${g.name} x set tenant_id = ${id(g.b)} ${isB(g)}`),
  write(
    "UPDATE of tenant_id to what it is",
    (g) => `update ${g.name} x set tenant_id = x.tenant_id returning true as leaked`,
  ),
  write(
    "DELETE of everything",
    (g) => g.table.may.delete ? `delete from ${g.name} x ${isB(g)}` : `delete from ${g.name}`,
  ),
  write(
    "DELETE by the victim's id",
    (g) => `delete from ${g.name} x where x.tenant_id = ${id(g.b)} returning true as leaked`,
    { modes: true },
  ),
  write(
    "DELETE by the victim's key",
    (g) => `delete from ${g.name} x where ${keyOf(g.table, g.foreign)} returning true as leaked`,
  ),
  write(
    "DELETE USING",
    (g) => `delete from ${g.name} x using ${g.name} y where y.tenant_id = ${id(g.b)} returning true as leaked`,
  ),
  write("INSERT with the victim's id", (g) => insert(g, { tenant_id: id(g.b) }, isB(g))),
  write("INSERT with one's own id", (g) => insert(g, { tenant_id: id(g.a) }, "returning true as leaked")),
  write(
    "INSERT under a changed claim",
    (g) => g.insert && `select set_config('app.tenant_id', '${g.b}', true); ${insert(g, unlinked(g), isB(g))}`,
  ),
  write(
    "INSERT under a changed claim, reading nothing",
    (g) =>
      g.insert &&
      `select set_config('app.tenant_id', '${g.b}', true); ${insert(g, unlinked(g))}; select true as leaked`,
  ),
  write(
    "INSERT that changes the claim",
    (g) => insert(g, {}, `returning set_config('app.tenant_id', '${g.b}', true), x.tenant_id = ${id(g.b)} as leaked`),
  ),
  write("INSERT, then on to the victim", (g) => {
    const made = insert(g, {}, "returning *");
    return made &&
      `with made as (${made}) select set_config('app.tenant_id', '${g.b}', true), m.tenant_id = ${
        id(g.b)
      } as leaked from made m`;
  }),
  write(
    "INSERT of what can be seen",
    (g) =>
      g.insert && `insert into ${g.name} as x (${g.insert.columns.map((c) => `"${c}"`).join(", ")})
      select ${g.insert.columns.map((c) => `y."${c}"`).join(", ")} from ${g.name} y where y.tenant_id = ${
        id(g.b)
      } returning true as leaked`,
  ),
  write("MERGE", (g) => {
    const change = touch(g.table);
    return change && `merge into ${g.name} x using (select ${id(g.b)} as t) s on x.tenant_id = s.t
      when matched then update set ${change}`;
  }),
  write(
    "ON CONFLICT DO UPDATE",
    (g) => conflict(g, (column) => `do update set "${column}" = excluded."${column}" ${isB(g)}`),
  ),
  write(
    "ON CONFLICT DO UPDATE that leaks",
    (g) =>
      conflict(
        g,
        (column) => `do update set "${column}" = x."${column}" where 1 / (x.tenant_id = ${id(g.a)})::int = 1 ${isB(g)}`,
      ),
  ),
  write("COPY FROM", (g) => `copy ${g.name} from stdin`),
  write("COPY FROM a file", (g) => `copy ${g.name} from '/etc/hostname'`),
  write(
    "GRANT to everyone",
    (g) =>
      `grant all on ${g.name} to public; select true as leaked from pg_class c, aclexplode(c.relacl) r
      where c.oid = '${g.name}'::regclass and r.grantee = 0`,
  ),
  ...Object.entries(FORBIDDEN).map(([name, sql]): Attack => ({
    name,
    kind: "write",
    once: ONCE.test(name),
    sql: (g) => `${sql(g)}; select true as leaked`,
  })),
];

/** An insert of the victim's values that runs into a unique index. */
function conflict(g: Ground, action: (column: string) => string): string | null {
  const column = g.table.columns.find(({ mayUpdate }) => mayUpdate)?.name;
  const unique = g.table.uniques.find(({ columns, where }) => columns.length > 0 && where === null);
  if (!g.insert || !column || !unique) return null;
  const { columns, types, foreign } = g.insert;
  const literals = columns.map((_, i) => literal(foreign[i], types[i]));
  return `insert into ${g.name} as x (${columns.map((c) => `"${c}"`).join(", ")}) values (${literals.join(", ")})
    on conflict (${unique.columns.map((c) => `"${c}"`).join(", ")}) ${action(column)}`;
}
