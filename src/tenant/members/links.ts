// The single-use link by which a new member sets a password. The platform keeps its hash; an earlier link stops working.
import type { Call } from "../../http/route.ts";
import { newSecretToken } from "../../identity/secret_tokens.ts";
import { emailDigest, keepAccountToken } from "../../tenancy/accounts.ts";
import type { Member } from "./model.ts";

/** How long the link in the mail works. */
const LINK_HOURS = 72;

/** Mails a fresh link to a member who has not signed in yet. */
export async function sendSetupLink(call: Call, { id, email, first_name }: Member): Promise<void> {
  const { publicUrl, mail, servers } = call.services;
  const { token, hash } = newSecretToken("bhs");
  const expiresAt = new Date(Date.now() + LINK_HOURS * 3_600_000);
  const link = {
    purpose: "setup" as const,
    digest: emailDigest(servers, email),
    tenantId: call.tenant.id,
    memberId: id,
  };
  await call.asPlatform((tx) => keepAccountToken(tx, { ...link, hash, expiresAt }));
  await mail.send({
    to: email,
    subject: `Your account at ${call.tenant.name}`,
    text: `${first_name}, an account was made for you at ${call.tenant.name}.\n\n` +
      `Set your password within ${LINK_HOURS} hours:\n${publicUrl}/t/${call.tenant.slug}/setup-password#token=${token}\n`,
  });
}
