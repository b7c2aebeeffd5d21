// What must run one at a time in a tenant: a lock that is a row of the tenant's own, so that nobody else can hold it.
import type { Tx } from "../db/sql.ts";

/** Waits until no other transaction of the tenant holds the lock of this name, and holds it until the commit. */
export function lockTenant(tx: Tx, name: string) {
  return tx`insert into tenant.locks (name) values (${name})
    on conflict (tenant_id, name) do update set name = excluded.name`;
}
