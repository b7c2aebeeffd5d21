// Statements on tenant.meters. Row-level security narrows each to the entered tenant; none of them names it.
import { sql, type Tx } from "../../db/sql.ts";
import { page } from "../../http/paging.ts";
import { all, changes, equals, one, startsWith } from "../statements.ts";
import type { Meter, MeterChange, MeterQuery, NewMeter } from "./model.ts";

const columns = sql`id, property_id, serial_number, serial_key, utility, unit, time_zone, tariff_id, installed_on,
  created_at, updated_at`;

const writable = {
  property_id: sql`property_id`,
  serial_number: sql`serial_number`,
  utility: sql`utility`,
  unit: sql`unit`,
  time_zone: sql`time_zone`,
  tariff_id: sql`tariff_id`,
  installed_on: sql`installed_on`,
};

/** One page of meters, and one row more if there are any. */
export function listMeters(tx: Tx, query: MeterQuery) {
  const { where, orderBy, limit } = page(query, {
    columns: { serial_number: sql`serial_key`, created_at: sql`created_at` },
    id: sql`id`,
  });
  const wanted = all([
    startsWith(sql`serial_key`, query.search),
    equals(sql`property_id`, query.property_id),
    equals(sql`utility`, query.utility),
    where,
  ]);
  return tx<Meter & { serial_key: string }>`
    select ${columns} from tenant.meters where ${wanted} order by ${orderBy} limit ${limit}`;
}

/** One meter; throws `not_found`. */
export function getMeter(tx: Tx, id: string) {
  return tx<Meter>`select ${columns} from tenant.meters where id = ${id}`.map(one);
}

/** Makes a meter and returns it; throws `reference_not_found` for a property that is not the tenant's. */
export function createMeter(tx: Tx, body: NewMeter) {
  return tx<Meter>`
    insert into tenant.meters (property_id, serial_number, utility, unit, time_zone, tariff_id, installed_on)
    values (${body.property_id}, ${body.serial_number}, ${body.utility}, ${body.unit}, ${body.time_zone},
      ${body.tariff_id ?? null}, ${body.installed_on ?? null})
    returning ${columns}`.map(one);
}

/** Changes the named fields and returns the meter; throws `not_found`. */
export function updateMeter(tx: Tx, id: string, body: MeterChange) {
  return tx<Meter>`
    update tenant.meters set ${changes(body, writable)} where id = ${id} returning ${columns}`.map(one);
}

/** Removes a meter; throws `not_found`, and `still_referenced` once it has readings, imports or invoices. */
export function deleteMeter(tx: Tx, id: string) {
  return tx`delete from tenant.meters where id = ${id} returning id`.map(one);
}
