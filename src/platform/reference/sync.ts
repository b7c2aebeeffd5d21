// Brings a placement's copy of the reference data up to date: changed rows are written, removed ones deleted, in one
// transaction and whole tables at a time. Runs as the owner role; tenants can only read the copy.
import type { Sql } from "../../db/direct.ts";
import type { ReferenceData, SyncReport } from "./model.ts";

/** Syncs must not overtake each other: the older one would write back what the newer one changed. */
const SYNC_LOCK = 0x72656673;

/** Writes `data` to the placement that `sql` is connected to. */
export async function syncReference(sql: Sql, owner: string, data: ReferenceData): Promise<SyncReport> {
  const report = await sql.begin(async (transaction) => {
    const tx = transaction as unknown as Sql;
    await tx`select pg_advisory_xact_lock(${SYNC_LOCK}), set_config('role', ${owner}, true)`;
    const written = await writeChanged(tx, data);
    return { written, ...await removeGone(transaction, data) };
  });
  return report as SyncReport;
}

async function writeChanged(tx: Sql, data: ReferenceData): Promise<number> {
  const providers = await tx`insert into reference.providers as r (id, name, country, updated_at)
    select id, name, country, updated_at from jsonb_to_recordset(${data.providers}::text::jsonb)
      as x(id uuid, name text, country char(2), updated_at timestamptz)
    on conflict (id) do update set name = excluded.name, country = excluded.country, updated_at = excluded.updated_at
      where r is distinct from excluded`;
  const tariffs = await tx`insert into reference.tariffs as r
      (id, provider_id, name, utility, currency, unit, valid_from, valid_to, updated_at)
    select id, provider_id, name, utility, currency, unit, valid_from, valid_to, updated_at
      from jsonb_to_recordset(${data.tariffs}::text::jsonb) as x(id uuid, provider_id uuid, name text, utility text,
        currency char(3), unit text, valid_from date, valid_to date, updated_at timestamptz)
    on conflict (id) do update set provider_id = excluded.provider_id, name = excluded.name, utility = excluded.utility,
      currency = excluded.currency, unit = excluded.unit, valid_from = excluded.valid_from,
      valid_to = excluded.valid_to, updated_at = excluded.updated_at
      where r is distinct from excluded`;
  const zones = await tx`insert into reference.tariff_zones as r (tariff_id, zone, price, updated_at)
    select tariff_id, zone, price, updated_at from jsonb_to_recordset(${data.zones}::text::jsonb)
      as x(tariff_id uuid, zone text, price numeric, updated_at timestamptz)
    on conflict (tariff_id, zone) do update set price = excluded.price, updated_at = excluded.updated_at
      where r is distinct from excluded`;
  return providers.count + tariffs.count + zones.count;
}

type Transaction = Parameters<Parameters<Sql["begin"]>[1]>[0];

/** Tenants' rows may still refer to a tariff that is published no more: it is kept then, with its prices. */
async function removeGone(tx: Transaction, data: ReferenceData): Promise<Omit<SyncReport, "written">> {
  const zones = await tx`with published as (
      select tariff_id, zone from jsonb_to_recordset(${data.zones}::text::jsonb) as x(tariff_id uuid, zone text))
    delete from reference.tariff_zones r
    where not exists (select from published p where p.tariff_id = r.tariff_id and p.zone = r.zone)
      and r.tariff_id in (select id from jsonb_to_recordset(${data.tariffs}::text::jsonb) as x(id uuid))`;
  const goneTariffs = await tx<{ id: string }[]>`select id from reference.tariffs
    where id not in (select id from jsonb_to_recordset(${data.tariffs}::text::jsonb) as x(id uuid))`;
  const goneProviders = await tx<{ id: string }[]>`select id from reference.providers
    where id not in (select id from jsonb_to_recordset(${data.providers}::text::jsonb) as x(id uuid))`;
  let removed = zones.count;
  for (const { id } of goneTariffs) {
    if (await unlessUsed(tx, (point) => point`delete from reference.tariffs where id = ${id}`)) removed++;
  }
  for (const { id } of goneProviders) {
    if (await unlessUsed(tx, (point) => point`delete from reference.providers where id = ${id}`)) removed++;
  }
  return { removed, kept: goneTariffs.length + goneProviders.length - (removed - zones.count) };
}

async function unlessUsed(tx: Transaction, remove: (point: Transaction) => PromiseLike<unknown>): Promise<boolean> {
  try {
    await tx.savepoint(async (point) => void await remove(point));
    return true;
  } catch (error) {
    if ((error as { code?: string }).code === "23503") return false;
    throw error;
  }
}
