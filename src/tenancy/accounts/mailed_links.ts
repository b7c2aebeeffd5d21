// Mailing a single-use link from a job that may be tried again. The token is made when the mail is, so it stands in no job; the
// platform keeps its hash, so that whoever owns a placement cannot read it there. What must not happen here: ending a link
// before the next one is on its way.
import type { Tx } from "../../db/sql.ts";
import { newSecretToken } from "../../identity/secret_tokens.ts";
import type { TenantJobCall } from "../jobs.ts";
import type { AccountToken } from "../accounts.ts";

/** Which link, and how its token begins. */
export interface NewLink {
  prefix: string;
  link: Omit<AccountToken, "hash">;
}

/** Mails a new link; when the mail server has it, the ones before stop working. Throws what `send` throws. */
export async function mailLink(
  { id, services }: Pick<TenantJobCall<unknown>, "id" | "services">,
  { prefix, link }: NewLink,
  send: (token: string) => Promise<void>,
): Promise<void> {
  const { token, hash } = newSecretToken(prefix);
  const context = { actor: "job:mail", operation: "jobs.run", requestId: id, readOnly: false };
  await services.doors.asPlatform(context, (tx) => addLink(tx, { ...link, hash }));
  await send(token);
  await services.doors.asPlatform(context, (tx) => endEarlierLinks(tx, hash));
}

function addLink(tx: Tx, { purpose, digest, tenantId, memberId, invitationId, hash, expiresAt }: AccountToken) {
  return tx`insert into platform.account_tokens
      (token_hash, purpose, email_digest, tenant_id, member_id, invitation_id, expires_at)
    values (${hash}, ${purpose}, ${digest}, ${tenantId}, ${memberId ?? null}, ${invitationId ?? null}, ${expiresAt})`;
}

/** Of two that are mailed at once the one that was made later stays, whichever comes here first. */
function endEarlierLinks(tx: Tx, hash: Uint8Array) {
  return tx`update platform.account_tokens t set used_at = now() from platform.account_tokens mailed
    where mailed.token_hash = ${hash} and t.purpose = mailed.purpose and t.tenant_id = mailed.tenant_id
      and (t.member_id = mailed.member_id or t.invitation_id = mailed.invitation_id) and t.used_at is null
      and (t.created_at, t.token_hash) < (mailed.created_at, mailed.token_hash)`;
}
