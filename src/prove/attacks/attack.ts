// What an attack is: a name, what it is after, and SQL built for one table. Attacks are data; attack_run.ts runs and judges
// them, always by the same rules, so that adding one is to write its statement and nothing else.
import type { Table } from "../catalogue.ts";
import type { Row } from "../rows.ts";
import type { Claim } from "../session.ts";

/** What an attack is written against. */
export interface Ground {
  table: Table;
  /** Quoted, with its schema. */
  name: string;
  /** The attacker's tenant and the victim's. */
  a: string;
  b: string;
  own: Row;
  foreign: Row;
  /** A row of somebody whose gate is closed. */
  closed: string;
  tables: Table[];
  /** Views of the database, and functions with the rights of their definer, as SQL writes them. */
  views: string[];
  definers: { name: string; arguments: string[] }[];
  roles: { owner: string; keeper: string; login: string };
  /** Contexts that must open nothing, by what is wrong with them. */
  claims: Record<string, Claim>;
  /** An insert that the attacker may make, and its twin with other values; null where the login may not insert. */
  insert: { columns: string[]; types: string[]; values: (string | null)[]; foreign: (string | null)[] } | null;
}

/**
 * One attack. What counts as a leak, of any attack: anything of the victim's in what is heard of the server (rows, notices,
 * words of an error) that the attacker did not send; a true or positive column `leaked`; a division by zero, since
 * statements divide by zero only on foreign rows; more rows affected than the attacker's own.
 */
export interface Attack {
  name: string;
  kind: "read" | "write" | "probe";
  /** The statements; null where the attack does not fit the table. */
  sql(ground: Ground): string | null;
  /** The same about something that is not there: the answers must not differ. */
  missing?(ground: Ground): string | null;
  /** Is tried in every plan mode. */
  modes?: boolean;
  /** Needs no table: is tried once in a placement. */
  once?: boolean;
  /** Needs a session of the login's own: see Attacker.own. */
  login?: boolean;
  /** The context to begin with; by default the attacker's own, proven one. */
  claim?(ground: Ground): Claim;
  /** Why it is left open where it is not refused: it carries no rows. */
  residual?: string;
}

/** A literal uuid. */
export const id = (value: string) => `'${value}'::uuid`;

/** Selects everything with a mark on what is the victim's. */
export const everything = ({ name, b }: Ground, more = "") =>
  `select x.*::text as seen, x.tenant_id = ${id(b)} as leaked from ${name} x ${more}`;

/** A condition that fails as soon as it is evaluated on a row of another tenant. */
export const trap = ({ a }: Ground, alias = "x") =>
  `1 / (case when ${alias}.tenant_id = ${id(a)} then 1 else 0 end) = 1`;

/** A condition that writes down every row that it is evaluated on; {@link smuggled} reads what was written. */
export const smuggle = (_: Ground, alias = "x") =>
  `set_config('spy.rows', right(coalesce(current_setting('spy.rows', true), '') || ${alias}::text, 100000), true) is not null`;

export const smuggled = "select current_setting('spy.rows', true) as smuggled";

/**
 * What each of these sources of rows shows, words of an error included, whatever becomes of the ones before; null without any.
 * Sources are what may stand after FROM.
 */
export function eachOf(sources: string[]): string | null {
  const heard = (what: string) =>
    `perform set_config('spy.heard', right(coalesce(current_setting('spy.heard', true), '') || coalesce(${what}, ''), 100000), true)`;
  const asked = sources.map((source) =>
    `do $do$ begin ${heard(`(select string_agg(f::text, ' ') from ${source} f)`)};
      exception when others then ${heard("sqlerrm")}; end $do$`
  );
  return asked.length > 0 ? `${asked.join("; ")}; select current_setting('spy.heard', true) as heard` : null;
}

/** The primary key of a row as a condition. */
export function keyOf(table: Table, row: Row, alias = "x"): string {
  return table.primaryKey.map((column) => {
    const { type } = table.columns.find(({ name }) => name === column)!;
    return `${alias}."${column}" = '${row[column]?.replaceAll("'", "''")}'::${type}`;
  }).join(" and ");
}

/** A column that the login may update, or null. */
export function updatable(table: Table): string | null {
  return table.columns.find(({ mayUpdate }) => mayUpdate)?.name ?? null;
}

/** Sets a column to itself. */
export function touch(table: Table): string | null {
  const column = updatable(table);
  return column === null ? null : `"${column}" = x."${column}"`;
}
