// API keys as the database has them: a tenant's in its placement, an operator's on the platform. Found by hash only.
// A key says when it was last used, to the minute: noted by the statement that looks it up, and at most once a minute after.
import { sql, type Tx } from "../db/sql.ts";
import type { Permissions } from "../identity/permissions.ts";
import type { KeyPrincipal, OperatorPrincipal } from "../identity/principal.ts";

const NEVER = new Date(8.64e15);

interface KeyRow {
  id: string;
  tenant_id: string;
  permissions: Permissions;
  access_version: number;
  requests_per_minute: number | null;
  expires_at: Date | null;
}

/** The caller with this key of the entered tenant, while the key is live. */
export function readKey(tx: Tx, by: { id: string } | { hash: Uint8Array }) {
  const which = "id" in by ? sql`id = ${by.id}` : sql`key_hash = ${by.hash}`;
  return tx<KeyRow>`select id, tenant_id, permissions, access_version, requests_per_minute, expires_at
    from tenant.api_keys
    where ${which} and revoked_at is null and (expires_at is null or expires_at > now())`.map(([row]) =>
    row && toKey(row)
  );
}

function toKey(row: KeyRow): KeyPrincipal {
  return {
    kind: "key",
    keyId: row.id,
    tenantId: row.tenant_id,
    permissions: row.permissions,
    accessVersion: row.access_version,
    requestsPerMinute: row.requests_per_minute,
    expiresAt: row.expires_at ? new Date(row.expires_at) : NEVER,
  };
}

interface OperatorKeyRow {
  id: string;
  operator_id: string;
  email: string;
  role: string;
  access_version: number;
  expires_at: Date | null;
}

/** The operator behind this key, in the key's role, while both are live and the operator may still act in that role. */
export function readOperatorKey(tx: Tx, by: { id: string } | { hash: Uint8Array }) {
  const which = "id" in by ? sql`k.id = ${by.id}` : sql`k.key_hash = ${by.hash}`;
  return tx<OperatorKeyRow>`select k.id, o.id as operator_id, o.email, k.role, o.access_version, k.expires_at
    from platform.operator_keys k join platform.operators o on o.id = k.operator_id
    where ${which} and k.revoked_at is null and (k.expires_at is null or k.expires_at > now())
      and o.status = 'active' and (o.role = 'superadmin' or o.role = k.role)`.map(([row]) => row && toOperator(row));
}

function toOperator(row: OperatorKeyRow): OperatorPrincipal {
  return {
    kind: "operator",
    operatorId: row.operator_id,
    keyId: row.id,
    email: row.email,
    role: row.role,
    accessVersion: row.access_version,
    expiresAt: row.expires_at ? new Date(row.expires_at) : NEVER,
  };
}

/** Notes that a tenant's key is in use. */
export function touchKey(tx: Tx, id: string) {
  return tx`update tenant.api_keys set last_used_at = now() where id = ${id} and revoked_at is null`;
}

/** Notes that an operator's key is in use. */
export function touchOperatorKey(tx: Tx, id: string) {
  return tx`update platform.operator_keys set last_used_at = now() where id = ${id} and revoked_at is null`;
}
