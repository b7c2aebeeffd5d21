// The tables of a placement as its catalogue describes them: what the generated tests go through. Nothing is listed by
// hand, so that a table added later is tested by being there.
import type { Sql } from "../db/direct.ts";

/** One column. */
export interface Column {
  name: string;
  /** As SQL writes it: `character(2)`, `numeric(12,6)`. */
  type: string;
  /** Must be given a value by an insert. */
  required: boolean;
  /** Made by the database, never written. */
  generated: boolean;
  labels: string[] | null;
  mayInsert: boolean;
  mayUpdate: boolean;
}

/** A foreign key; the columns correspond one to one. */
export interface ForeignKey {
  name: string;
  columns: string[];
  parent: string;
  parentColumns: string[];
}

/** A CHECK; `literals` are the constants in it, among which are often the values that it allows. */
export interface Check {
  name: string;
  columns: string[];
  literals: string[];
}

/** A unique index; `where` is the predicate of a partial one. */
export interface Unique {
  name: string;
  columns: string[];
  where: string | null;
}

/** One table. */
export interface Table {
  /** Quoted, with its schema. */
  name: string;
  columns: Column[];
  primaryKey: string[];
  foreignKeys: ForeignKey[];
  checks: Check[];
  uniques: Unique[];
  /** What the run-time login may do at all. Into a table of one row a tenant nothing can be added beside what is there. */
  may: { select: boolean; insert: boolean; update: boolean; delete: boolean };
}

const QUERY = `
  with names as (select conrelid, oid, array(select a.attname::text from unnest(conkey) with ordinality k(n, i)
      join pg_attribute a on a.attrelid = conrelid and a.attnum = k.n order by i) as columns from pg_constraint)
  select t.oid::regclass::text as name,
    (select json_agg(json_build_object('name', a.attname, 'type', format_type(a.atttypid, a.atttypmod),
        'required', a.attnotnull and not a.atthasdef and a.attidentity = '', 'generated', a.attgenerated <> '' or a.attidentity = 'a',
        'labels', (select json_agg(enumlabel order by enumsortorder) from pg_enum where enumtypid = a.atttypid),
        'mayInsert', has_column_privilege($2, t.oid, a.attnum, 'insert'),
        'mayUpdate', has_column_privilege($2, t.oid, a.attnum, 'update')) order by a.attnum)
      from pg_attribute a where a.attrelid = t.oid and a.attnum > 0 and not a.attisdropped) as columns,
    coalesce((select to_json(n.columns) from pg_constraint c join names n using (oid) where c.conrelid = t.oid and c.contype = 'p'), '[]') as primary_key,
    coalesce((select json_agg(json_build_object('name', c.conname, 'columns', n.columns, 'parent', c.confrelid::regclass::text,
        'parentColumns', array(select a.attname from unnest(c.confkey) with ordinality k(n, i)
          join pg_attribute a on a.attrelid = c.confrelid and a.attnum = k.n order by i)))
      from pg_constraint c join names n using (oid) where c.conrelid = t.oid and c.contype = 'f'), '[]') as foreign_keys,
    coalesce((select json_agg(json_build_object('name', c.conname, 'columns', n.columns, 'literals',
        array(select replace(m[1], '''''', '''') from regexp_matches(pg_get_constraintdef(c.oid), '''((?:[^'']|'''')*)''', 'g') m)))
      from pg_constraint c join names n using (oid) where c.conrelid = t.oid and c.contype = 'c'), '[]') as checks,
    coalesce((select json_agg(json_build_object('name', i.indexrelid::regclass, 'where', pg_get_expr(i.indpred, i.indrelid),
        'columns', array(select a.attname from unnest(i.indkey::int2[]) with ordinality k(n, o)
          join pg_attribute a on a.attrelid = t.oid and a.attnum = k.n order by o)))
      from pg_index i where i.indrelid = t.oid and i.indisunique), '[]') as uniques,
    json_build_object('select', has_table_privilege($2, t.oid, 'select'), 'insert', has_any_column_privilege($2, t.oid, 'insert'),
      'update', has_any_column_privilege($2, t.oid, 'update'), 'delete', has_table_privilege($2, t.oid, 'delete')) as may
  from pg_class t join pg_namespace s on s.oid = t.relnamespace
  where s.nspname = $1 and t.relkind in ('r', 'p') and not t.relispartition order by 1`;

/** Every table of a schema, with what `login` may do. */
export async function readTables(sql: Sql, schema: string, login: string): Promise<Table[]> {
  const rows = await sql.unsafe(QUERY, [schema, login]);
  return rows.map((row) => ({
    name: row.name,
    columns: row.columns,
    primaryKey: row.primary_key,
    foreignKeys: row.foreign_keys,
    checks: row.checks,
    uniques: row.uniques,
    may: { ...row.may, insert: row.may.insert && !isSingle(row.uniques) },
  }));
}

/** Whether each tenant has one row in it: settings. */
function isSingle(uniques: Unique[]): boolean {
  return uniques.some(({ columns, where }) => where === null && columns.join() === "tenant_id");
}
