// Accounts: the platform's side of signing in. One account may be a member of several tenants; it is known by a keyed digest
// of its address. What must not happen here: believing anything that a placement says — its owner may write there at will.
import { createHmac } from "node:crypto";
import { newId } from "../db/ids.ts";
import { sql, type Tx } from "../db/sql.ts";
import { AppError } from "../errors.ts";
import type { Servers } from "./servers.ts";

/** The digest by which an account is known: HMAC-SHA-256 of the address in lower case (32 bytes). */
export function emailDigest(servers: Servers, email: string): Uint8Array {
  return new Uint8Array(
    createHmac("sha256", servers.accountKey).update(`email:${email.trim().toLowerCase()}`).digest(),
  );
}

/**
 * `sessions_after` from now on: the next whole second, since sessions know theirs in seconds. Whoever shows the password that
 * is in force after this counts from there, see `now` of the credentials; so nothing that began before gets past it.
 */
export const sessionsEnd = sql`greatest(accounts.sessions_after, date_trunc('second', now())) + interval '1 second'`;

/** A link that was mailed. */
export interface AccountToken {
  purpose: "setup" | "reset" | "invitation";
  digest: Uint8Array;
  tenantId: string;
  memberId?: string;
  invitationId?: string;
  hash: Uint8Array;
  expiresAt: Date;
}

/**
 * Keeps a link; earlier ones of the same purpose for the same member or invitation stop working. One at a time: of two at
 * once neither would see the other.
 */
export async function keepAccountToken(tx: Tx, token: AccountToken): Promise<void> {
  const { purpose, digest, tenantId, memberId = null, invitationId = null, hash, expiresAt } = token;
  await tx`select from platform.tenants where id = ${tenantId} for no key update`;
  await tx`with old as (
      update platform.account_tokens set used_at = now() where used_at is null and purpose = ${purpose}
        and tenant_id = ${tenantId} and (member_id = ${memberId} or invitation_id = ${invitationId})
    ), ancient as (
      delete from platform.account_tokens where expires_at < now() - interval '30 days'
    )
    insert into platform.account_tokens (token_hash, purpose, email_digest, tenant_id, member_id, invitation_id, expires_at)
    values (${hash}, ${purpose}, ${digest}, ${tenantId}, ${memberId}, ${invitationId}, ${expiresAt})`;
}

/** What a usable link says, and the account of its address if there is one. */
export interface FoundToken {
  purpose: string;
  email_digest: Uint8Array;
  member_id: string | null;
  invitation_id: string | null;
  account_id: string | null;
  account_status: string | null;
  password_hash: string | null;
}

/** The link with this hash in this tenant, while it can be used. */
export function findAccountToken(tx: Tx, hash: Uint8Array, tenantId: string) {
  return tx<
    FoundToken
  >`select t.purpose, t.email_digest, t.member_id, t.invitation_id, a.id as account_id, a.status as account_status, a.password_hash
    from platform.account_tokens t left join platform.accounts a on a.email_digest = t.email_digest
    where t.token_hash = ${hash} and t.tenant_id = ${tenantId} and t.used_at is null and t.expires_at > now()`
    .map((rows) => rows[0]);
}

/**
 * Uses a link up and makes its address's account a member; the password is set unless it is null. Gives the account's id.
 * Other links that would make the address a member of this tenant end with it: one of before must not undo this.
 * @throws AppError `invalid_token` when another request was first.
 */
export async function redeemAccountToken(
  tx: Tx,
  hash: Uint8Array,
  { tenantId, memberId, passwordHash }: { tenantId: string; memberId: string; passwordHash: string | null },
): Promise<string> {
  const [account] = await tx<{ id: string }>`with used as (
      update platform.account_tokens set used_at = now()
      where token_hash = ${hash} and tenant_id = ${tenantId} and used_at is null and expires_at > now()
      returning email_digest
    ), others as (
      update platform.account_tokens t set used_at = now() from used
      where t.email_digest = used.email_digest and t.tenant_id = ${tenantId} and t.purpose in ('setup', 'invitation')
        and t.used_at is null and t.token_hash <> ${hash}
    )
    insert into platform.accounts (id, email_digest, password_hash, password_changed_at)
    select ${newId()}, email_digest, ${passwordHash}, now() from used
    on conflict (email_digest) do update set password_hash = coalesce(${passwordHash}, accounts.password_hash),
      password_changed_at = case when ${passwordHash}::text is null then accounts.password_changed_at else now() end,
      must_change_password = case when ${passwordHash}::text is null then accounts.must_change_password else false end,
      sessions_after = case when ${passwordHash}::text is null then accounts.sessions_after else ${sessionsEnd} end
    returning id`;
  if (!account) throw new AppError("invalid_token", "Ask for a new link");
  await tx`insert into platform.memberships (account_id, tenant_id, member_id)
    values (${account.id}, ${tenantId}, ${memberId})
    on conflict (account_id, tenant_id) do update set member_id = excluded.member_id`;
  return account.id;
}

/**
 * Sets an account's password; sessions that began before cannot be refreshed and lead to no other tenant any more.
 * Gives the Unix second from which on they count; undefined when `verified`, the hash of the password that was shown, is not
 * in force any more.
 */
export function setAccountPassword(tx: Tx, accountId: string, passwordHash: string, verified: string | null = null) {
  return tx<{ now: number }>`update platform.accounts set password_hash = ${passwordHash}, must_change_password = false,
    password_changed_at = now(), sessions_after = ${sessionsEnd}
    where id = ${accountId} and (${verified}::text is null or password_hash = ${verified})
    returning extract(epoch from sessions_after)::float8 as now`.map((rows) => rows[0]?.now);
}

/** Uses a reset link and all others of its account up; gives the account's id, or undefined when another was first. */
export function redeemReset(tx: Tx, hash: Uint8Array, tenantId: string) {
  return tx<{ id: string }>`with used as (
      update platform.account_tokens set used_at = now()
      where token_hash = ${hash} and tenant_id = ${tenantId} and purpose = 'reset' and used_at is null and expires_at > now()
      returning email_digest
    ), others as (
      update platform.account_tokens t set used_at = now() from used
      where t.email_digest = used.email_digest and t.purpose = 'reset' and t.used_at is null and t.token_hash <> ${hash}
    )
    select a.id from platform.accounts a join used on used.email_digest = a.email_digest where a.status = 'active'`.map(
    (
      rows,
    ) => rows[0]?.id,
  );
}

/** How many reset links were mailed to an address within the last hour, whatever the tenant. */
export function countResets(tx: Tx, digest: Uint8Array) {
  return tx<{ mailed: number }>`select count(*)::int as mailed from platform.account_tokens
    where email_digest = ${digest} and purpose = 'reset' and created_at > now() - interval '1 hour'`.map((rows) =>
    rows[0].mailed
  );
}

/** A tenant that an account is a member of. */
export interface Membership {
  tenant_id: string;
  member_id: string;
  slug: string;
  name: string;
  status: string;
}

/** Where an account is a member: live tenants only, by name. None when the account is disabled or the session too old. */
export function listMemberships(tx: Tx, accountId: string, authenticatedAt: number) {
  return tx<Membership>`select t.id as tenant_id, m.member_id, t.slug, t.name, t.status
    from platform.accounts a join platform.memberships m on m.account_id = a.id
    join platform.tenants t on t.id = m.tenant_id
    where a.id = ${accountId} and a.status = 'active' and not a.must_change_password
      and a.sessions_after <= to_timestamp(${authenticatedAt}) and t.status not in ('provisioning', 'deleted', 'erased')
    order by t.name, t.id`;
}

/** Ends the links that were mailed to a member: the person was shut out of the tenant. */
export function endMemberLinks(tx: Tx, tenantId: string, memberId: string) {
  return tx`update platform.account_tokens set used_at = now()
    where tenant_id = ${tenantId} and member_id = ${memberId} and used_at is null`;
}

/** Forgets that an account is a member, and ends its links: the person was removed from the tenant. */
export async function endMembership(tx: Tx, tenantId: string, memberId: string): Promise<void> {
  await endMemberLinks(tx, tenantId, memberId);
  await tx`delete from platform.memberships where tenant_id = ${tenantId} and member_id = ${memberId}`;
}
