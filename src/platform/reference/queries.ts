// Reference data on the platform's side: reading all that is published, and putting a provider in.
import type { Query, Rows, Tx } from "../../db/sql.ts";
import type { ProviderData, ReferenceData } from "./model.ts";

/** All that is published. */
export function readReference(tx: Tx): Query<ReferenceData> {
  return tx<ReferenceData>`select
      (select coalesce(jsonb_agg(to_jsonb(p)), '[]')::text from platform.providers p) as providers,
      (select coalesce(jsonb_agg(to_jsonb(t)), '[]')::text from platform.tariffs t) as tariffs,
      (select coalesce(jsonb_agg(to_jsonb(z)), '[]')::text from platform.tariff_zones z) as zones`
    .map((rows) => rows[0]);
}

/** Puts a provider with its tariffs in, or brings it up to date; does not touch what is the same. */
export async function putProvider(tx: Tx, provider: ProviderData): Promise<void> {
  await tx`insert into platform.providers as p (id, name, country)
    values (${provider.id}, ${provider.name}, ${provider.country})
    on conflict (id) do update set name = excluded.name, country = excluded.country
      where (p.name, p.country) is distinct from (excluded.name, excluded.country)`;
  for (const tariff of provider.tariffs) await putTariff(tx, provider.id, tariff);
}

async function putTariff(tx: Tx, providerId: string, tariff: ProviderData["tariffs"][number]): Promise<void> {
  const { id, name, utility, currency, unit, validFrom, validTo } = tariff;
  await tx`insert into platform.tariffs as t (id, provider_id, name, utility, currency, unit, valid_from, valid_to)
    values (${id}, ${providerId}, ${name}, ${utility}, ${currency}, ${unit}, ${validFrom}, ${validTo})
    on conflict (id) do update set name = excluded.name, utility = excluded.utility, currency = excluded.currency,
      unit = excluded.unit, valid_from = excluded.valid_from, valid_to = excluded.valid_to
      where (t.name, t.utility, t.currency, t.unit, t.valid_from, t.valid_to) is distinct from
        (excluded.name, excluded.utility, excluded.currency, excluded.unit, excluded.valid_from, excluded.valid_to)`;
  for (const [zone, price] of Object.entries(tariff.zones)) await putZone(tx, id, zone, price);
}

function putZone(tx: Tx, tariffId: string, zone: string, price: string): Query<Rows<unknown>> {
  return tx`insert into platform.tariff_zones as z (tariff_id, zone, price) values (${tariffId}, ${zone}, ${price})
    on conflict (tariff_id, zone) do update set price = excluded.price where z.price <> excluded.price`;
}
