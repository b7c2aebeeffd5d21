// Statements on tenant.sessions for listing and ending them. Whatever ends a session makes the member's access version grow,
// so that its access tokens stop at their next statement, in every process.
import type { Tx } from "../../db/sql.ts";
import type { Session } from "./model.ts";

/** The live sessions of a member, the youngest first. */
export function listSessions(tx: Tx, memberId: string, current: string | null) {
  return tx<Session>`select id, kind, mfa, address, agent, created_at, refreshed_at, expires_at,
      coalesce(id = ${current}::uuid, false) as current
    from tenant.sessions where member_id = ${memberId} and revoked_at is null and expires_at > now()
    order by created_at desc, id desc limit 200`;
}

/** Whether there is such a member. */
export function hasMember(tx: Tx, memberId: string) {
  return tx`select from tenant.members where id = ${memberId} and deleted_at is null`.map((rows) => rows.length > 0);
}

/** Ends one live session of a member; false when it has no such one. */
export function revokeSession(tx: Tx, memberId: string, sessionId: string) {
  return tx`with ended as (
      update tenant.sessions set revoked_at = now(), revoked_reason = 'revoked'
      where id = ${sessionId} and member_id = ${memberId} and revoked_at is null and expires_at > now() returning member_id
    )
    update tenant.members set access_version = access_version + 1 where id in (select member_id from ended) returning id`
    .map((rows) => rows.length > 0);
}
