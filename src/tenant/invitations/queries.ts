// Statements on tenant.invitations. Whether one has expired is asked of the database's clock, never of a process's.
import { sql, type Tx } from "../../db/sql.ts";
import { AppError } from "../../errors.ts";
import { page } from "../../http/paging.ts";
import { all, one, startsWith } from "../statements.ts";
import type { Acceptance, Invitation, InvitationQuery, NewInvitation } from "./model.ts";

/** How long the link in the mail works. */
const LIFE = "7 days";
/** How often one invitation is mailed: nobody's mailbox is filled through us. */
const MAX_SENDS = 10;

const columns = sql`id, email, role, unit_ids, locale, message, invited_by, sends, sent_at, expires_at, accepted_at,
  member_id, created_at, updated_at,
  case when status = 'pending' and expires_at <= now() then 'expired' else status end as status`;

/** One page of invitations, and one row more if there are any. */
export function listInvitations(tx: Tx, query: InvitationQuery) {
  const { where, orderBy, limit } = page(query, { columns: { created_at: sql`created_at` }, id: sql`id` });
  const { status } = query;
  const wanted = status === undefined
    ? sql`true`
    : status === "expired"
    ? sql`status = 'pending' and expires_at <= now()`
    : sql`status = ${status} and (status <> 'pending' or expires_at > now())`;
  const conditions = all([wanted, startsWith(sql`email_key`, query.search), where]);
  return tx<
    Invitation
  >`select ${columns} from tenant.invitations where ${conditions} order by ${orderBy} limit ${limit}`;
}

/** One invitation; throws `not_found`. */
export function getInvitation(tx: Tx, id: string) {
  return tx<Invitation>`select ${columns} from tenant.invitations where id = ${id}`.map(one);
}

/**
 * Makes an invitation whose mail is about to be sent.
 * @throws AppError `already_exists` for a member's address and for one with an open invitation, `reference_not_found`
 * for a unit that is not there.
 */
export async function insertInvitation(
  tx: Tx,
  { email, unit_ids: unitIds, locale, message }: NewInvitation & { locale: string },
  { role, invitedBy }: { role: string; invitedBy: string | null },
): Promise<string> {
  const [found] = await tx<{ member: boolean; invited: boolean; units: boolean }>`select
      exists (select from tenant.members where email_key = lower(${email}) and deleted_at is null) as member,
      exists (select from tenant.invitations
        where email_key = lower(${email}) and status = 'pending' and expires_at > now()) as invited,
      (select count(*) from tenant.units where id = any(${unitIds}::uuid[])) = cardinality(${unitIds}::uuid[]) as units`;
  if (found.member) throw new AppError("already_exists", "A member has this address already");
  if (found.invited) throw new AppError("already_exists", "This address is invited already: send the mail again");
  if (!found.units) throw new AppError("reference_not_found", "One of the units does not exist");
  await tx`update tenant.invitations set status = 'revoked', updated_at = now()
    where email_key = lower(${email}) and status = 'pending' and expires_at <= now()`;
  const [made] = await tx<{ id: string }>`insert into tenant.invitations
      (email, role, unit_ids, locale, message, invited_by, expires_at)
    values (${email}, ${role}, ${unitIds}, ${locale}, ${message ?? null}, ${invitedBy}, now() + ${LIFE}::interval)
    returning id`;
  await tx`update tenant.invitations set sends = 1 where id = ${made.id}`;
  return made.id;
}

/** Counts another mail and begins the time anew; throws `not_found`, and `invalid_state` for one that is not open. */
export async function countSend(tx: Tx, id: string): Promise<Invitation> {
  const { status, sends } = await getInvitation(tx, id);
  if (status !== "pending" && status !== "expired") throw new AppError("invalid_state", `The invitation is ${status}`);
  if (sends >= MAX_SENDS) throw new AppError("invalid_state", `It was sent ${sends} times: revoke it and invite again`);
  const [sent] = await tx<Invitation>`update tenant.invitations set sends = sends + 1,
      expires_at = now() + ${LIFE}::interval, updated_at = now()
    where id = ${id} and status = 'pending' and sends < ${MAX_SENDS} returning ${columns}`;
  if (!sent) throw new AppError("invalid_state", "The invitation was changed meanwhile");
  return sent;
}

/** Notes that the mail server has the mail. */
export function noteSent(tx: Tx, id: string) {
  return tx`update tenant.invitations set sent_at = now() where id = ${id}`;
}

/** Revokes an open invitation; throws `not_found`, and `invalid_state` for an accepted one. */
export async function revokeInvitation(tx: Tx, id: string): Promise<Invitation> {
  const [revoked] = await tx<Invitation>`update tenant.invitations set status = 'revoked', updated_at = now()
    where id = ${id} and status = 'pending' returning ${columns}`;
  if (revoked) return revoked;
  const { status } = await getInvitation(tx, id);
  if (status === "accepted") throw new AppError("invalid_state", "The invitation is accepted: remove the member");
  return await getInvitation(tx, id);
}

/** An invitation with what its mail says of who invites. */
export function invitationToMail(tx: Tx, id: string) {
  return tx<Invitation & { inviter: string | null }>`select ${columns},
      (select first_name || ' ' || last_name from tenant.members m where m.id = invitations.invited_by) as inviter
    from tenant.invitations where id = ${id}`.map(one);
}

/** An invitation as the person with its link meets it. */
export interface OpenedInvitation {
  id: string;
  email: string;
  role: string;
  role_name: string | null;
  locale: string;
  expires_at: string;
  /** Open, or accepted by this very link, which was then not finished. */
  usable: boolean;
  /** The member that came of it, of an accepted one. */
  member_id: string | null;
  /** That member's account. */
  account_id: string | null;
}

const opened = sql`i.id, i.email, i.role, r.name as role_name, i.locale, i.expires_at, i.member_id, m.account_id,
  (i.status = 'pending' and i.expires_at > now()) or (i.status = 'accepted' and m.deleted_at is null) as usable`;
const withMember = sql`tenant.invitations i left join tenant.members m on m.id = i.member_id
  left join tenant.roles r on r.key = i.role`;

/** The invitation of a link; undefined when it is not there. */
export function openInvitation(tx: Tx, id: string) {
  return tx<OpenedInvitation>`select ${opened} from ${withMember} where i.id = ${id}`.map((rows) => rows[0]);
}

/** The same, locked: of two who accept at once the second sees what the first has done. */
export function lockInvitation(tx: Tx, id: string) {
  return tx<OpenedInvitation>`select ${opened} from ${withMember} where i.id = ${id} for update of i`.map((rows) =>
    rows[0]
  );
}

/** Makes the active member that an invitation is for; throws `already_exists` when the address has one by now. */
export async function joinByInvitation(
  tx: Tx,
  { id, email, role, locale }: OpenedInvitation,
  { first_name, last_name, accountId }: Pick<Acceptance, "first_name" | "last_name"> & { accountId: string },
): Promise<string> {
  const [member] = await tx<
    { id: string }
  >`insert into tenant.members (first_name, last_name, email, role, status, account_id, locale)
    values (${first_name}, ${last_name}, ${email}, ${role}, 'active', ${accountId}, ${locale})
    returning id`;
  await tx`with entered as (
      insert into tenant.member_units (member_id, unit_id)
      select ${member.id}, u.id from tenant.units u
        join tenant.invitations i on u.id = any(i.unit_ids) where i.id = ${id}
    )
    update tenant.invitations set status = 'accepted', accepted_at = now(), member_id = ${member.id}, updated_at = now()
    where id = ${id}`;
  return member.id;
}
