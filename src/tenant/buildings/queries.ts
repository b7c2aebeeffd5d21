// Statements on tenant.buildings. Row-level security narrows each to the entered tenant; none of them names it.
import { sql, type Tx } from "../../db/sql.ts";
import { page } from "../../http/paging.ts";
import { all, changes, equals, one, startsWith } from "../statements.ts";
import type { Building, BuildingChange, BuildingQuery, NewBuilding } from "./model.ts";

const columns = sql`id, name, name_key, address, postal_code, city, country, unit_id, created_at, updated_at`;

const writable = {
  name: sql`name`,
  address: sql`address`,
  postal_code: sql`postal_code`,
  city: sql`city`,
  country: sql`country`,
  unit_id: sql`unit_id`,
};

/** One page of buildings, and one row more if there are any. */
export function listBuildings(tx: Tx, query: BuildingQuery) {
  const { where, orderBy, limit } = page(query, {
    columns: { name: sql`name_key`, created_at: sql`created_at` },
    id: sql`id`,
  });
  const wanted = all([
    startsWith(sql`name_key`, query.search),
    equals(sql`country`, query.country),
    equals(sql`unit_id`, query.unit_id),
    where,
  ]);
  return tx<Building & { name_key: string }>`
    select ${columns} from tenant.buildings where ${wanted} order by ${orderBy} limit ${limit}`;
}

/** One building; throws `not_found`. */
export function getBuilding(tx: Tx, id: string) {
  return tx<Building>`select ${columns} from tenant.buildings where id = ${id}`.map(one);
}

/** Makes a building and returns it. */
export function createBuilding(tx: Tx, body: NewBuilding) {
  return tx<Building>`
    insert into tenant.buildings (name, address, postal_code, city, country, unit_id)
    values (${body.name}, ${body.address}, ${body.postal_code ?? null}, ${body.city}, ${body.country},
      ${body.unit_id ?? null})
    returning ${columns}`.map(one);
}

/** Changes the named fields and returns the building; throws `not_found`. */
export function updateBuilding(tx: Tx, id: string, body: BuildingChange) {
  return tx<Building>`
    update tenant.buildings set ${changes(body, writable)} where id = ${id} returning ${columns}`.map(one);
}

/** Removes a building; throws `not_found`, and `still_referenced` while it has properties. */
export function deleteBuilding(tx: Tx, id: string) {
  return tx`delete from tenant.buildings where id = ${id} returning id`.map(one);
}
