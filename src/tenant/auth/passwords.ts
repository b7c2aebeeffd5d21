// Passwords: the first one, a change, a reset by mail. A new password ends all other sessions of the account in every tenant.
// What must not happen here: an answer that tells whether an address has an account.
import { newId } from "../../db/ids.ts";
import type { Tx } from "../../db/sql.ts";
import { AppError } from "../../errors.ts";
import { type Call, route } from "../../http/route.ts";
import { acceptPassword } from "../../identity/passwords.ts";
import { hashSecretToken } from "../../identity/secret_tokens.ts";
import * as accounts from "../../tenancy/accounts.ts";
import { getCredentials } from "../../tenancy/accounts/credentials.ts";
import { factorNotShown } from "../../tenancy/accounts/enrolment.ts";
import { endMemberSessions, endSessionsEverywhere } from "../../tenancy/accounts/end_sessions.ts";
import { readLock, unlock } from "../../tenancy/accounts/lockout.ts";
import { keysOf, provePassword } from "./attempts.ts";
import { FORGOT_QUEUE, forgotScope, tellOfChange } from "./jobs.ts";
import { accepted, forgotten, passwordChange, resetRequest, setupRequest, signedIn } from "./model.ts";
import { findJoining, joinAccount, showMember } from "./queries.ts";
import { deliver, signIn } from "./sessions.ts";

const tag = "Signing in";
const unusable = () => new AppError("invalid_token", "Ask for a new link");

const setupPassword = route({
  operation: "auth.setupPassword",
  limit: "strict",
  method: "post",
  path: "/v1/auth/setup-password",
  summary: "Set the first password with the link from the mail",
  description:
    "Who has an account already, from another tenant, gives the password of that account. Links of members who were " +
    "removed or shut out since are refused.",
  tag,
  errors: ["invalid_credentials", "invalid_token", "too_many_attempts"],
  body: setupRequest,
  status: 204,
  answer: null,
  handler: async (call) => {
    const hash = hashSecretToken(call.body.token);
    const found = await call.asPlatform((tx) => accounts.findAccountToken(tx, hash, call.tenant.id));
    if (!found?.member_id || found.purpose !== "setup") throw unusable();
    const member = await call.asTenant((tx) => findJoining(tx, found.member_id!));
    if (!member) throw unusable();
    const passwordHash = await passwordFor(call, found, member.email);
    const { id: memberId } = member;
    const accountId = await call.asPlatform((tx) =>
      accounts.redeemAccountToken(tx, hash, { tenantId: call.tenant.id, memberId, passwordHash })
    );
    if (!await call.asTenant((tx) => joinAccount(tx, memberId, accountId))) throw unusable();
  },
});

/**
 * The hash of the first password of who holds a mailed link; null when the account has one already and it was given right.
 * @throws AppError `invalid_credentials`, `too_many_attempts`, or `unprocessable` for a password that is too easy.
 */
export async function passwordFor(
  call: Call<unknown, unknown, { password: string }>,
  found: accounts.FoundToken,
  email: string,
): Promise<string | null> {
  const { password } = call.body;
  const { account_id: id, password_hash: passwordHash } = found;
  if (id === null || passwordHash === null) {
    await acceptPassword(password, { email });
    return await call.services.passwords.hash(password);
  }
  const keys = keysOf(call, found.email_digest);
  const wait = await call.asPlatform((tx) => readLock(tx, keys));
  const refusal = new AppError(
    "invalid_credentials",
    "You have an account already: give its password, or reset it first",
  );
  const account = found.account_status === "active" ? { id } : null;
  await provePassword(call, { keys, wait, account, passwordHash, password, done: true, refusal });
  return null;
}

const changePassword = route({
  operation: "auth.changePassword",
  limit: "strict",
  method: "post",
  path: "/v1/auth/change-password",
  summary: "Change the password; all sessions end, and a new one begins here",
  tag,
  callers: ["member"],
  during: ["change_password"],
  body: passwordChange,
  answer: signedIn,
  handler: async (call) => {
    const { id: memberId, accountId, mfa } = call.member;
    const member = await call.asTenant((tx) => showMember(tx, memberId));
    if (!accountId) {
      throw new AppError("forbidden", "You signed in through your organisation: change the password there");
    }
    const { current_password: current, new_password: password, session } = call.body;
    const { account } = await call.asPlatform((tx) => getCredentials(tx, accountId, call.tenant.id));
    if (!member || !account) throw new AppError("unauthorized", "Sign in again");
    if (account.factors.length > 0 && !mfa) throw factorNotShown();
    const keys = keysOf(call, account.digest);
    const wait = await call.asPlatform((tx) => readLock(tx, keys));
    const refusal = new AppError("invalid_credentials", "The current password is wrong");
    const { passwordHash, active } = account;
    const proof = { keys, wait, passwordHash, password: current, done: true, refusal };
    await provePassword(call, { ...proof, account: active ? account : null });
    await acceptPassword(password, { email: member.email, field: "new_password", current });
    const hash = await call.services.passwords.hash(password);
    const tell = await tellOfChange(call, member, account.digest);
    const authenticatedAt = await storePassword(call, accountId, { hash, verified: passwordHash, tell });
    if (authenticatedAt === undefined) throw refusal;
    await call.asTenant((tx) => endMemberSessions(tx, memberId, { reason: "password" }));
    const who = { id: accountId, authenticatedAt, mustChangePassword: false };
    return deliver(call, await signIn(call, call.tenant, { memberId, account: who, kind: "password", mfa }), session);
  },
});

/**
 * Sets the password and sends the jobs that end the sessions in other tenants and tell the person. Gives the Unix second of
 * the change; undefined when the password that was verified is not in force any more: of several changes at once one counts.
 */
async function storePassword(
  call: Call,
  accountId: string,
  { hash, verified, tell }: { hash: string; verified: string | null; tell: (tx: Tx) => Promise<void> },
): Promise<number | undefined> {
  return await call.asPlatform(async (tx) => {
    const now = await accounts.setAccountPassword(tx, accountId, hash, verified);
    if (now === undefined) return undefined;
    await endSessionsEverywhere(call.services, tx, { accountId, reason: "password", except: call.tenant.id });
    await tell(tx);
    return now;
  });
}

const forgotPassword = route({
  operation: "auth.forgotPassword",
  limit: "strict",
  method: "post",
  path: "/v1/auth/forgot-password",
  summary: "Ask for a link to set a new password",
  description:
    "The answer is the same for every address. A mail comes only to members of the tenant, at most five an hour.",
  tag,
  body: forgotten,
  status: 202,
  answer: accepted,
  handler: async (call) => {
    // Who it is and whether there is anything to mail is found out in the queue: here every address costs the same.
    const id = newId();
    const email = await call.services.secrets.seal(call.body.email, forgotScope(id));
    await call.services.queue.send(FORGOT_QUEUE.name, { email }, { id, tenantId: call.tenant.id });
    return { accepted: true as const };
  },
});

const resetPassword = route({
  operation: "auth.resetPassword",
  limit: "strict",
  method: "post",
  path: "/v1/auth/reset-password",
  summary: "Set a new password with the link from the mail; all sessions in all tenants end",
  tag,
  errors: ["invalid_token"],
  body: resetRequest,
  status: 204,
  answer: null,
  handler: async (call) => {
    const { token, password } = call.body;
    const hash = hashSecretToken(token);
    const found = await call.asPlatform((tx) => accounts.findAccountToken(tx, hash, call.tenant.id));
    if (!found?.member_id || !found.account_id || found.purpose !== "reset") throw unusable();
    const member = await call.asTenant((tx) => showMember(tx, found.member_id!));
    if (!member) throw unusable();
    await acceptPassword(password, { email: member.email });
    const passwordHash = await call.services.passwords.hash(password);
    const tell = await tellOfChange(call, member, found.email_digest);
    await call.asPlatform(async (tx) => {
      const accountId = await accounts.redeemReset(tx, hash, call.tenant.id);
      if (!accountId) throw unusable();
      await accounts.setAccountPassword(tx, accountId, passwordHash);
      await unlock(tx, keysOf(call, found.email_digest));
      await endSessionsEverywhere(call.services, tx, { accountId, reason: "password", except: call.tenant.id });
      await tell(tx);
    });
    await call.asTenant((tx) => endMemberSessions(tx, found.member_id!, { reason: "password" }));
  },
});

/** For anyone who names a tenant. */
export const openRoutes = [setupPassword, forgotPassword, resetPassword];

/** For members. */
export const routes = [changePassword];
