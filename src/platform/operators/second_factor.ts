// The second step of an operator's signing in: a code of an authenticator app, or a recovery code. Between the two steps the
// platform keeps, sealed, who showed the password and by which access; what fails counts like wrong passwords do.
import type { Tx } from "../../db/sql.ts";
import { AppError } from "../../errors.ts";
import { type Call, route } from "../../http/route.ts";
import { checkCode, checkRecoveryCode, type UseUp } from "../../tenancy/accounts/authenticators.ts";
import { operatorFactors } from "../../tenancy/accounts/factor_store.ts";
import { type LockKeys, refuseLocked, settle } from "../../tenancy/accounts/lockout.ts";
import { beginState, finishState, STATE_SECONDS, tryState } from "../../tenancy/accounts/sign_in_states.ts";
import { recordEvent } from "../events/queries.ts";
import { fail, keysOf } from "./attempts.ts";
import { secondFactorRequest } from "./factors_model.ts";
import { session } from "./model.ts";
import { noteLogin, type Seen } from "./queries.ts";
import { sessionFor } from "./sessions.ts";

/** Who showed a password: with another access than then, nobody gets in. */
type HalfWay = Seen & { email: string };

/** One of them is given. */
interface GivenFactor {
  code?: string;
  recovery_code?: string;
}

/** Asks for the second factor. The password alone forgets no failures. */
export async function askForFactor(call: Call, keys: LockKeys, who: HalfWay) {
  const state = { kind: "operator", tenantId: null, accountId: null, data: { ...who } } as const;
  const { token, keep } = await beginState(call.services, state);
  await call.asPlatform(async (tx) => {
    refuseLocked(await settle(tx, keys, { accountId: who.id, done: false }));
    await keep(tx);
  });
  return {
    state: "second_factor" as const,
    mfa_required: true as const,
    mfa_token: token,
    expires_in: STATE_SECONDS,
    factors: ["totp" as const, "recovery_code" as const],
    passkey_options: null,
  };
}

/** Checks a factor. Gives what uses it up, which says whether it was still unused; null when it is wrong. */
export async function checkFactor(call: Call, id: string, given: GivenFactor): Promise<UseUp | null> {
  const { code = "", recovery_code: typed } = given;
  if (typed !== undefined) return checkRecoveryCode(call.services, operatorFactors, { ownerId: id, typed });
  const factors = await call.asPlatform((tx) => operatorFactors.list(tx, id));
  return await checkCode(call.services, operatorFactors, { factors, code });
}

/** `operators.secondFactor`. */
export const secondFactor = route({
  operation: "operators.secondFactor",
  limit: "strict",
  method: "post",
  path: "/v1/operators/mfa",
  summary: "Finish logging in as an operator with a second factor",
  description: "A code works once. After five wrong ones, or five minutes, begin with the password again.",
  tag: "Operators",
  errors: ["invalid_credentials", "invalid_token", "too_many_attempts"],
  body: secondFactorRequest,
  answer: session,
  handler: async (call) => {
    const { mfa_token: token, ...given } = call.body;
    const asked = { token, kind: "operator" as const, tenantId: null };
    const state = await tryState(call.services, (work) => call.asPlatform(work), asked);
    const who = state.data as unknown as HalfWay;
    const keys = keysOf(call, who.email);
    const refusal = new AppError("invalid_credentials", "The code is wrong or was used before");
    const use = await checkFactor(call, who.id, given);
    const operator = use && await call.asPlatform(async (tx) => {
      refuseLocked(await settle(tx, keys, { accountId: who.id, done: true }));
      const found = await noteLogin(tx, who);
      if (!found) throw new AppError("invalid_token", "Begin to sign in again");
      if (!await use(tx) || !await finishState(tx, state.hash)) throw refusal;
      await tellOf(tx, who.id, given);
      return found;
    }).catch((error) => {
      if (error === refusal) return null;
      throw error;
    });
    if (!operator) return await fail(call, keys, refusal);
    return await sessionFor(call, operator);
  },
});

/** Says in the events who signed in, and when a recovery code was spent how many are left. */
async function tellOf(tx: Tx, id: string, { recovery_code }: GivenFactor): Promise<void> {
  const actor = `operator:${id}`;
  if (recovery_code !== undefined) {
    const left = await operatorFactors.countRecoveryCodes(tx, id);
    await recordEvent(tx, { type: "operator.recovery_code_used", actor, data: { operator: id, left } });
  }
  await recordEvent(tx, { type: "operator.signed_in", actor });
}
