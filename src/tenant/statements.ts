// Pieces of SQL that every module of the sample domain needs: a change of the named columns, a search by prefix, the one
// row that must be there. Column names come from the modules' own tables of fragments, never from a request.
import { type Fragment, join, type Rows, sql, type Value } from "../db/sql.ts";
import { AppError } from "../errors.ts";

/**
 * The SET list of an UPDATE: the columns that the body names, and updated_at.
 * @param columns Field of the body → its column; fields that are not in it cannot be written.
 */
export function changes(body: Record<string, Value | undefined>, columns: Record<string, Fragment>): Fragment {
  const parts = Object.entries(columns)
    .filter(([field]) => body[field] !== undefined)
    .map(([field, column]) => sql`${column} = ${body[field] as Value}`);
  return join([...parts, sql`updated_at = now()`], sql`, `);
}

/** Joins conditions with "and". */
export function all(conditions: Fragment[]): Fragment {
  return join(conditions, sql` and `);
}

/** `column = value`, or always true when no value is asked for. */
export function equals(column: Fragment, value: Value | undefined): Fragment {
  return value === undefined ? sql`true` : sql`${column} = ${value}`;
}

/**
 * Rows whose `*_key` column begins with `prefix`, or all when there is none. A range and not `like`: only leakproof
 * operators reach an index under row-level security.
 */
export function startsWith(key: Fragment, prefix: string | undefined): Fragment {
  if (prefix === undefined) return sql`true`;
  return sql`${key} >= lower(${prefix}) and ${key} < lower(${prefix}) || ${"\u{10FFFF}"}::text`;
}

/** The row that must be there. Throws `not_found`, the same for a row of another tenant and one that never was. */
export function one<T>(rows: Rows<T>): T {
  if (rows.length === 0) throw new AppError("not_found");
  return rows[0];
}
