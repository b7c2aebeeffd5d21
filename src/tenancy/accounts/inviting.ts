// What invitations need of the platform: the id of an account that is about to come to be, so that rows of a tenant can
// name it before it can sign in anywhere, and the end of links.
import { newId } from "../../db/ids.ts";
import type { Tx } from "../../db/sql.ts";

/** The id of the account with this digest; one without a password is made where there is none. */
export async function reserveAccount(tx: Tx, digest: Uint8Array): Promise<string> {
  await tx`insert into platform.accounts (id, email_digest) values (${newId()}, ${digest}) on conflict (email_digest) do nothing`;
  const [account] = await tx<{ id: string }>`select id from platform.accounts where email_digest = ${digest}`;
  return account.id;
}

/** Ends the links of an invitation. */
export function endInvitationLinks(tx: Tx, tenantId: string, invitationId: string) {
  return tx`update platform.account_tokens set used_at = now()
    where tenant_id = ${tenantId} and invitation_id = ${invitationId} and used_at is null`;
}
