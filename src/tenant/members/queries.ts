// Statements on tenant.members and their units. Removed members (deleted_at) are not shown. What changes what a member may
// do makes access_version grow in the same statement: tokens that are out are then read anew at their next statement.
import { json, sql, type Tx } from "../../db/sql.ts";
import { AppError } from "../../errors.ts";
import { page } from "../../http/paging.ts";
import type { Permissions } from "../../identity/permissions.ts";
import { all, changes, equals, one, startsWith } from "../statements.ts";
import type { Member, MemberChange, MemberQuery, NewMember } from "./model.ts";

/** How often a member is mailed a link: nobody's mailbox is filled through us. */
const MAX_LINKS = 10;

const columns =
  sql`id, first_name, last_name, email, role, status, locale, metadata, last_login_at, created_at, updated_at,
  (select coalesce(json_agg(u.unit_id order by u.unit_id), '[]') from tenant.member_units u
    where u.member_id = members.id) as unit_ids`;

/** One page of members, and one row more if there are any; of one unit if it is named. */
export function listMembers(tx: Tx, query: MemberQuery, unitId?: string) {
  const { where, orderBy, limit } = page(query, {
    columns: { last_name: sql`last_name`, created_at: sql`created_at` },
    id: sql`id`,
  });
  const wanted = all([
    sql`deleted_at is null`,
    sql`(${startsWith(sql`email_key`, query.search)} or ${startsWith(sql`lower(first_name) collate "C"`, query.search)}
      or ${startsWith(sql`lower(last_name) collate "C"`, query.search)})`,
    equals(sql`role`, query.role),
    equals(sql`status`, query.status),
    unitId === undefined ? sql`true` : sql`id in (select member_id from tenant.member_units where unit_id = ${unitId})`,
    where,
  ]);
  return tx<Member>`select ${columns} from tenant.members where ${wanted} order by ${orderBy} limit ${limit}`;
}

/** One member; throws `not_found`. */
export function getMember(tx: Tx, id: string) {
  return tx<Member>`select ${columns} from tenant.members where id = ${id} and deleted_at is null`.map(one);
}

/** How many members there are: what a plan limits. */
export function countMembers(tx: Tx) {
  return tx<{ n: number }>`select count(*)::int as n from tenant.members where deleted_at is null`.map((rows) =>
    one(rows).n
  );
}

/** Makes a member who has no password yet, and to whom a link is about to be mailed; gives the id. */
export function createMember(tx: Tx, { first_name, last_name, email, locale, metadata }: NewMember, role: string) {
  return tx<
    { id: string }
  >`insert into tenant.members (first_name, last_name, email, role, locale, metadata, links_sent)
    values (${first_name}, ${last_name}, ${email}, ${role}, ${locale}, ${json(metadata)}, 1) returning id`.map((rows) =>
    one(rows).id
  );
}

/** A member who has set no password yet and is not shut out, as its mail needs it; undefined for everybody else. */
export function findWaiting(tx: Tx, id: string) {
  return tx<Pick<Member, "email" | "first_name" | "locale">>`select email, first_name, locale from tenant.members m
    where id = ${id} and deleted_at is null and status = 'pending' and account_id is null
      and not exists (select from tenant.identities i where i.member_id = m.id)`.map((rows) => rows[0]);
}

/** A member as far as it must be known to change what the member may do. */
export interface Standing {
  role: string;
  status: string;
  /** Of a role of the tenant's own. */
  effective: Permissions | null;
  /** Whether there is somebody behind it who can sign in. */
  joined: boolean;
  /** Active administrators beside this member. */
  other_admins: number;
}

/** How a member stands; throws `not_found`. Ask after `lockAccess`, or it may have changed when it is used. */
export function findStanding(tx: Tx, id: string) {
  return tx<Standing>`select m.role, m.status, r.effective,
      m.account_id is not null or exists (select from tenant.identities i where i.member_id = m.id) as joined,
      (select count(*)::int from tenant.members a
        where a.role = 'admin' and a.status = 'active' and a.deleted_at is null and a.id <> m.id) as other_admins
    from tenant.members m left join tenant.roles r on r.key = m.custom_role
    where m.id = ${id} and m.deleted_at is null`.map(one);
}

/**
 * Counts another link to set the password.
 * @throws AppError `not_found`, and `invalid_state` for who needs none, is shut out, or was sent enough of them.
 */
export async function countLink(tx: Tx, id: string): Promise<void> {
  const { joined, status } = await findStanding(tx, id);
  if (joined || status !== "pending") {
    throw new AppError("invalid_state", "Links are for members who have set no password yet and are not shut out");
  }
  const { count } = await tx`update tenant.members set links_sent = links_sent + 1
    where id = ${id} and links_sent < ${MAX_LINKS}`;
  if (count > 0) return;
  throw new AppError(
    "invalid_state",
    `The link was mailed ${MAX_LINKS} times: remove the member and add the person anew`,
  );
}

const writable = {
  first_name: sql`first_name`,
  last_name: sql`last_name`,
  role: sql`role`,
  status: sql`status`,
  locale: sql`locale`,
  metadata: sql`metadata`,
};

/** Changes the named fields. */
export function updateMember(tx: Tx, id: string, { metadata, status, ...body }: MemberChange & { status?: string }) {
  const set = changes({ ...body, status, ...(metadata && { metadata: json(metadata) }) }, writable);
  const bump = body.role !== undefined || status !== undefined ? 1 : 0;
  return tx`update tenant.members set access_version = access_version + ${bump}, ${set} where id = ${id}`;
}

/** Removes a member: the row stays, what was done stays attributable. */
export function removeMember(tx: Tx, id: string) {
  return tx`update tenant.members set deleted_at = now(), status = 'archived', access_version = access_version + 1,
    updated_at = now() where id = ${id}`;
}

/** Puts a member into these units and no others; throws `reference_not_found` for a unit that is not there. */
export function setUnits(tx: Tx, id: string, unitIds: string[]) {
  return tx`with left_ones as (
      delete from tenant.member_units where member_id = ${id} and unit_id <> all(${unitIds}::uuid[])
    ), entered as (
      insert into tenant.member_units (member_id, unit_id)
      select ${id}, u.id from unnest(${unitIds}::uuid[]) u (id) on conflict do nothing
    )
    update tenant.members set access_version = access_version + 1 where id = ${id}`;
}
