// Setting up and removing second factors of one's own account: they count in every tenant that it is a member of.
import { AppError } from "../../errors.ts";
import { type Call, route } from "../../http/route.ts";
import * as shown from "../../http/second_factors.ts";
import {
  beginTotp as beginApp,
  confirmTotp as confirmApp,
  newRecoveryCodes,
  tooManyFactors,
  type UseUp,
} from "../../tenancy/accounts/authenticators.ts";
import { enrolFactor } from "../../tenancy/accounts/enrolment.ts";
import { accountFactors as store } from "../../tenancy/accounts/factor_store.ts";
import { byId } from "../fields.ts";
import * as model from "./factors_model.ts";
import { showMember } from "./queries.ts";
import { accountOf, proveOnceMore } from "./reauthentication.ts";
import { deliver, signIn } from "./sessions.ts";

const tag = "Second factors";
const members = { tag, callers: ["member"] } as const;
const enrolling = { ...members, during: ["enrol_factor"] } as const;

/** What confirming a factor says of itself. */
export const FIRST_FACTOR =
  "With the first factor end, in all your tenants, the sessions and tokens that the password alone had got, this one too: " +
  "go on with those in `signed_in`.";

const list = route({
  ...enrolling,
  operation: "auth.factors",
  method: "get",
  path: "/v1/auth/factors",
  summary: "List your second factors",
  answer: shown.factorList,
  handler: async (call) => {
    const { id } = await accountOf(call);
    const items = await call.asPlatform((tx) => store.list(tx, id));
    return { items, recovery_codes_left: await call.asPlatform((tx) => store.countRecoveryCodes(tx, id)) };
  },
});

const beginTotp = route({
  ...enrolling,
  operation: "auth.beginTotp",
  limit: "strict",
  method: "post",
  path: "/v1/auth/factors/totp",
  summary: "Begin to set up an authenticator app",
  description: "Asks for the password again. The app counts once `auth.confirmTotp` got a code from it.",
  body: model.totpRequest,
  answer: shown.totpStart,
  handler: async (call) => {
    const account = await accountOf(call);
    const member = await call.asTenant((tx) => showMember(tx, call.member.id));
    await proveOnceMore(call, account, call.body);
    const label = { ownerId: account.id, name: call.body.name, account: member?.email ?? "account" };
    const { start, keep } = await beginApp(call.services, store, label);
    if (!await call.asPlatform(keep)) throw tooManyFactors();
    return start;
  },
});

const confirmTotp = route({
  ...enrolling,
  operation: "auth.confirmTotp",
  limit: "strict",
  method: "post",
  path: "/v1/auth/factors/totp/confirm",
  summary: "Finish setting up an authenticator app with its first code",
  description: FIRST_FACTOR,
  body: model.totpConfirm,
  answer: model.enrolled,
  handler: async (call) => {
    const account = await accountOf(call);
    const { id, code, session } = call.body;
    const factors = await call.asPlatform((tx) => store.list(tx, account.id, id));
    return await enrol(call, account.id, session, await confirmApp(call.services, store, { factors, id, code }));
  },
});

/** Keeps a factor, and makes recovery codes if there are none. With the first one the caller signs in anew. */
export async function enrol(call: Call, accountId: string, session: "body" | "cookie", keep: UseUp) {
  const { codes, hashes } = newRecoveryCodes(call.services, accountId);
  const { mfa } = call.member;
  const { first, made } = await call.asPlatform((tx) =>
    enrolFactor(call.services, tx, { accountId, mfa, keep, hashes })
  );
  return { recovery_codes: made ? codes : null, signed_in: first ? await letIn(call, accountId, session) : null };
}

async function letIn(call: Call, accountId: string, session: "body" | "cookie") {
  const { id: memberId, authenticatedAt } = call.member;
  const account = { id: accountId, authenticatedAt, mustChangePassword: false };
  const who = { memberId, account, kind: "password" as const, mfa: true, firstFactor: true };
  return deliver(call, await signIn(call, call.tenant, who), session);
}

const remove = route({
  ...members,
  operation: "auth.removeFactor",
  limit: "strict",
  method: "post",
  path: "/v1/auth/factors/{id}/remove",
  summary: "Remove a second factor",
  description:
    "Asks for the password or a code again; in a session that has shown no factor, for a code. With the last " +
    "factor the recovery codes go too.",
  params: byId,
  body: model.factorProof,
  status: 204,
  answer: null,
  handler: async (call) => {
    const account = await accountOf(call);
    const factors = await call.asPlatform((tx) => store.list(tx, account.id));
    if (!factors.some(({ id }) => id === call.params.id)) throw new AppError("not_found");
    // As they are now: the account was read before, and may have had none.
    await proveOnceMore(call, { ...account, factors: factors.map(({ kind }) => kind) }, call.body);
    await call.asPlatform((tx) => store.remove(tx, account.id, call.params.id));
  },
});

const renewCodes = route({
  ...members,
  operation: "auth.renewRecoveryCodes",
  limit: "strict",
  method: "post",
  path: "/v1/auth/recovery-codes",
  summary: "Make new recovery codes; the earlier ones stop working",
  description: "Asks for the password or a code again; in a session that has shown no factor, for a code.",
  body: model.factorProof,
  answer: shown.recoveryCodes,
  handler: async (call) => {
    const account = await accountOf(call);
    if (account.factors.length === 0) throw new AppError("invalid_state", "Set up a second factor first");
    await proveOnceMore(call, account, call.body);
    const { codes, hashes } = newRecoveryCodes(call.services, account.id);
    await call.asPlatform((tx) => store.replaceRecoveryCodes(tx, account.id, hashes));
    return { recovery_codes: codes };
  },
});

/** For members. */
export const routes = [list, beginTotp, confirmTotp, remove, renewCodes];
