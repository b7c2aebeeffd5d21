// What tenants do to their own rows, each step held against the oracle.
import type { Tx } from "../../db/sql.ts";
import type { Row } from "../rows.ts";
import { raw } from "./raw_door.ts";
import type { Play } from "./play.ts";
import { keyOf, type Known, type Player } from "./world.ts";

/** All columns of a table as text, in the catalogue's order. */
export const columnsOf = ({ table }: Known) => table.columns.map(({ name }) => `"${name}"::text`).join(", ");

/** A row's key as a condition with `?` for the values. */
export function byKey({ table }: Known): string {
  return table.primaryKey.map((name) => {
    const { type } = table.columns.find((column) => column.name === name)!;
    return `"${name}" = ?::${type}`;
  }).join(" and ");
}

export const keyValues = ({ table }: Known, row: Row) => table.primaryKey.map((name) => row[name]);

/** Reads one row of the tenant's own by its key. */
export async function readOne(play: Play): Promise<void> {
  const { player, known, random } = play;
  const row = random.pick([...player.rows.get(known.table.name)!.values()]);
  const text = `select ${columnsOf(known)} from ${known.table.name} where ${byKey(known)}`;
  const rows = await play.visit(true, (tx) => raw(tx, text, keyValues(known, row)));
  play.sameRows(rows as Row[], [row], "reading a row by its key");
}

/** Reads all rows of a table. */
export async function readAll(play: Play): Promise<void> {
  const { player, known } = play;
  const text = `select ${columnsOf(known)} from ${known.table.name}`;
  const rows = await play.visit(true, (tx) => raw(tx, text));
  play.sameRows(rows as Row[], [...player.rows.get(known.table.name)!.values()], "reading a table");
}

/** A template that the tenant has not used, with its own parents in it. */
function freeTemplate({ player, known, random }: Play): { at: number; values: (string | null)[] } | null {
  const used = player.used.get(known.table.name)!;
  const free = known.templates.map((_, at) => at).filter((at) => !used.has(at));
  if (free.length === 0) return null;
  const at = random.pick(free);
  const base = player.base.get(known.table.name)!;
  const values = known.columns.map((name, i) => known.parents.includes(name) ? base[name] : known.templates[at][i]);
  return { at, values };
}

function insertion(known: Known): string {
  const values = known.types.map((type) => `?::${type}`);
  return `insert into ${known.table.name} (${known.columns.map((name) => `"${name}"`).join(", ")})
    values (${values.join(", ")}) returning ${columnsOf(known)}`;
}

/** Adds a row. */
export async function insertOne(play: Play): Promise<void> {
  const { player, known } = play;
  const template = freeTemplate(play);
  if (!template) return await readAll(play);
  const [row] = await play.visit(false, (tx) => raw(tx, insertion(known), template.values)) as Row[];
  play.own(row, "adding a row");
  remember(player, known, row, template.at);
}

function remember(player: Player, known: Known, row: Row, template: number): void {
  player.rows.get(known.table.name)!.set(keyOf(known.table, row), row);
  player.used.get(known.table.name)!.set(template, keyOf(known.table, row));
}

/** Changes one column of a row. */
export async function updateOne(play: Play): Promise<void> {
  const { player, known, random } = play;
  if (known.changes.length === 0) return await readOne(play);
  const row = random.pick([...player.rows.get(known.table.name)!.values()]);
  const { column, type, values } = random.pick(known.changes);
  const value = random.pick(values);
  const text = `update ${known.table.name} set "${column}" = ?::${type} where ${byKey(known)} returning ${
    columnsOf(known)
  }`;
  const rows = await play.visit(false, (tx) => raw(tx, text, [value, ...keyValues(known, row)])) as Row[];
  if (rows.length !== 1 || rows[0][column] !== value) return play.mismatch("changing a row did not change it");
  play.own(rows[0], "changing a row");
  player.rows.get(known.table.name)!.set(keyOf(known.table, row), rows[0]);
}

/** Removes a row that nothing refers to. */
export async function deleteOne(play: Play): Promise<void> {
  const { player, known, random } = play;
  const used = player.used.get(known.table.name)!;
  if (!known.table.may.delete || used.size === 0) return await insertOne(play);
  const [template, key] = random.pick([...used]);
  const row = player.rows.get(known.table.name)!.get(key)!;
  const text = `delete from ${known.table.name} where ${byKey(known)} returning 1 as gone`;
  const rows = await play.visit(false, (tx) => raw(tx, text, keyValues(known, row)));
  if (rows.length !== 1) play.mismatch("removing a row did not remove it");
  player.rows.get(known.table.name)!.delete(key);
  used.delete(template);
}

/** Several statements that are kept together. */
export async function transaction(play: Play): Promise<void> {
  const { player, known } = play;
  const template = freeTemplate(play);
  if (!template) return await readAll(play);
  const before = player.rows.get(known.table.name)!.size;
  const row = await play.visit(false, async (tx: Tx) => {
    const [made] = await raw(tx, insertion(known), template.values) as Row[];
    const [{ count }] = await raw(tx, `select count(*)::int as count from ${known.table.name}`);
    if (count !== before + 1) play.mismatch(`a transaction saw ${count} rows instead of ${before + 1}`);
    return made;
  });
  remember(player, known, row, template.at);
}

/** A transaction that ends with an error after it has written: nothing of it may stay. */
export async function aborted(play: Play): Promise<void> {
  const { known } = play;
  const template = freeTemplate(play);
  if (!template) return await readAll(play);
  await play.refused(
    "a transaction that was aborted was kept",
    play.visit(false, async (tx: Tx) => {
      await raw(tx, insertion(known), template.values);
      throw new Error("Undo");
    }),
  );
}

/** A transaction whose statement failed and was caught: it must not be kept either. */
export async function caught(play: Play): Promise<void> {
  const { known } = play;
  const template = freeTemplate(play);
  if (!template) return await readAll(play);
  await play.refused(
    "a failed transaction was kept",
    play.visit(false, async (tx: Tx) => {
      await raw(tx, insertion(known), template.values);
      await raw(tx, "select 1 / 0").catch(() => {});
    }),
  );
}
