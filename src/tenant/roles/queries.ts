// Statements on tenant.roles. What changes for members by a change of roles makes their access version grow in the same
// transaction, so that it holds from their next statement on.
import { json, sql, type Tx } from "../../db/sql.ts";
import { AppError } from "../../errors.ts";
import { BUILT_IN_ROLES } from "../../identity/permissions.ts";
import { one } from "../statements.ts";
import type { OwnRole } from "./effective.ts";
import type { Role } from "./model.ts";

/** A role of the tenant's own, with what people are told of it. */
export interface StoredRole extends OwnRole {
  name: string;
  description: string | null;
}

const columns = sql`key, name, description, permissions, includes, effective, units_only`;

interface Listed {
  own: StoredRole[];
  members: Record<string, number>;
}

/** Every role, or the one that is named: built-in ones first, each with its number of members. */
export function listRoles(tx: Tx, key?: string) {
  const wanted = key === undefined ? sql`true` : sql`key = ${key}`;
  return tx<Listed>`select
      (select coalesce(json_agg(r order by r.key), '[]') from (select ${columns} from tenant.roles where ${wanted}) r) as own,
      (select coalesce(json_object_agg(role, n), '{}')
        from (select role, count(*) as n from tenant.members where deleted_at is null group by role) m) as members`
    .map((rows) => {
      const { own, members } = one(rows);
      const builtIn = Object.entries(BUILT_IN_ROLES).filter(([name]) => key === undefined || name === key);
      return [
        ...builtIn.map(([key, { name, description, permissions, unitsOnly }]) => ({
          key,
          name,
          description,
          built_in: true,
          permissions,
          includes: [],
          effective: permissions,
          units_only: unitsOnly,
          members: members[key] ?? 0,
        })),
        ...own.map((role) => ({ ...role, built_in: false, members: members[role.key] ?? 0 })),
      ] as Role[];
    });
}

/** One role; throws `not_found`. */
export function getRole(tx: Tx, key: string) {
  return listRoles(tx, key).map((found) => {
    if (found.length === 0) throw new AppError("not_found");
    return found[0];
  });
}

/** The tenant's own roles, locked: whoever gives one of them to somebody waits, and is then seen by `storeReckoned`. */
export function lockRoles(tx: Tx) {
  return tx<StoredRole>`select ${columns} from tenant.roles order by key for update`;
}

/** Writes a new role; throws `already_exists`. */
export function insertRole(
  tx: Tx,
  { key, name, description, permissions, includes, effective, units_only }: StoredRole,
) {
  return tx`insert into tenant.roles (key, name, description, permissions, includes, effective, units_only)
    values (${key}, ${name}, ${description}, ${json(permissions)}, ${includes}, ${json(effective)}, ${units_only})`;
}

/** Writes what a role says of itself. */
export function updateRole(tx: Tx, { key, name, description, permissions, includes, units_only }: StoredRole) {
  return tx`update tenant.roles set name = ${name}, description = ${description}, permissions = ${json(permissions)},
      includes = ${includes}, units_only = ${units_only}, updated_at = now()
    where key = ${key}`;
}

/** Writes what roles came to, and makes the access of everybody who has one of `touched` be read anew. */
export function storeReckoned(tx: Tx, changed: OwnRole[], touched: string[]) {
  return tx`with stored as (
      update tenant.roles r set effective = c.effective, updated_at = now()
      from jsonb_to_recordset(${json(changed.map(({ key, effective }) => ({ key, effective })))}::jsonb)
        as c (key text, effective jsonb)
      where r.key = c.key
    )
    update tenant.members set access_version = access_version + 1 where custom_role = any(${touched}::text[])`;
}

/** Removes a role that nobody has; throws `not_found`, and `still_referenced` while somebody or something names it. */
export async function deleteRole(tx: Tx, key: string): Promise<void> {
  const [uses] = await tx<
    { settings: boolean; providers: string | null; roles: string | null; members: number; invitation: string | null }
  >`select
      exists (select from tenant.access_settings where default_role = ${key}) as settings,
      (select min(name) from tenant.identity_providers where join_role = ${key}) as providers,
      (select min(key) from tenant.roles where ${key} = any(includes)) as roles,
      (select count(*)::int from tenant.members where custom_role = ${key}) as members,
      (select min(id::text) from tenant.invitations where custom_role = ${key}) as invitation`;
  const by = uses.members > 0
    ? `${uses.members === 1 ? "a member has" : `${uses.members} members have`} it`
    : uses.settings
    ? "it is the default role"
    : uses.roles !== null
    ? `the role "${uses.roles}" includes it`
    : uses.providers !== null
    ? `who joins by "${uses.providers}" gets it`
    : uses.invitation !== null
    ? `the invitation "${uses.invitation}" gives it, revoke it first`
    : null;
  if (by) throw new AppError("still_referenced", `The role "${key}" cannot be removed: ${by}`);
  await tx`delete from tenant.roles where key = ${key} returning key`.map(one);
}
