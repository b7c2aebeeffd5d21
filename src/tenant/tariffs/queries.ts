// Statements on the placement's copy of the platform's tariffs. Nothing of a tenant is in it.
import { sql, type Tx } from "../../db/sql.ts";
import { page } from "../../http/paging.ts";
import { all, equals } from "../statements.ts";
import type { Tariff, TariffQuery } from "./model.ts";

/** No policy guards what all tenants share: that the caller is let in has to be asked. */
const entered = sql`(select app.tenant_id()) is not null`;

/** One page of tariffs with provider and prices, and one row more if there are any. */
export function listTariffs(tx: Tx, query: TariffQuery) {
  const { where, orderBy, limit } = page(query, {
    columns: { name: sql`t.name`, valid_from: sql`t.valid_from` },
    id: sql`t.id`,
  });
  const day = query.valid_on;
  const valid = day === undefined
    ? sql`true`
    : sql`t.valid_from <= ${day} and (t.valid_to is null or t.valid_to > ${day})`;
  return tx<Tariff>`
    select t.id, t.name, t.utility, t.currency, t.unit, t.valid_from, t.valid_to,
      json_build_object('id', p.id, 'name', p.name, 'country', p.country) as provider,
      coalesce((select json_agg(json_build_object('zone', z.zone, 'price', trim_scale(z.price)::text) order by z.zone)
        from reference.tariff_zones z where z.tariff_id = t.id), '[]') as zones
    from reference.tariffs t join reference.providers p on p.id = t.provider_id
    where ${all([equals(sql`t.utility`, query.utility), valid, where, entered])} order by ${orderBy} limit ${limit}`;
}
