// Makes a valid row for any table from its catalogue entry alone: values by type, parents first, and where a CHECK or a
// unique index refuses a row, the next value of the columns that it names. Where that fails it throws and says where, so
// that a table it cannot fill fails the tests instead of escaping them.
import type { Sql } from "../db/direct.ts";
import { quoteIdentifier, quoteLiteral } from "../db/sql_files.ts";
import type { DatabaseFault } from "./session.ts";
import type { Column, Table } from "./catalogue.ts";

/** A row, every value as PostgreSQL's text. */
export type Row = Record<string, string | null>;

/** Runs an insert and gives the row; `values` are those of the columns that it was asked to give. */
export type Insert = (statement: string, values: (string | null)[]) => Promise<Row>;

const MAX_TRIES = 400;

/** Makes rows in one placement. */
export class Rows {
  #count = 0;
  #known = new Map<string, Promise<Row>>();

  constructor(private readonly admin: Sql, public tables: Table[]) {}

  /** Takes a newer reading of the catalogue; rows that were made stay known. */
  learn(tables: Table[]): void {
    this.tables = tables;
  }

  /** A row of a tenant, the same at each call; made as superuser. `tenantId` is null for what all tenants share. */
  row(table: Table, tenantId: string | null): Promise<Row> {
    const key = `${table.name} ${tenantId}`;
    const known = this.#known.get(key) ?? this.#firstRow(table, tenantId);
    this.#known.set(key, known);
    return known;
  }

  /** Makes one more row of `tenantId` through `insert`, giving values to `columns`; `fixed` ones are taken as they are. */
  async make(table: Table, tenantId: string | null, columns: Column[], insert: Insert, fixed: Row = {}): Promise<Row> {
    const parents = { ...await this.parents(table, tenantId), ...fixed };
    const choice = new Map<string, number>();
    let n = ++this.#count;
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      const values = columns.map((column) =>
        column.name in parents ? parents[column.name] : candidates(table, column, n).at(choice.get(column.name) ?? 0)!
      );
      try {
        return await insert(insertion(table, columns, values), values);
      } catch (error) {
        const { code, constraint_name } = error as DatabaseFault;
        const check = code === "23514" && table.checks.find(({ name }) => name === constraint_name);
        if (check) advance(check.columns, choice, table, columns, parents, n);
        else if (code === "23505" && isLink(table)) {
          Object.assign(parents, await this.#freshParents(table, tenantId), fixed);
        } else if (code === "23505") n = ++this.#count;
        else throw error;
      }
    }
    throw new Error(
      `No row could be made for "${table.name}" in ${MAX_TRIES} tries: teach src/prove/rows.ts its checks`,
    );
  }

  async #firstRow(table: Table, tenantId: string | null): Promise<Row> {
    const wanted = table.columns.filter((column) =>
      !column.generated && (column.required || column.name === "tenant_id" || isForeign(table, column))
    );
    // A row that only links others has others of its own: one more can then be made from the usual ones.
    const parents = isLink(table) ? await this.#freshParents(table, tenantId) : {};
    const fixed: Row = tenantId === null ? {} : { ...parents, tenant_id: tenantId };
    // Before the first entry, where no chain comes.
    if (table.name === "tenant.audit") fixed.seq = String(-crypto.getRandomValues(new Uint32Array(1))[0]);
    const insert: Insert = async (statement) => (await this.admin.unsafe(statement))[0] as Row;
    return await this.make(table, tenantId, wanted, insert, fixed);
  }

  /** Values of the foreign key columns, from parent rows made for this. */
  async #freshParents(table: Table, tenantId: string | null): Promise<Row> {
    const values: Row = {};
    for (const key of table.foreignKeys) {
      const parent = this.tables.find(({ name }) => name === key.parent)!;
      if (parent.name.startsWith("reference.") || key.parent === table.name) continue;
      const row = await this.#firstRow(parent, tenantId);
      key.columns.forEach((column, i) => values[column] = row[key.parentColumns[i]]);
    }
    return values;
  }

  /** Values of the foreign key columns, from the tenant's parent rows. */
  async parents(table: Table, tenantId: string | null): Promise<Row> {
    const values: Row = {};
    for (const key of table.foreignKeys) {
      if (key.parent === table.name) { // a row without a parent is the first one
        for (const column of key.columns.slice(1)) values[column] = null;
        continue;
      }
      const parent = this.tables.find(({ name }) => name === key.parent);
      if (!parent) throw new Error(`The parent "${key.parent}" of "${table.name}" is in no schema of tenants`);
      const row = await this.row(parent, parent.name.startsWith("reference.") ? null : tenantId);
      key.columns.forEach((column, i) => values[column] = row[key.parentColumns[i]]);
    }
    return values;
  }
}

/** The columns that the run-time login may and must give, and its foreign keys. */
export function columnsOfLogin(table: Table): Column[] {
  return table.columns.filter((column) => column.mayInsert && (column.required || isForeign(table, column)));
}

/** An insert that gives the row back, every value as text. */
export function insertion(table: Table, columns: Column[], values: (string | null)[], conflict = ""): string {
  const literals = columns.map(({ type }, i) => {
    const value = values[i];
    return value === null ? "null" : `${quoteLiteral(value)}::${type}`;
  });
  const names = columns.map(({ name }) => quoteIdentifier(name));
  const given = columns.length ? `(${names.join(", ")}) values (${literals.join(", ")})` : "default values";
  const back = table.columns.map(({ name }) => `${quoteIdentifier(name)}::text`).join(", ");
  return `insert into ${table.name} ${given} ${conflict} returning ${back}`;
}

/** Whether its key consists of foreign keys: which member is in which unit. */
export function isLink(table: Table): boolean {
  const key = table.primaryKey.filter((name) => name !== "tenant_id");
  return key.length > 0 && key.every((name) => table.foreignKeys.some(({ columns }) => columns.includes(name)));
}

function isForeign(table: Table, column: Column): boolean {
  return column.name !== "tenant_id" && table.foreignKeys.some((key) => key.columns.includes(column.name));
}

/** Moves on to the next combination of values of these columns. */
function advance(names: string[], choice: Map<string, number>, table: Table, given: Column[], parents: Row, n: number) {
  for (const name of names) {
    const column = given.find((one) => one.name === name);
    if (!column || name in parents) continue;
    const next = (choice.get(name) ?? 0) + 1;
    const wraps = next >= candidates(table, column, n).length;
    choice.set(name, wraps ? 0 : next);
    if (!wraps) return;
  }
}

/** Values that fit a column's type, the likeliest first; `n` makes them differ from row to row. */
export function candidates(table: Table, column: Column, n: number): string[] {
  const { type, labels } = column;
  if (labels) return labels;
  const literals = table.checks.filter((check) => check.columns.includes(column.name)).flatMap((check) =>
    check.literals
  );
  const size = Number(/\((\d+)/.exec(type)?.[1] ?? Infinity);
  const text = [...literals, `row ${n}`, `row_${n}`, `row-${n}@example.test`, "x", "ZZ", "ZZZ"];
  // Days and instants of a row lie together, and each row has a month of its own.
  const month = new Date(Date.UTC(2001, n, 1, 12)).toISOString();
  const fits = ofType[type.replace(/\(.*\)/, "")];
  if (type.endsWith("[]")) return ["{}"];
  if (/^(text|citext|name|character varying)/.test(type)) return text.filter((value) => value.length <= size);
  if (type.startsWith("character")) return [...text.filter((value) => value.length === size), "X".repeat(size)];
  if (/^(smallint|integer|bigint|numeric|real|double)/.test(type)) return numbers(type, n);
  if (type === "date") return [month.slice(0, 10)];
  if (type.startsWith("timestamp")) return [month];
  if (!fits) {
    throw new Error(`Teach src/prove/rows.ts a value of type "${type}", for "${table.name}.${column.name}"`);
  }
  return fits();
}

const ofType: Record<string, () => string[]> = {
  uuid: () => [crypto.randomUUID()],
  boolean: () => ["false", "true"],
  jsonb: () => ["{}", "[]", '"x"'],
  json: () => ["{}", "[]", '"x"'],
  bytea: () => [`\\x${crypto.randomUUID().replaceAll("-", "").repeat(2)}`],
  interval: () => ["1 day"],
  inet: () => ["192.0.2.1"],
  "time without time zone": () => ["12:00"],
};

/** Numbers that the type can hold: `numeric(5,4)` holds less than 10. */
function numbers(type: string, n: number): string[] {
  const [, precision, scale] = /\((\d+),(\d+)\)/.exec(type) ?? [];
  const limit = precision ? 10 ** (Number(precision) - Number(scale)) : Infinity;
  return [n, 1, 0, 2, 3, 4, 5, 6, 7, 8].filter((value) => value < limit).map(String);
}
