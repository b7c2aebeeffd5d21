// Statements on reports and their files. Row-level security narrows each to the entered tenant; none of them names it.
import { json, sql, type Tx } from "../../db/sql.ts";
import { page } from "../../http/paging.ts";
import { equals, one } from "../statements.ts";
import type { Format, Report, ReportQuery, UsageParams, UsageRow } from "./model.ts";

const columns = sql`id, kind, params, status, created_at, finished_at, coalesce((
  select json_agg(json_build_object('format', f.format, 'bytes', f.bytes) order by f.format)
  from (select format, sum(bytes) as bytes from tenant.report_files x where x.report_id = reports.id group by format) f
  where status = 'ready'), '[]') as files`;

/** One page of reports, and one row more if there are any. */
export function listReports(tx: Tx, query: ReportQuery) {
  const { where, orderBy, limit } = page(query, { columns: { created_at: sql`created_at` }, id: sql`id` });
  return tx<Report>`select ${columns} from tenant.reports where ${where} order by ${orderBy} limit ${limit}`;
}

/** One report; throws `not_found`. */
export function getReport(tx: Tx, id: string) {
  return tx<Report>`select ${columns} from tenant.reports where id = ${id}`.map(one);
}

/** Makes a report that waits for its job. */
export function createReport(tx: Tx, kind: string, params: UsageParams, memberId: string | null) {
  return tx<Report>`
    insert into tenant.reports (kind, params, created_by) values (${kind}, ${json(params)}, ${memberId})
    returning ${columns}`.map(one);
}

/** Marks a report; one that is ready stays so. */
export function markReport(tx: Tx, id: string, status: "running" | "failed" | "ready") {
  return tx`
    update tenant.reports set status = ${status}, finished_at = case when ${status !== "running"} then now() end
    where id = ${id} and status <> 'ready'`;
}

/**
 * Locks a report for the one job that writes it; throws `not_found`. The transaction then reads by keys, since statistics
 * of readings that were just imported are wrong or missing.
 */
export function lockReport(tx: Tx, id: string) {
  return tx<{ params: UsageParams; status: string }>`
    select params, status, set_config('enable_seqscan', 'off', true)
    from tenant.reports where id = ${id} for no key update`.map(one);
}

/** Takes away what a job that broke off may have written. */
export function removeFiles(tx: Tx, id: string) {
  return tx`delete from tenant.report_files where report_id = ${id}`;
}

/** Writes one part of a file. */
export function writePart(tx: Tx, id: string, format: Format, part: number, body: string) {
  const bytes = new TextEncoder().encode(body).byteLength;
  return tx`
    insert into tenant.report_files (report_id, format, part, body, bytes)
    values (${id}, ${format}, ${part}, ${body}, ${bytes})`;
}

/** A report with the size of one of its files; throws `not_found`. */
export function describeFile(tx: Tx, id: string, format: Format) {
  return tx<{ kind: string; params: UsageParams; status: string; parts: number; bytes: string }>`
    select r.kind, r.params, r.status, count(f.part)::int as parts, coalesce(sum(f.bytes), 0) as bytes
    from tenant.reports r left join tenant.report_files f on f.report_id = r.id and f.format = ${format}
    where r.id = ${id} group by r.tenant_id, r.id`.map(one);
}

/** One part of a file; throws `not_found`. */
export function readPart(tx: Tx, id: string, format: Format, part: number) {
  return tx<{ body: string }>`
    select body from tenant.report_files where report_id = ${id} and format = ${format} and part = ${part}`
    .map((rows) => one(rows).body);
}

/** The next meters of a report, in the order of their serial numbers. */
export function nextMeters(tx: Tx, { meter_id }: UsageParams, after: MeterPlace | undefined, limit: number) {
  return tx<MeterPlace>`
    select id, serial_key from tenant.meters
    where ${equals(sql`id`, meter_id)}
      and ${after ? sql`(serial_key, id) > (${after.serial_key}, ${after.id})` : sql`true`}
    order by serial_key, id limit ${limit}`;
}

/** Where a report has come to. */
export interface MeterPlace {
  id: string;
  serial_key: string;
}

/** What meters measured, a row a meter, day and zone. */
export function usageRows(tx: Tx, { from, to }: UsageParams, meterIds: string[]) {
  return tx<UsageRow>`
    select b.name as building, p.label as property, m.id as meter_id, m.serial_number, m.utility, m.unit,
      r.day, r.zone, r.quantity, r.readings
    from tenant.meters m join tenant.properties p on p.id = m.property_id join tenant.buildings b on b.id = p.building_id
      cross join lateral (
        select billing_day as day, zone, trim_scale(sum(value)) as quantity, count(*)::int as readings
        from tenant.meter_readings
        where meter_id = m.id and ends_at >= ${from}::date - interval '2 days'
          and ends_at < ${to}::date + interval '5 days' and billing_day between ${from} and ${to}
        group by billing_day, zone) r
    where m.id = any(${meterIds}::uuid[])
    order by m.serial_key, m.id, r.day, r.zone`;
}
