// Statements on tenant.properties. Row-level security narrows each to the entered tenant; none of them names it.
import { sql, type Tx } from "../../db/sql.ts";
import { page } from "../../http/paging.ts";
import { all, changes, equals, one, startsWith } from "../statements.ts";
import type { NewProperty, Property, PropertyChange, PropertyQuery } from "./model.ts";

const columns = sql`id, building_id, label, label_key, trim_scale(area_m2) as area_m2, created_at, updated_at`;

const writable = { building_id: sql`building_id`, label: sql`label`, area_m2: sql`area_m2` };

/** One page of properties, and one row more if there are any. */
export function listProperties(tx: Tx, query: PropertyQuery) {
  const { where, orderBy, limit } = page(query, {
    columns: { label: sql`label_key`, created_at: sql`created_at` },
    id: sql`id`,
  });
  const wanted = all([startsWith(sql`label_key`, query.search), equals(sql`building_id`, query.building_id), where]);
  return tx<Property & { label_key: string }>`
    select ${columns} from tenant.properties where ${wanted} order by ${orderBy} limit ${limit}`;
}

/** One property; throws `not_found`. */
export function getProperty(tx: Tx, id: string) {
  return tx<Property>`select ${columns} from tenant.properties where id = ${id}`.map(one);
}

/** Makes a property and returns it; throws `reference_not_found` for a building that is not the tenant's. */
export function createProperty(tx: Tx, body: NewProperty) {
  return tx<Property>`
    insert into tenant.properties (building_id, label, area_m2)
    values (${body.building_id}, ${body.label}, ${body.area_m2 ?? null})
    returning ${columns}`.map(one);
}

/** Changes the named fields and returns the property; throws `not_found`. */
export function updateProperty(tx: Tx, id: string, body: PropertyChange) {
  return tx<Property>`
    update tenant.properties set ${changes(body, writable)} where id = ${id} returning ${columns}`.map(one);
}

/** Removes a property; throws `not_found`, and `still_referenced` while it has renters or meters. */
export function deleteProperty(tx: Tx, id: string) {
  return tx`delete from tenant.properties where id = ${id} returning id`.map(one);
}
