// Statements on tenant.units. Row-level security narrows each to the entered tenant; none of them names it.
import { sql, type Tx } from "../../db/sql.ts";
import { AppError } from "../../errors.ts";
import { page } from "../../http/paging.ts";
import { all, changes, one, startsWith } from "../statements.ts";
import type { NewUnit, Unit, UnitChange, UnitQuery } from "./model.ts";

const columns = sql`id, name, name_key, parent_id, created_at, updated_at`;

const writable = { name: sql`name`, parent_id: sql`parent_id` };

/** One page of units, and one row more if there are any. */
export function listUnits(tx: Tx, query: UnitQuery) {
  const { where, orderBy, limit } = page(query, {
    columns: { name: sql`name_key`, created_at: sql`created_at` },
    id: sql`id`,
  });
  const above = query.parent_id === undefined
    ? sql`true`
    : query.parent_id === "none"
    ? sql`parent_id is null`
    : sql`parent_id = ${query.parent_id}`;
  const wanted = all([startsWith(sql`name_key`, query.search), above, where]);
  return tx<Unit & { name_key: string }>`
    select ${columns} from tenant.units where ${wanted} order by ${orderBy} limit ${limit}`;
}

/** One unit; throws `not_found`. */
export function getUnit(tx: Tx, id: string) {
  return tx<Unit>`select ${columns} from tenant.units where id = ${id}`.map(one);
}

/** Makes a unit and returns it; throws `reference_not_found` for a parent that is not the tenant's. */
export function createUnit(tx: Tx, { name, parent_id }: NewUnit) {
  return tx<Unit>`insert into tenant.units (name, parent_id) values (${name}, ${parent_id ?? null})
    returning ${columns}`.map(one);
}

/** Changes the named fields and returns the unit; throws `not_found`. */
export function updateUnit(tx: Tx, id: string, body: UnitChange) {
  return tx<Unit>`update tenant.units set ${changes(body, writable)} where id = ${id} returning ${columns}`.map(one);
}

/** @throws AppError `unprocessable` when `parentId` is the unit itself or below it. Ask after `lockAccess`. */
export async function refuseLoop(tx: Tx, id: string, parentId: string): Promise<void> {
  const [{ loops }] = await tx<{ loops: boolean }>`with recursive above as (
      select id, parent_id from tenant.units where id = ${parentId}
      union select u.id, u.parent_id from tenant.units u join above a on u.id = a.parent_id
    )
    select exists (select from above where id = ${id}) as loops`;
  if (loops) throw new AppError("unprocessable", "A unit cannot be moved below itself");
}

/** Makes the access of everybody in this unit or above it be read anew: what they see has changed. */
export function touchMembersOf(tx: Tx, id: string) {
  return tx`with recursive above as (
      select id, parent_id from tenant.units where id = ${id}
      union select u.id, u.parent_id from tenant.units u join above a on u.id = a.parent_id
    )
    update tenant.members set access_version = access_version + 1
    where id in (select member_id from tenant.member_units where unit_id in (select id from above))`;
}

/** Removes a unit; throws `not_found`, and `still_referenced` while it has units below it or buildings. */
export function deleteUnit(tx: Tx, id: string) {
  return tx`delete from tenant.units where id = ${id} returning id`.map(one);
}
