// Accepting an invitation, over two databases and so that the same link can finish what broke off: the account's id first
// (platform), then the member (tenant), then link, password and membership at once (platform). Until the last step nobody
// can sign in as the new member. What must not happen here: believing the placement on whose address it is.
import { Buffer } from "node:buffer";
import { AppError } from "../../errors.ts";
import type { Call } from "../../http/route.ts";
import { hashSecretToken } from "../../identity/secret_tokens.ts";
import * as accounts from "../../tenancy/accounts.ts";
import { reserveAccount } from "../../tenancy/accounts/inviting.ts";
import { passwordFor } from "../auth/passwords.ts";
import { refuseOverPlan } from "../members/changing.ts";
import { lockAccess } from "../roles/granting.ts";
import type { Acceptance } from "./model.ts";
import { joinByInvitation, lockInvitation, type OpenedInvitation, openInvitation } from "./queries.ts";

const unusable = () => new AppError("invalid_token", "Ask for a new invitation");

/** A link that can be used, and what it is for. */
export interface Opened {
  hash: Uint8Array;
  link: accounts.FoundToken;
  invitation: OpenedInvitation;
}

/** Looks a link up. @throws AppError `invalid_token`, the same for unknown, used, expired, revoked and changed ones. */
export async function openLink(call: Call, token: string): Promise<Opened> {
  const hash = hashSecretToken(token);
  const link = await call.asPlatform((tx) => accounts.findAccountToken(tx, hash, call.tenant.id));
  if (!link?.invitation_id || link.purpose !== "invitation") throw unusable();
  const invitation = await call.asTenant((tx) => openInvitation(tx, link.invitation_id!));
  return { hash, link, invitation: usable(call, link, invitation) };
}

/** The address is the one that was mailed: who may write in the placement could have put another one there. */
function usable(call: Call, link: accounts.FoundToken, found: OpenedInvitation | undefined): OpenedInvitation {
  if (!found?.usable) throw unusable();
  const digest = emailDigest(call, found.email);
  if (!Buffer.from(digest).equals(Buffer.from(link.email_digest))) throw unusable();
  if (found.member_id && found.account_id !== link.account_id) throw unusable();
  return found;
}

function emailDigest(call: Call, email: string): Uint8Array {
  return accounts.emailDigest(call.services.servers, email);
}

/**
 * Makes the person of the link a member.
 * @throws AppError `invalid_token`, `invalid_credentials`, `too_many_attempts`, `plan_limit`, `already_exists`, or
 * `unprocessable` for a password that is too easy.
 */
export async function accept(call: Call<unknown, unknown, Acceptance>): Promise<void> {
  const { hash, link, invitation } = await openLink(call as Call, call.body.token);
  if (!invitation.member_id) await call.asTenant((tx) => refuseOverPlan(tx, call)); // before anything is made
  const passwordHash = await passwordFor(call as never, link, invitation.email);
  const accountId = link.account_id ?? await call.asPlatform((tx) => reserveAccount(tx, link.email_digest));
  const memberId = await call.asTenant(async (tx) => {
    await lockAccess(tx);
    const found = usable(call as Call, { ...link, account_id: accountId }, await lockInvitation(tx, invitation.id));
    if (found.member_id) return found.member_id;
    await refuseOverPlan(tx, call);
    return await joinByInvitation(tx, found, { ...call.body, accountId });
  });
  const joined = { tenantId: call.tenant.id, memberId, passwordHash };
  await call.asPlatform((tx) => accounts.redeemAccountToken(tx, hash, joined));
}
