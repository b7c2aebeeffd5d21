// Origins are kept on the platform, which answers browsers before any placement is asked. Every statement here names the
// tenant that was entered: the platform's tables have no row-level security.
import { newId } from "../../db/ids.ts";
import { json, type Tx } from "../../db/sql.ts";

/** The origins that a tenant lists. */
export function listOrigins(tx: Tx, tenantId: string) {
  return tx<{ origin: string }>`select origin from platform.origins where tenant_id = ${tenantId} order by origin`;
}

/** Replaces a tenant's list and tells of it as an event. Two changes at once are done one after the other. */
export async function replaceOrigins(tx: Tx, tenantId: string, origins: string[]): Promise<void> {
  await tx`select from platform.tenants where id = ${tenantId} for no key update`;
  await tx`with gone as (delete from platform.origins where tenant_id = ${tenantId} and origin <> all (${origins}::text[])),
    told as (insert into platform.events (id, type, tenant_id, actor, data)
      values (${newId()}, 'tenant.origins_changed', ${tenantId}, current_setting('app.actor'), ${json({ origins })}))
    insert into platform.origins (origin, tenant_id) select distinct o, ${tenantId}::uuid from unnest(${origins}::text[]) o
    on conflict do nothing`;
}
