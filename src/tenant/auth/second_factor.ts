// The second step of signing in: a code of an authenticator app, a recovery code, or a passkey. Between the two steps the
// platform keeps, sealed, who showed the password; what fails counts like wrong passwords do.
import { Buffer } from "node:buffer";
import { AppError } from "../../errors.ts";
import { type Call, route } from "../../http/route.ts";
import type { AuthenticationResponse } from "../../identity/passkey_messages.ts";
import type { TenantRecord } from "../../tenancy/directory.ts";
import { checkCode, checkRecoveryCode, type UseUp } from "../../tenancy/accounts/authenticators.ts";
import { maySessionGoOn } from "../../tenancy/accounts/credentials.ts";
import { endSessionLeft } from "../../tenancy/accounts/end_sessions.ts";
import { accountFactors, type Factor } from "../../tenancy/accounts/factor_store.ts";
import { refuseLocked, settle } from "../../tenancy/accounts/lockout.ts";
import { beginState, finishState, STATE_SECONDS, tryState } from "../../tenancy/accounts/sign_in_states.ts";
import { fail, keysOf } from "./attempts.ts";
import { secondFactorRequest, type SignedIn, signedIn } from "./model.ts";
import { passkeysOf, stored } from "./relying_party.ts";
import { deliver, signIn, type SigningIn } from "./sessions.ts";

/** Who showed a password, and which factors the account has. */
export interface HalfWay {
  tenant: TenantRecord;
  who: SigningIn & { account: NonNullable<SigningIn["account"]> };
  digest: Uint8Array;
  factors: ("totp" | "passkey")[];
  /** Of a switch: the session that is left for this one. */
  left?: LeftSession;
}

/** A session that ends when the one in another tenant begins. */
interface LeftSession {
  tenantId: string;
  memberId: string;
  sessionId: string;
  /** Whether it was in cookies; then the next one is, too. */
  byCookie: boolean;
}

/** What is remembered between the two steps. */
interface Remembered {
  who: HalfWay["who"];
  /** In hexadecimal. */
  digest: string;
  challenge: string | null;
  left: LeftSession | null;
}

/** Asks for the second factor. */
export async function askForFactor(call: Call, halfWay: HalfWay): Promise<SignedIn> {
  const { tenant, who, digest, factors, left = null } = halfWay;
  const { id: accountId } = who.account;
  const start = factors.includes("passkey") ? await passkeyStart(call, tenant, accountId) : null;
  const challenge = start?.challenge ?? null;
  const data: Remembered = { who, digest: Buffer.from(digest).toString("hex"), challenge, left };
  const state = { kind: "mfa" as const, tenantId: tenant.id, accountId, data: { ...data } };
  const { token, keep } = await beginState(call.services, state);
  await call.asPlatform(keep);
  return {
    state: "second_factor",
    mfa_required: true,
    mfa_token: token,
    expires_in: STATE_SECONDS,
    factors: [...factors, "recovery_code"],
    passkey_options: start && { ...start.options },
  };
}

async function passkeyStart(call: Call, tenant: TenantRecord, accountId: string) {
  const known = await call.asPlatform((tx) => accountFactors.list(tx, accountId));
  const passkeys = known.filter(({ kind }) => kind === "passkey").map(stored);
  return await passkeysOf(call, tenant).authenticationOptions(passkeys);
}

/** One of them is given. */
export interface GivenFactor {
  code?: string;
  recovery_code?: string;
  passkey?: AuthenticationResponse;
}

/** Checks a factor. Gives what uses it up, which says whether it was still unused; null when it is wrong. */
export async function checkFactor(
  call: Call,
  accountId: string,
  given: GivenFactor,
  challenge: string | null,
): Promise<UseUp | null> {
  const { code, recovery_code: typed } = given;
  if (typed !== undefined) return checkRecoveryCode(call.services, accountFactors, { ownerId: accountId, typed });
  const factors = await call.asPlatform((tx) => accountFactors.list(tx, accountId));
  if (code !== undefined) return await checkCode(call.services, accountFactors, { factors, code });
  const found = await checkPasskey(call, factors, given.passkey!, challenge);
  return found && ((tx) => accountFactors.use(tx, found.id, found.counter));
}

async function checkPasskey(
  call: Call,
  factors: Factor[],
  response: AuthenticationResponse,
  challenge: string | null,
) {
  const factor = factors.find(({ credential_id }) => credential_id === response.id);
  if (!factor || challenge === null) return null;
  const expected = { challenge, passkey: stored(factor), userVerification: "preferred" as const };
  const proof = await passkeysOf(call, call.tenant).verifyAuthentication(response, expected).catch((error) => {
    if (error instanceof AppError && error.code === "unauthorized") return null;
    throw error;
  });
  return proof && { id: factor.id, counter: proof.counter };
}

const secondFactor = route({
  operation: "auth.secondFactor",
  limit: "strict",
  method: "post",
  path: "/v1/auth/mfa",
  summary: "Finish signing in with a second factor",
  description: "A code works once. After five wrong ones, or five minutes, begin with the password again.",
  tag: "Signing in",
  errors: ["invalid_credentials", "invalid_token", "too_many_attempts"],
  body: secondFactorRequest,
  answer: signedIn,
  handler: async (call) => {
    const { mfa_token: token, session, ...given } = call.body;
    const asked = { token, kind: "mfa" as const, tenantId: call.tenant.id };
    const state = await tryState(call.services, (work) => call.asPlatform(work), asked);
    const { who, digest, challenge, left } = state.data as unknown as Remembered;
    const keys = keysOf(call, new Uint8Array(Buffer.from(digest, "hex")));
    const refusal = new AppError("invalid_credentials", "The code is wrong or was used before");
    const { id: accountId } = who.account;
    const use = await checkFactor(call, accountId, given, challenge);
    const used = use !== null && await call.asPlatform(async (tx) => {
      refuseLocked(await settle(tx, keys, { accountId, done: true }));
      const begun = { ...who.account, accountId, tenantId: call.tenant.id, mfa: true };
      if (!await maySessionGoOn(tx, begun)) throw new AppError("invalid_token", "Begin to sign in again");
      if (!await use(tx) || !await finishState(tx, state.hash)) throw refusal;
      return true;
    }).catch((error) => {
      if (error === refusal) return false;
      throw error;
    });
    if (!used) return await fail(call, keys, refusal);
    const tokens = await signIn(call, call.tenant, { ...who, mfa: true });
    if (left && tokens.state === "signed_in") await call.asPlatform((tx) => endSessionLeft(call.services, tx, left));
    return deliver(call, tokens, left?.byCookie ? "cookie" : session);
  },
});

/** For anyone who names a tenant. */
export const openRoutes = [secondFactor];
