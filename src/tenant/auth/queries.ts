// Statements of signing in: members, sessions and single-use links. Tokens are stored as hashes only.
import type { Tx } from "../../db/sql.ts";
import type { SigningMember } from "./model.ts";

/** How long a session lives without being refreshed. */
const SESSION = "30 days";

/** The member with this address, if any; the address is compared without regard to case. */
export function findSigningMember(tx: Tx, email: string) {
  return tx<SigningMember>`select id, email, role, status, password_hash, must_change_password
    from tenant.members where email_key = lower(${email}) and deleted_at is null`;
}

/** The member of a session, while the session lives and the member may act. */
export function findSignedIn(tx: Tx, memberId: string, sessionId: string) {
  return tx<SigningMember & { first_name: string; last_name: string }>`
    select m.id, m.first_name, m.last_name, m.email, m.role, m.status, m.password_hash, m.must_change_password
    from tenant.members m join tenant.sessions s on s.tenant_id = m.tenant_id and s.member_id = m.id
    where m.id = ${memberId} and m.status = 'active' and m.deleted_at is null
      and s.id = ${sessionId} and s.revoked_at is null and s.expires_at > now()`;
}

/** Opens a session and notes the sign-in, in one statement. */
export function openSession(tx: Tx, sessionId: string, memberId: string, hash: Uint8Array) {
  return tx`with seen as (update tenant.members set last_login_at = now() where id = ${memberId})
    insert into tenant.sessions (id, member_id, refresh_hash, expires_at)
    values (${sessionId}, ${memberId}, ${hash}, now() + ${SESSION}::interval)`;
}

/** Replaces the refresh token of a live session whose member may still act; no row when it is not the current one. */
export function rotateSession(tx: Tx, sessionId: string, given: Uint8Array, next: Uint8Array) {
  return tx<SigningMember>`update tenant.sessions s
    set previous_hash = s.refresh_hash, refresh_hash = ${next}, refreshed_at = now(), expires_at = now() + ${SESSION}::interval
    from tenant.members m
    where s.id = ${sessionId} and s.refresh_hash = ${given} and s.revoked_at is null and s.expires_at > now()
      and m.tenant_id = s.tenant_id and m.id = s.member_id and m.status = 'active' and m.deleted_at is null
    returning m.id, m.email, m.role, m.status, m.password_hash, m.must_change_password`;
}

/** Ends a session whose earlier refresh token came again: somebody copied it. */
export function endStolenSession(tx: Tx, sessionId: string, given: Uint8Array) {
  return tx`update tenant.sessions set revoked_at = now(), revoked_reason = 'reuse'
    where id = ${sessionId} and previous_hash = ${given} and revoked_at is null returning id`;
}

/** Ends one session. */
export function endSession(tx: Tx, sessionId: string, reason: string) {
  return tx`update tenant.sessions set revoked_at = now(), revoked_reason = ${reason}
    where id = ${sessionId} and revoked_at is null`;
}

/** Keeps the link by which a member sets a password; earlier ones stop working. */
export function keepSetupToken(tx: Tx, memberId: string, hash: Uint8Array, hours: number) {
  return tx`with old as (update tenant.setup_tokens set used_at = now() where member_id = ${memberId} and used_at is null)
    insert into tenant.setup_tokens (member_id, token_hash, expires_at)
    values (${memberId}, ${hash}, now() + make_interval(hours => ${hours}))`;
}

/** Whose link this is, while it can be used. */
export function findSetupToken(tx: Tx, hash: Uint8Array) {
  return tx<{ member_id: string; email: string }>`select t.member_id, m.email
    from tenant.setup_tokens t join tenant.members m on m.tenant_id = t.tenant_id and m.id = t.member_id
    where t.token_hash = ${hash} and t.used_at is null and t.expires_at > now() and m.deleted_at is null
      and m.status in ('pending', 'active')`;
}

/** Uses a link up; no row when another request was first. */
export function useSetupToken(tx: Tx, hash: Uint8Array) {
  return tx<{ member_id: string }>`update tenant.setup_tokens set used_at = now()
    where token_hash = ${hash} and used_at is null and expires_at > now() returning member_id`;
}

/** Sets a password, lets the member in, and ends all sessions but `keep`. */
export async function setPassword(tx: Tx, memberId: string, passwordHash: string, keep: string | null): Promise<void> {
  await tx`update tenant.members set password_hash = ${passwordHash}, must_change_password = false,
    status = case when status = 'pending' then 'active' else status end, updated_at = now() where id = ${memberId}`;
  await tx`update tenant.sessions set revoked_at = now(), revoked_reason = 'password'
    where member_id = ${memberId} and revoked_at is null and id is distinct from ${keep}::uuid`;
}
