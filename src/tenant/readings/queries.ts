// Statements on readings and their imports. Row-level security narrows each to the entered tenant; none of them names it.
import { json, sql, type Tx } from "../../db/sql.ts";
import { page } from "../../http/paging.ts";
import { all, equals, one } from "../statements.ts";
import type { Batch } from "./batch.ts";
import type { Ledger } from "./ledger.ts";
import type { ImportRequest } from "./import.ts";
import type { ImportResult, Reading, ReadingQuery } from "./model.ts";

/** One page of a meter's readings, and one row more if there are any. */
export function listReadings(tx: Tx, meterId: string, query: ReadingQuery) {
  const { where, orderBy, limit } = page(query, { columns: { ends_at: sql`ends_at` }, id: sql`ends_at` });
  const wanted = all([
    query.from === undefined ? sql`true` : sql`ends_at >= ${query.from}`,
    query.to === undefined ? sql`true` : sql`ends_at < ${query.to}`,
    equals(sql`zone`, query.zone),
    where,
  ]);
  return tx<Reading>`
    select ends_at, billing_day, trim_scale(value) as value, zone, import_id from tenant.meter_readings
    where meter_id = ${meterId} and ${wanted} order by ${orderBy} limit ${limit}`;
}

/**
 * The meter that an import is for, and whether it is free: one import of a meter at a time. Look-ups of this transaction
 * go by the key, whatever the size of the table was when it was last looked at. Throws `not_found`.
 */
export function openMeter(tx: Tx, meterId: string) {
  return tx<{ time_zone: string; locked: boolean }>`
    select time_zone, pg_try_advisory_xact_lock(hashtextextended('readings.import ' || id, 0)) as locked,
      set_config('enable_seqscan', 'off', true)
    from tenant.meters where id = ${meterId}`.map(one);
}

/** Records that an import began; returns its id. */
export function openImport(tx: Tx, { meterId, memberId, file_name, mapping }: ImportRequest) {
  return tx<{ id: string }>`
    insert into tenant.reading_imports (meter_id, file_name, mapping, created_by)
    values (${meterId}, ${file_name ?? null}, ${json(mapping)}, ${memberId}) returning id`.map((rows) => one(rows).id);
}

/** Records what came of it. */
export function closeImport(tx: Tx, { import_id, lines, accepted, unchanged, rejected }: ImportResult) {
  return tx`
    update tenant.reading_imports
    set lines = ${lines}, accepted = ${accepted}, unchanged = ${unchanged}, rejected = ${rejected}
    where id = ${import_id}`;
}

/** Safe under row-level security on every version: tenant_id leads the key, so no row of another tenant can conflict. */
const replacing = sql`on conflict (tenant_id, meter_id, ends_at) do update
  set billing_day = excluded.billing_day, value = excluded.value, zone = excluded.zone, import_id = excluded.import_id
  where (r.value, r.billing_day) <> (excluded.value, excluded.billing_day) or r.zone is distinct from excluded.zone`;

interface Stored {
  same: number;
  differing: number;
  examples: { line: number; value: string; zone: string | null; day: string }[];
}

/** Stores a batch in one statement and counts its lines. */
export async function storeBatch(
  tx: Tx,
  { meterId, on_conflict }: ImportRequest,
  importId: string,
  batch: Batch,
  ledger: Ledger,
): Promise<void> {
  if (batch.size === 0) return;
  const replace = on_conflict === "replace";
  const [{ same, differing, examples }] = await tx<Stored>`
    with incoming as (
      select * from unnest(${batch.lines}::int[], ${batch.endsAt}::timestamptz[], ${batch.days}::date[],
        ${batch.values}::numeric[], ${batch.zones}::text[]) as line (line, ends_at, billing_day, value, zone)
    ), known as (
      select i.line, r.value, r.zone, r.billing_day,
        (r.value, r.billing_day) = (i.value, i.billing_day) and r.zone is not distinct from i.zone as same
      -- limit 1 makes it one look-up a row: a join is planned by statistics that a running import makes wrong.
      from incoming i cross join lateral (
        select value, zone, billing_day from tenant.meter_readings
        where meter_id = ${meterId} and ends_at = i.ends_at limit 1) r
    ), stored as (
      insert into tenant.meter_readings as r (meter_id, ends_at, billing_day, value, zone, import_id)
      select ${meterId}::uuid, ends_at, billing_day, value, zone, ${importId}::uuid from incoming
      ${replace ? replacing : sql`on conflict (tenant_id, meter_id, ends_at) do nothing`}
    )
    select (select count(*)::int from known where same) as same,
      (select count(*)::int from known where not same) as differing,
      (select coalesce(json_agg(json_build_object(
          'line', line, 'value', trim_scale(value)::text, 'zone', zone, 'day', billing_day)), '[]')
        from (select * from known where not same and not ${replace} order by line limit 100) first) as examples`;
  const stored = batch.size - same - differing;
  ledger.accepted += stored + (replace ? differing : 0);
  ledger.unchanged += same;
  for (const { line, value, zone, day } of examples) {
    ledger.reject(line, {
      reason: `The line conflicts with the stored value: ${value}${zone ? ` in zone "${zone}"` : ""}, billed on ${day}`,
    });
  }
  if (!replace) ledger.rejected += differing - examples.length;
}
