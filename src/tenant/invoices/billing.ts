// Bills a month in one statement: readings → quantities a zone and price → invoices. All sums are exact numerics of the
// database; the one rounding is of the total, half-up to cents. A rerun writes only what the readings changed.
import { type Fragment, sql, type Tx } from "../../db/sql.ts";
import { lockTenant } from "../../tenancy/tenant_lock.ts";
import type { BillingProblem, BillingResult, InvoiceRun } from "./model.ts";

/** Milliseconds that billing a month may take: one statement over all readings of the month. */
export const BILLING_MS = 120_000;

/** Meters without an invoice that are told one by one. */
const TOLD = 1_000;

interface Outcome {
  made: number;
  revised: number;
  billed: number;
  troubled: number;
  problems: Problem[];
}

interface Problem {
  meter_id: string;
  serial_number: string;
  problem: BillingProblem;
  zone: string | null;
  readings: number;
  first_day: string;
}

/** Bills every meter that has readings in the month, or the one that is asked for. Runs of one tenant wait for each other. */
export async function billMonth(tx: Tx, { month, meter_id }: InvoiceRun): Promise<BillingResult> {
  await beginBilling(tx);
  const first = sql`${`${month}-01`}::date`;
  const [outcome] = await tx<Outcome>`
    with ${expected(first, meter_id)}, ${written(first)}
    select (select count(*)::int from made) as made, (select count(*)::int from revised) as revised,
      (select count(*)::int from bills) as billed, (select count(*)::int from troubled) as troubled,
      (select coalesce(json_agg(t), '[]')
        from (select * from troubled order by serial_number limit ${TOLD}) t) as problems`;
  const invoices = outcome.made + outcome.revised;
  return {
    month,
    invoices,
    unchanged: outcome.billed - invoices,
    problems: outcome.problems.map(({ meter_id, serial_number, ...row }) => ({
      meter_id,
      serial_number,
      problem: row.problem,
      detail: sentence(row),
    })),
    problems_total: outcome.troubled,
  };
}

/**
 * Runs of one tenant wait for each other. Statistics of readings that were just imported are wrong or missing, so the
 * plan is not left to them: readings by the key, one meter after another, and every other join by hashing.
 */
async function beginBilling(tx: Tx): Promise<void> {
  await tx`select set_config('enable_seqscan', 'off', true), set_config('enable_nestloop', 'off', true),
    set_config('statement_timeout', ${String(BILLING_MS)}, true)`;
  await lockTenant(tx, "invoices.run");
}

/** What the month's invoices should be: `items`, `bills` of meters without a problem, `troubled` of the others. */
function expected(first: Fragment, meterId: string | undefined): Fragment {
  return sql`versions as (
      -- The versions of each meter's tariff; where two overlap, the later one holds.
      select m.id as meter_id, t.id as tariff_id, t.valid_from,
        least(t.valid_to, lead(t.valid_from) over (partition by m.id order by t.valid_from, t.id)) as valid_to
      from tenant.meters m join reference.tariffs own on own.id = m.tariff_id
        join reference.tariffs t on t.provider_id = own.provider_id and t.name = own.name
          and t.utility = own.utility and t.currency = own.currency and t.unit = own.unit
    ), daily as (
      select m.id as meter_id, r.* from tenant.meters m cross join lateral (
        select billing_day, zone, sum(value) as quantity, count(*) as readings from tenant.meter_readings
        -- By the key, with room for every zone on earth; the check meter_readings_day says that it is enough.
        where meter_id = m.id and ends_at >= ${first} - interval '2 days' and ends_at < ${first} + interval '1 month 4 days'
          and billing_day >= ${first} and billing_day < ${first} + interval '1 month'
        group by billing_day, zone) r
      where ${meterId === undefined ? sql`true` : sql`m.id = ${meterId}`}
    ), priced as (
      select m.id as meter_id, m.serial_number, own.currency, d.billing_day, d.zone, d.quantity, d.readings, z.price,
        case when m.tariff_id is null then 'no_tariff'
          when own.utility <> m.utility or own.unit <> m.unit then 'tariff_mismatch'
          when v.tariff_id is null then 'tariff_not_valid'
          when d.zone is null then 'no_zone'
          when z.price is null then 'unknown_zone' end as problem
      from daily d join tenant.meters m on m.id = d.meter_id
        left join reference.tariffs own on own.id = m.tariff_id
        left join versions v on v.meter_id = d.meter_id and v.valid_from <= d.billing_day
          and (v.valid_to is null or v.valid_to > d.billing_day)
        left join reference.tariff_zones z on z.tariff_id = v.tariff_id and z.zone = d.zone
    ), troubled as (
      -- The first problem of each meter.
      select distinct on (meter_id) meter_id, serial_number, problem, zone,
        sum(readings)::int as readings, min(billing_day) as first_day
      from priced where problem is not null
      group by meter_id, serial_number, problem, zone order by meter_id, min(billing_day), problem, zone
    ), items as materialized (
      select meter_id, currency, zone, price as unit_price, trim_scale(sum(quantity)) as quantity,
        trim_scale(sum(quantity) * price) as amount
      from priced p where not exists (select from troubled t where t.meter_id = p.meter_id)
      group by meter_id, currency, zone, price
    ), bills as materialized (
      select meter_id, currency, sum(amount) as subtotal, round(sum(amount), 2) as total
      from items group by meter_id, currency
    )`;
}

/** Writes what differs: `made` and `revised` are the invoices that were new or changed. */
function written(first: Fragment): Fragment {
  return sql`made as (
      insert into tenant.invoices (number, meter_id, renter_id, month, currency, subtotal, total)
      select (select coalesce(max(number), 0) from tenant.invoices) + row_number() over (order by m.serial_key),
        b.meter_id, (
          select r.id from tenant.renters r
          where r.property_id = m.property_id
            and coalesce(r.lease_starts_on, '-infinity') < ${first} + interval '1 month'
            and coalesce(r.lease_ends_on, 'infinity') >= ${first} + interval '1 month' - interval '1 day'
          order by r.lease_starts_on desc nulls last, r.id limit 1),
        ${first}, b.currency, b.subtotal, b.total
      from bills b join tenant.meters m on m.id = b.meter_id
      where not exists (select from tenant.invoices i where i.meter_id = b.meter_id and i.month = ${first})
      returning id, meter_id
    ), old as (
      select i.id, i.meter_id, i.currency from tenant.invoices i join bills b on b.meter_id = i.meter_id
      where i.month = ${first}
    ), wanted as (
      select o.id as invoice_id, e.zone, e.unit_price, e.quantity, e.amount
      from (select id, meter_id from made union all select id, meter_id from old) o
        join items e on e.meter_id = o.meter_id
    ), removed as (
      delete from tenant.invoice_items x using old o
      where x.invoice_id = o.id and not exists (
        select from wanted w where w.invoice_id = x.invoice_id and w.zone = x.zone and w.unit_price = x.unit_price)
      returning x.invoice_id
    ), changed as (
      update tenant.invoice_items x set quantity = w.quantity, amount = w.amount from wanted w
      where w.invoice_id = x.invoice_id and w.zone = x.zone and w.unit_price = x.unit_price and w.quantity <> x.quantity
      returning x.invoice_id
    ), added as (
      insert into tenant.invoice_items (invoice_id, zone, unit_price, quantity, amount)
      select w.invoice_id, w.zone, w.unit_price, w.quantity, w.amount from wanted w where not exists (
        select from tenant.invoice_items x
        where x.invoice_id = w.invoice_id and x.zone = w.zone and x.unit_price = w.unit_price)
      returning invoice_id
    ), revised as (
      update tenant.invoices i set currency = b.currency, subtotal = b.subtotal, total = b.total, updated_at = now()
      from old o join bills b on b.meter_id = o.meter_id
      where i.id = o.id and (o.currency <> b.currency or i.id in (
        select invoice_id from removed union select invoice_id from changed union select invoice_id from added))
      returning i.id
    )`;
}

function sentence({ problem, zone, readings, first_day }: Omit<Problem, "meter_id" | "serial_number">): string {
  switch (problem) {
    case "no_tariff":
      return "The meter has no tariff";
    case "tariff_mismatch":
      return "The meter's tariff is for another utility or unit";
    case "tariff_not_valid":
      return `The meter's tariff is not valid on ${first_day}`;
    case "no_zone":
      return `Readings without a zone: ${readings}, the first on ${first_day}`;
    case "unknown_zone":
      return `The tariff has no price for the zone "${zone}"; readings in it: ${readings}, the first on ${first_day}`;
  }
}
