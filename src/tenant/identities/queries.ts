// Statements on tenant.identities for listing and unlinking them. What is unlinked makes the member's access version grow, so
// that sessions and bearer tokens that came by it stop at their next statement, in every process.
import type { Tx } from "../../db/sql.ts";

/** A row of tenant.identities with its provider's name. */
export interface LinkedIdentity {
  provider_id: string;
  provider_name: string;
  subject: string;
  created_at: string;
  last_login_at: string | null;
}

/** The identities of a member, the oldest first. */
export function listIdentities(tx: Tx, memberId: string) {
  return tx<LinkedIdentity>`select i.provider_id, p.name as provider_name, i.subject, i.created_at, i.last_login_at
    from tenant.identities i join tenant.identity_providers p on p.tenant_id = i.tenant_id and p.id = i.provider_id
    where i.member_id = ${memberId} order by i.created_at, i.provider_id, i.subject limit 200`;
}

/**
 * Unlinks an identity of a member and ends the member's external sessions, which do not say by which identity they came.
 * False, and nothing is changed, where it is the only way in: no account, and no other identity at a provider that is used.
 * Call it after `lockAccess`, or two at once unlink both.
 */
export function unlinkIdentity(
  tx: Tx,
  memberId: string,
  { provider_id, subject, evenTheOnlyWay }: { provider_id: string; subject: string; evenTheOnlyWay: boolean },
) {
  return tx`with unlinked as (
      delete from tenant.identities i using tenant.members m
      where i.provider_id = ${provider_id} and i.subject = ${subject} and i.member_id = ${memberId}
        and m.tenant_id = i.tenant_id and m.id = i.member_id
        and (${evenTheOnlyWay} or m.account_id is not null or exists (select from tenant.identities o
          join tenant.identity_providers p on p.tenant_id = o.tenant_id and p.id = o.provider_id
          where o.member_id = i.member_id and (o.provider_id, o.subject) <> (i.provider_id, i.subject) and p.enabled))
      returning i.member_id
    ), ended as (
      update tenant.sessions set revoked_at = now(), revoked_reason = 'revoked'
      where kind = 'external' and revoked_at is null and member_id in (select member_id from unlinked)
    )
    update tenant.members set access_version = access_version + 1 where id in (select member_id from unlinked) returning id`
    .map((rows) => rows.length > 0);
}
