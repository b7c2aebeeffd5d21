// The platform's side of an operator's visit in a tenant: the one-time token is used up here, and the end is noted.
import type { Tx } from "../db/sql.ts";

/** A visit that may begin. */
export interface BegunVisit {
  id: string;
  operator_id: string;
  operator_email: string;
  reason: string;
  read_only: boolean;
  expires_at: Date;
}

/** Uses a token up; no row when it is unknown, used, too old, for another tenant, or its operator may not act any more. */
export function beginVisit(tx: Tx, hash: Uint8Array, tenantId: string) {
  return tx<BegunVisit>`update platform.impersonations i set used_at = now()
    from platform.operators o
    where i.token_hash = ${hash} and i.tenant_id = ${tenantId} and i.used_at is null and i.token_expires_at > now()
      and i.ended_at is null and o.id = i.operator_id and o.status = 'active'
      and (o.role = 'superadmin' or (o.role = 'support' and i.read_only))
    returning i.id, i.operator_id, o.email as operator_email, i.reason, i.read_only, i.expires_at`.map((rows) =>
    rows[0]
  );
}

/** Notes that a visit has ended. */
export function endVisit(tx: Tx, id: string) {
  return tx`update platform.impersonations set ended_at = coalesce(ended_at, now()) where id = ${id}`;
}
