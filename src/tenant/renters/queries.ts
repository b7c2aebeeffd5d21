// Statements on tenant.renters. Row-level security narrows each to the entered tenant; none of them names it.
import { sql, type Tx } from "../../db/sql.ts";
import { page } from "../../http/paging.ts";
import { all, changes, equals, one, startsWith } from "../statements.ts";
import type { NewRenter, Renter, RenterChange, RenterQuery } from "./model.ts";

const columns = sql`id, property_id, first_name, last_name, last_name_key, email, phone,
  lease_starts_on, lease_ends_on, created_at, updated_at`;

const writable = {
  property_id: sql`property_id`,
  first_name: sql`first_name`,
  last_name: sql`last_name`,
  email: sql`email`,
  phone: sql`phone`,
  lease_starts_on: sql`lease_starts_on`,
  lease_ends_on: sql`lease_ends_on`,
};

const nameKey = sql`last_name_key`;
const orders = { columns: { last_name: nameKey, created_at: sql`created_at` }, id: sql`id` };

/** One page of renters, and one row more if there are any. */
export function listRenters(tx: Tx, query: RenterQuery) {
  const { where, orderBy, limit } = page(query, orders);
  const wanted = all([
    startsWith(nameKey, query.search),
    query.email === undefined ? sql`true` : sql`email_key = lower(${query.email})`,
    equals(writable.property_id, query.property_id),
    where,
  ]);
  return tx<Renter & { last_name_key: string }>`
    select ${columns} from tenant.renters where ${wanted} order by ${orderBy} limit ${limit}`;
}

/** One renter; throws `not_found`. */
export function getRenter(tx: Tx, id: string) {
  return tx<Renter>`select ${columns} from tenant.renters where id = ${id}`.map(one);
}

/** Makes a renter and returns it; throws `reference_not_found` for a property that is not the tenant's. */
export function createRenter(tx: Tx, body: NewRenter) {
  return tx<Renter>`
    insert into tenant.renters (property_id, first_name, last_name, email, phone, lease_starts_on, lease_ends_on)
    values (${body.property_id ?? null}, ${body.first_name}, ${body.last_name}, ${body.email ?? null},
      ${body.phone ?? null}, ${body.lease_starts_on ?? null}, ${body.lease_ends_on ?? null})
    returning ${columns}`.map(one);
}

/** Changes the named fields and returns the renter; throws `not_found`. */
export function updateRenter(tx: Tx, id: string, body: RenterChange) {
  return tx<Renter>`
    update tenant.renters set ${changes(body, writable)} where id = ${id} returning ${columns}`.map(one);
}

/** Removes a renter; throws `not_found`, and `still_referenced` while there are invoices in the renter's name. */
export function deleteRenter(tx: Tx, id: string) {
  return tx`delete from tenant.renters where id = ${id} returning id`.map(one);
}
