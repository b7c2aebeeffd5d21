// Statements of signing in on the tenant's side: members and sessions. Passwords and links are the platform's, see
// ../../tenancy/accounts.ts. Refresh tokens are stored as hashes only. Whatever ends a session makes the member's access
// version grow, so that the access tokens of that session stop at their next statement.
import { sql, type Tx } from "../../db/sql.ts";
import type { RoleRow } from "../../identity/permissions.ts";

/** How long a session lives without being refreshed. */
export const SESSION_SECONDS = 30 * 24 * 3_600;
const SESSION = `${SESSION_SECONDS} seconds`;
/** How long a refresh token that was used may come again: its answer was lost, or two windows used it at once. */
const REPEATED = "30 seconds";

/** What a member may do, as the database has it now. */
export interface MemberAccess extends RoleRow {
  id: string;
  access_version: number;
}

const access = sql`m.id, m.role, m.access_version, r.effective, r.units_only`;
const withRole = sql`tenant.members m left join tenant.roles r on r.tenant_id = m.tenant_id and r.key = m.custom_role`;

/** A session to open. */
export interface NewSession {
  id: string;
  memberId: string;
  hash: Uint8Array;
  kind: "password" | "passkey" | "switch" | "external";
  mfa: boolean;
  address: string | null;
  agent: string | null;
}

/**
 * Opens a session for an active member and notes the sign-in, in one statement. No row: there is no such active member.
 * `opened` is false when it is not wanted yet, or the tenant wants a second factor and none was shown.
 */
export function openSession(tx: Tx, session: NewSession, wanted: boolean) {
  const { id, memberId, hash, kind, mfa, address, agent } = session;
  return tx<MemberAccess & { opened: boolean }>`with found as (
      select ${access},
        ${wanted} and (${mfa} or not coalesce((select mfa_required from tenant.access_settings), false)) as opened
      from ${withRole} where m.id = ${memberId} and m.status = 'active' and m.deleted_at is null
    ), seen as (
      update tenant.members set last_login_at = now() where id = (select id from found where opened)
    ), made as (
      insert into tenant.sessions (id, member_id, refresh_hash, expires_at, kind, mfa, address, agent)
      select ${id}, id, ${hash}, now() + ${SESSION}::interval, ${kind}, ${mfa}, ${address}, ${agent} from found where opened
    )
    select * from found`.map((rows) => rows[0]);
}

/** A refresh token that was shown, and the one that comes after it, by their hashes. */
export interface Rotation {
  sessionId: string;
  given: Uint8Array;
  next: Uint8Array;
  /** Whose account the token proves; null for none. */
  accountId: string | null;
}

/**
 * That the session `s` of the member `m` is live, and the member may still act. Without an account's proof only sessions of a
 * tenant's own issuer go on: who takes the proof off a token gets nowhere.
 */
function goesOn({ sessionId, accountId }: Rotation) {
  return sql`s.id = ${sessionId} and s.revoked_at is null and s.expires_at > now()
    and m.tenant_id = s.tenant_id and m.id = s.member_id and m.status = 'active' and m.deleted_at is null
    and case when s.kind = 'external' then ${accountId}::uuid is null else m.account_id = ${accountId} end
    and (s.mfa or not coalesce((select mfa_required from tenant.access_settings), false))`;
}

/**
 * Replaces the refresh token of a live session whose member may still act; no row when it is not the current one, or the
 * tenant wants a second factor by now and none was shown.
 */
export function rotateSession(tx: Tx, rotation: Rotation) {
  const { given, next } = rotation;
  return tx<MemberAccess>`with rotated as (
      update tenant.sessions s
      set previous_hash = s.refresh_hash, refresh_hash = ${next}, refreshed_at = now(), expires_at = now() + ${SESSION}::interval
      from tenant.members m
      where s.refresh_hash = ${given} and ${goesOn(rotation)}
      returning s.member_id
    )
    select ${access} from ${withRole} where m.id = (select member_id from rotated)`.map((rows) => rows[0]);
}

/** Whose session it is when its token was used a moment ago, and its successor has not been; no row otherwise. */
export function repeatRotation(tx: Tx, rotation: Rotation) {
  const { given, next } = rotation;
  return tx<MemberAccess>`with repeated as (
      select s.member_id from tenant.sessions s, tenant.members m
      where s.previous_hash = ${given} and s.refresh_hash = ${next} and s.refreshed_at > now() - ${REPEATED}::interval
        and ${goesOn(rotation)}
    )
    select ${access} from ${withRole} where m.id = (select member_id from repeated)`.map((rows) => rows[0]);
}

/**
 * Ends a live session of which an earlier refresh token came again: somebody copied it. Not where it is the last one and was
 * used just now. Call it only for a token that was made here for this session, see `isRefreshToken`.
 */
export function endStolenSession(tx: Tx, sessionId: string, given: Uint8Array) {
  return tx`with ended as (
      update tenant.sessions set revoked_at = now(), revoked_reason = 'reuse'
      where id = ${sessionId} and revoked_at is null and expires_at > now() and refresh_hash <> ${given}
        and (previous_hash is distinct from ${given} or refreshed_at <= now() - ${REPEATED}::interval)
      returning member_id
    )
    update tenant.members set access_version = access_version + 1 where id in (select member_id from ended) returning id`;
}

/** Ends one session; if a refresh token's hash is `given`, only if that is its current or last one. */
export function endSession(tx: Tx, sessionId: string, reason: string, given: Uint8Array | null = null) {
  return tx`with ended as (
      update tenant.sessions set revoked_at = now(), revoked_reason = ${reason}
      where id = ${sessionId} and revoked_at is null and (${given}::bytea is null or ${given} in (refresh_hash, previous_hash))
      returning member_id
    )
    update tenant.members set access_version = access_version + 1 where id in (select member_id from ended) returning id`;
}

/** Who may be let in by a link: nobody who was removed or shut out since it was mailed. */
const mayJoin = sql`deleted_at is null and status in ('pending', 'active')`;

/** The member whom a mailed link may still let in; no row when there is none any more. */
export function findJoining(tx: Tx, memberId: string) {
  return tx<{ id: string; email: string }>`select id, email from tenant.members where id = ${memberId} and ${mayJoin}`
    .map((rows) => rows[0]);
}

/** A member that was invited or added becomes active as the account; no row when there is none who waits. */
export function joinAccount(tx: Tx, memberId: string, accountId: string) {
  return tx<{ id: string }>`update tenant.members set account_id = ${accountId}, access_version = access_version + 1,
      status = case when status = 'pending' then 'active' else status end, updated_at = now()
    where id = ${memberId} and ${mayJoin} returning id`.map((rows) => rows[0]);
}

/** The member of this session, as `auth.me` shows it. */
export function showMember(tx: Tx, memberId: string) {
  return tx<{ id: string; first_name: string; last_name: string; email: string }>`
    select id, first_name, last_name, email from tenant.members where id = ${memberId}`.map((rows) => rows[0]);
}
