// Setting up and removing an operator's own second factors, and those of another one who lost them. Whoever changes factors
// proves once more who it is: a copied token is not enough for that.
import { z } from "@hono/zod-openapi";
import { AppError } from "../../errors.ts";
import { type Call, type Route, route } from "../../http/route.ts";
import * as shown from "../../http/second_factors.ts";
import {
  beginTotp as beginApp,
  confirmTotp as confirmApp,
  keepFactor,
  newRecoveryCodes,
  tooManyFactors,
} from "../../tenancy/accounts/authenticators.ts";
import { operatorFactors as store } from "../../tenancy/accounts/factor_store.ts";
import { refuseLocked, settle } from "../../tenancy/accounts/lockout.ts";
import { recordEvent } from "../events/queries.ts";
import { fail, keysOf, prove } from "./attempts.ts";
import * as model from "./factors_model.ts";
import { operatorAnswer } from "./model.ts";
import * as queries from "./queries.ts";
import { DECIDERS, EVERYBODY } from "./roles.ts";
import { checkFactor } from "./second_factor.ts";
import { sessionFor } from "./sessions.ts";

const tag = "Operators' second factors";
const own = { tag, roles: EVERYBODY, people: true } as const;
const enrolling = { ...own, during: ["enrol_factor"] } as const;
const params = z.strictObject({ id: z.uuid() });

/**
 * Asks for the password or a code once more. Who was let in only to set up a factor has shown the password just now.
 * @throws AppError `invalid_credentials`, `too_many_attempts`.
 */
async function proveOnceMore(call: Call, { password = "", code }: { password?: string; code?: string }): Promise<void> {
  const { id, email, duty } = call.operator;
  if (duty === "enrol_factor") return;
  const keys = keysOf(call, email);
  const known = await call.asPlatform((tx) => queries.findCredentials(tx, email, keys));
  if (code === undefined) {
    await prove(call, keys, known, password);
    return refuseLocked(await call.asPlatform((tx) => settle(tx, keys, { accountId: id, done: true })));
  }
  refuseLocked(known.wait);
  const use = await checkFactor(call, id, { code });
  const used = use !== null && await call.asPlatform(async (tx) => {
    refuseLocked(await settle(tx, keys, { accountId: id, done: true }));
    return await use(tx);
  });
  if (!used) await fail(call, keys, new AppError("invalid_credentials"));
}

const list = route({
  ...enrolling,
  operation: "operators.factors",
  method: "get",
  path: "/v1/operators/factors",
  summary: "List your second factors",
  answer: shown.factorList,
  handler: async (call) => {
    const { id } = call.operator;
    const items = await call.asPlatform((tx) => store.list(tx, id));
    return { items, recovery_codes_left: await call.asPlatform((tx) => store.countRecoveryCodes(tx, id)) };
  },
});

const beginTotp = route({
  ...enrolling,
  operation: "operators.beginTotp",
  limit: "strict",
  method: "post",
  path: "/v1/operators/factors/totp",
  summary: "Begin to set up an authenticator app",
  description: "Asks for the password again. The app counts once `operators.confirmTotp` got a code from it.",
  body: model.totpRequest,
  answer: shown.totpStart,
  handler: async (call) => {
    const { id: ownerId, email: account } = call.operator;
    await proveOnceMore(call, call.body);
    const { start, keep } = await beginApp(call.services, store, { ownerId, name: call.body.name, account });
    if (!await call.asPlatform(keep)) throw tooManyFactors();
    return start;
  },
});

const confirmTotp = route({
  ...enrolling,
  operation: "operators.confirmTotp",
  limit: "strict",
  method: "post",
  path: "/v1/operators/factors/totp/confirm",
  summary: "Finish setting up an authenticator app with its first code",
  description: "All tokens end, those that a password alone has got too, and a new one comes back.",
  body: model.totpConfirm,
  answer: model.enrolled,
  handler: async (call) => {
    const { id: ownerId } = call.operator;
    const { id, code } = call.body;
    const factors = await call.asPlatform((tx) => store.list(tx, ownerId, id));
    const keep = await confirmApp(call.services, store, { factors, id, code });
    const { codes, hashes } = newRecoveryCodes(call.services, ownerId);
    const [operator, made] = await call.asPlatform(async (tx) => {
      const ended = await queries.endTokens(tx, call.operator);
      if (!ended) throw new AppError("unauthorized", "Sign in again: your access has changed or ended");
      const first = await keepFactor(tx, store, { ownerId, keep, hashes });
      const data = { operator: ownerId, factor: id, kind: "totp" };
      await recordEvent(tx, { type: "operator.factor_enrolled", actor: `operator:${ownerId}`, data });
      return [{ ...ended, second_factor: true }, first];
    });
    return { recovery_codes: made ? codes : null, signed_in: await sessionFor(call, operator) };
  },
});

const remove = route({
  ...own,
  operation: "operators.removeFactor",
  limit: "strict",
  method: "post",
  path: "/v1/operators/factors/{id}/remove",
  summary: "Remove a second factor",
  description: "Asks for the password or a code again. With the last factor the recovery codes go too.",
  params,
  body: model.factorProof,
  status: 204,
  answer: null,
  handler: async (call) => {
    const { id: ownerId } = call.operator;
    const { id } = call.params;
    const factors = await call.asPlatform((tx) => store.list(tx, ownerId));
    if (!factors.some((factor) => factor.id === id)) throw new AppError("not_found");
    await proveOnceMore(call, call.body);
    await call.asPlatform(async (tx) => {
      if (!await store.remove(tx, ownerId, id)) throw new AppError("not_found");
      const data = { operator: ownerId, factor: id };
      await recordEvent(tx, { type: "operator.factor_removed", actor: `operator:${ownerId}`, data });
    });
  },
});

const renewCodes = route({
  ...own,
  operation: "operators.renewRecoveryCodes",
  limit: "strict",
  method: "post",
  path: "/v1/operators/recovery-codes",
  summary: "Make new recovery codes; the earlier ones stop working",
  description: "Asks for the password or a code again.",
  body: model.factorProof,
  answer: shown.recoveryCodes,
  handler: async (call) => {
    const { id } = call.operator;
    const factors = await call.asPlatform((tx) => store.list(tx, id));
    if (factors.length === 0) throw new AppError("invalid_state", "Set up a second factor first");
    await proveOnceMore(call, call.body);
    const { codes, hashes } = newRecoveryCodes(call.services, id);
    await call.asPlatform(async (tx) => {
      await queries.lockOperators(tx, call.operator); // so that no codes outlive a reset
      await store.replaceRecoveryCodes(tx, id, hashes);
      await recordEvent(tx, { type: "operator.recovery_codes_made", actor: `operator:${id}`, data: { operator: id } });
    });
    return { recovery_codes: codes };
  },
});

const reset = route({
  operation: "operators.resetFactors",
  method: "post",
  path: "/v1/operators/{id}/reset-factors",
  summary: "Remove all second factors of another operator who lost them; tokens and visits end at once",
  tag,
  roles: DECIDERS,
  people: true,
  params,
  answer: operatorAnswer,
  handler: async (call) => {
    const { id } = call.params;
    const by = call.operator;
    if (id === by.id) throw new AppError("invalid_state", "Remove your own factors one by one, with a proof");
    return await call.asPlatform(async (tx) => {
      await queries.lockOperators(tx, by);
      if (!await queries.endAccess(tx, id)) throw new AppError("not_found", "There is no such operator");
      await store.removeAll(tx, id);
      await recordEvent(tx, { type: "operator.factors_reset", actor: `operator:${by.id}`, data: { operator: id } });
      return (await queries.findOperator(tx, id))!;
    });
  },
});

/** For operators; `factors` stands before the path with an operator's id. */
export const routes: Route[] = [list, beginTotp, confirmTotp, remove, renewCodes, reset];
