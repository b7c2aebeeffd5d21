// Passkeys: made by who is signed in, then a second factor behind the password, or both factors in one where the device checks
// the person (PIN, fingerprint). The challenge is kept by the platform, for five minutes and one answer.
import { Buffer } from "node:buffer";
import { newId } from "../../db/ids.ts";
import { AppError } from "../../errors.ts";
import { type Call, route } from "../../http/route.ts";
import type { AuthenticationResponse } from "../../identity/passkey_messages.ts";
import { getCredentials } from "../../tenancy/accounts/credentials.ts";
import { accountFactors } from "../../tenancy/accounts/factor_store.ts";
import { readLock, refuseLocked } from "../../tenancy/accounts/lockout.ts";
import { findPasskey, keepPasskey } from "../../tenancy/accounts/passkeys.ts";
import { beginState, finishState, type SignInState, tryState } from "../../tenancy/accounts/sign_in_states.ts";
import { keysOf } from "./attempts.ts";
import { enrol, FIRST_FACTOR } from "./factors.ts";
import * as factorModel from "./factors_model.ts";
import { passkeySignIn, signedIn } from "./model.ts";
import { showMember } from "./queries.ts";
import { accountOf, proveOnceMore } from "./reauthentication.ts";
import { passkeysOf, stored } from "./relying_party.ts";
import { deliver, signIn } from "./sessions.ts";

const enrolling = { tag: "Second factors", callers: ["member"], during: ["enrol_factor"] } as const;

const register = route({
  ...enrolling,
  operation: "auth.beginPasskey",
  limit: "strict",
  method: "post",
  path: "/v1/auth/factors/passkey",
  summary: "Begin to make a passkey",
  description: "Asks for the password again.",
  body: factorModel.passkeyRequest,
  answer: factorModel.passkeyStart,
  handler: async (call) => {
    const account = await accountOf(call);
    const member = await call.asTenant((tx) => showMember(tx, call.member.id));
    await proveOnceMore(call, account, call.body);
    const known = await call.asPlatform((tx) => accountFactors.list(tx, account.id));
    const start = await passkeysOf(call, call.tenant).registrationOptions({
      userHandle: new Uint8Array(Buffer.from(account.id.replaceAll("-", ""), "hex")),
      userName: member?.email ?? "account",
      existing: known.filter(({ kind }) => kind === "passkey").map(stored),
    });
    return await begin(call, account.id, { use: "register", challenge: start.challenge }, start.options);
  },
});

const confirm = route({
  ...enrolling,
  operation: "auth.confirmPasskey",
  limit: "strict",
  method: "post",
  path: "/v1/auth/factors/passkey/confirm",
  summary: "Finish making a passkey",
  description: FIRST_FACTOR,
  body: factorModel.passkeyConfirm,
  answer: factorModel.enrolled,
  handler: async (call) => {
    const { passkey_token, name, passkey, session } = call.body;
    const account = await accountOf(call);
    const { hash, accountId, data } = await find(call, passkey_token).catch(gone);
    if (data.use !== "register" || accountId !== account.id) throw gone();
    const made = await passkeysOf(call, call.tenant).verifyRegistration(passkey, data.challenge);
    const { id: credentialId, publicKey, counter, transports } = made;
    const key = { id: newId(), accountId: account.id, name, credentialId, publicKey, counter, transports };
    return await enrol(call, account.id, session, async (tx) => {
      if (!await finishState(tx, hash)) throw gone();
      return await keepPasskey(tx, key);
    });
  },
});

function gone(error?: unknown): never {
  if (error && !(error instanceof AppError && error.code === "invalid_token")) throw error;
  throw new AppError("not_found", "Begin to make the passkey again");
}

const options = route({
  operation: "auth.passkeyOptions",
  limit: "strict",
  method: "post",
  path: "/v1/auth/passkey/options",
  summary: "Begin to sign in with a passkey alone",
  tag: "Signing in",
  answer: factorModel.passkeyStart,
  handler: async (call) => {
    const start = await passkeysOf(call, call.tenant).authenticationOptions();
    return await begin(call, null, { use: "sign-in", challenge: start.challenge }, start.options);
  },
});

const byPasskey = route({
  operation: "auth.passkey",
  limit: "strict",
  method: "post",
  path: "/v1/auth/passkey",
  summary: "Sign in with a passkey alone",
  description: "The device must have checked the person; that counts as two factors.",
  tag: "Signing in",
  errors: ["invalid_credentials", "invalid_token"],
  body: passkeySignIn,
  answer: signedIn,
  handler: async (call) => {
    const { passkey_token, passkey, session } = call.body;
    const { hash, data } = await find(call, passkey_token);
    if (data.use !== "sign-in") throw new AppError("invalid_token", "Begin to sign in again");
    const { account, memberId, now, factorId, counter } = await ownerOf(call, passkey, data.challenge);
    await call.asPlatform(async (tx) => {
      if (!await finishState(tx, hash) || !await accountFactors.use(tx, factorId, counter)) throw refusal();
    });
    const { id, mustChangePassword } = account;
    const who = {
      memberId,
      account: { id, authenticatedAt: now, mustChangePassword },
      kind: "passkey" as const,
      mfa: true,
    };
    return deliver(call, await signIn(call, call.tenant, who), session);
  },
});

/** The account whose passkey answered, if it may sign in to this tenant. */
async function ownerOf(call: Call, answer: AuthenticationResponse, challenge: string) {
  const factor = await call.asPlatform((tx) => findPasskey(tx, answer.id));
  if (!factor) throw refusal();
  const expected = { challenge, passkey: stored(factor) };
  const proof = await passkeysOf(call, call.tenant).verifyAuthentication(answer, expected).catch((error) => {
    throw error instanceof AppError && error.code === "unauthorized" ? refusal() : error;
  });
  const { account, now } = await call.asPlatform((tx) => getCredentials(tx, factor.account_id, call.tenant.id));
  if (!account?.active || !account.memberId) throw refusal();
  refuseLocked(await call.asPlatform((tx) => readLock(tx, keysOf(call, account.digest))));
  return { account, memberId: account.memberId, now, factorId: factor.id, counter: proof.counter };
}

function refusal(): AppError {
  return new AppError("invalid_credentials", "The passkey was not accepted; check which tenant you sign in to");
}

interface Waiting {
  use: "register" | "sign-in";
  challenge: string;
}

async function begin(call: Call, accountId: string | null, data: Waiting, options: object) {
  const state: SignInState = { kind: "passkey", tenantId: call.tenant.id, accountId, data: { ...data } };
  const { token, keep } = await beginState(call.services, state);
  await call.asPlatform(keep);
  return { passkey_token: token, options: { ...options } };
}

async function find(call: Call, token: string) {
  const asked = { token, kind: "passkey" as const, tenantId: call.tenant.id };
  const state = await tryState(call.services, (work) => call.asPlatform(work), asked);
  return { ...state, data: state.data as unknown as Waiting };
}

/** For anyone who names a tenant. */
export const openRoutes = [options, byPasskey];

/** For members. */
export const routes = [register, confirm];
