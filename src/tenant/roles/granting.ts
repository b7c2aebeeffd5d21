// Who may hand on what: nobody gives more than they hold, and nobody takes from who holds more. Changes of access run one
// after another in a tenant, so that two of them cannot together do what neither may (the last administrator, a loop).
import { type Fragment, sql, type Tx } from "../../db/sql.ts";
import { AppError } from "../../errors.ts";
import type { Call } from "../../http/route.ts";
import { lockTenant } from "../../tenancy/tenant_lock.ts";
import { beyond, builtInRole, type Permissions } from "../../identity/permissions.ts";

/** The part of a call that says what its caller may do. */
export type Granter = Pick<Call, "permissions">;

/**
 * Waits until no other change of access runs in the tenant. First statement of such a change: if what was waited for took
 * the caller's rights away, the next statement is refused.
 */
export async function lockAccess(tx: Tx): Promise<void> {
  await lockTenant(tx, "access");
}

/** @throws AppError `forbidden` naming the first permission of `wanted` that the caller does not hold. */
export function refuseBeyond(call: Granter, wanted: Permissions, what = "You cannot give"): void {
  const [first] = beyond(wanted, call.permissions);
  if (first) throw new AppError("forbidden", `${what} the permission "${first}": you do not hold it`);
}

/** A role that may be given. */
export interface GivenRole {
  key: string;
  permissions: Permissions;
}

/** The role that is named, or else the tenant's default one. Throws `reference_not_found`. */
export async function findRole(tx: Tx, key: string | undefined): Promise<GivenRole> {
  const asked: Fragment = key === undefined
    ? sql`select coalesce((select default_role from tenant.access_settings), 'member') as key`
    : sql`select ${key}::text as key`;
  const [row] = await tx<{ key: string; effective: Permissions | null }>`
    select a.key, r.effective from (${asked}) a left join tenant.roles r on r.key = a.key`;
  const permissions = builtInRole(row.key)?.permissions ?? row.effective;
  if (!permissions) throw new AppError("reference_not_found", `There is no role "${row.key}"`);
  return { key: row.key, permissions };
}

/** The role that the caller gives to somebody: the named or the default one, and nothing in it that the caller lacks. */
export async function giveRole(tx: Tx, call: Granter, key: string | undefined): Promise<string> {
  const role = await findRole(tx, key);
  refuseBeyond(call, role.permissions);
  return role.key;
}
