// How operators sign in: password, the link that was mailed, a new password, who one is; the second step is in
// second_factor.ts. There is no refresh: a token is good for 15 minutes, and ends sooner with what its operator may do.
import { AppError } from "../../errors.ts";
import { route } from "../../http/route.ts";
import { acceptPassword } from "../../identity/passwords.ts";
import { hashSecretToken } from "../../identity/secret_tokens.ts";
import { refuseLocked, settle, unlock } from "../../tenancy/accounts/lockout.ts";
import { recordEvent } from "../events/queries.ts";
import { keysOf, prove } from "./attempts.ts";
import { tellOfChange } from "./jobs.ts";
import { login, operatorAnswer, passwordChange, passwordSetting, session, signedIn } from "./model.ts";
import * as queries from "./queries.ts";
import { EVERYBODY } from "./roles.ts";
import { askForFactor } from "./second_factor.ts";
import { sessionFor } from "./sessions.ts";

const tag = "Operators";

/** `operators.login`: unknown address, wrong password, no password yet and disabled operator cost and answer the same. */
export const logIn = route({
  operation: "operators.login",
  limit: "strict",
  method: "post",
  path: "/v1/operators/login",
  summary: "Log in as an operator of the platform",
  description: "After five wrong passwords in a row there is a wait, longer with each, at most 15 minutes.",
  tag,
  errors: ["invalid_credentials", "too_many_attempts"],
  body: login,
  answer: signedIn,
  handler: async (call) => {
    const { email, password } = call.body;
    const keys = keysOf(call, email);
    const known = await call.asPlatform((tx) => queries.findCredentials(tx, email, keys));
    const seen = await prove(call, keys, known, password);
    if (known.second_factor) return await askForFactor(call, keys, { ...seen, email });
    const operator = await call.asPlatform(async (tx) => {
      refuseLocked(await settle(tx, keys, { accountId: seen.id, done: true }));
      const found = await queries.noteLogin(tx, seen);
      if (found) await recordEvent(tx, { type: "operator.signed_in", actor: `operator:${found.id}` });
      return found;
    });
    if (!operator) throw new AppError("invalid_credentials");
    return await sessionFor(call, operator);
  },
});

/** `operators.setPassword`: with the link from the mail. */
export const setPassword = route({
  operation: "operators.setPassword",
  limit: "strict",
  method: "post",
  path: "/v1/operators/set-password",
  summary: "Set an operator's password with the link from the mail; all tokens end",
  tag,
  errors: ["invalid_token"],
  body: passwordSetting,
  status: 204,
  answer: null,
  handler: async (call) => {
    const { token, password } = call.body;
    const hash = hashSecretToken(token);
    const unusable = () => new AppError("invalid_token", "Ask a superadmin for a new link");
    const found = await call.asPlatform((tx) => queries.findLink(tx, hash));
    if (!found) throw unusable();
    await acceptPassword(password, { email: found.email });
    const passwordHash = await call.services.passwords.hash(password);
    const tell = found.first ? null : await tellOfChange(call, found.email);
    await call.asPlatform(async (tx) => {
      const whose = { id: found.id, accessVersion: null };
      if (!await queries.useLink(tx, hash) || !await queries.setPassword(tx, whose, passwordHash)) throw unusable();
      await unlock(tx, keysOf(call, found.email));
      const actor = `operator:${found.id}`;
      await recordEvent(tx, { type: "operator.changed", actor, data: { operator: found.id, what: "password" } });
      await tell?.(tx);
    });
  },
});

/** `operators.changePassword`. */
export const changePassword = route({
  operation: "operators.changePassword",
  limit: "strict",
  method: "post",
  path: "/v1/operators/change-password",
  summary: "Change your password; all tokens end, and a new one comes back",
  tag,
  roles: EVERYBODY,
  people: true,
  body: passwordChange,
  answer: session,
  handler: async (call) => {
    const { email } = call.operator;
    const { current_password: current, new_password: password } = call.body;
    const keys = keysOf(call, email);
    const known = await call.asPlatform((tx) => queries.findCredentials(tx, email, keys));
    const seen = await prove(call, keys, known, current);
    await acceptPassword(password, { email, field: "new_password", current });
    const passwordHash = await call.services.passwords.hash(password);
    const tell = await tellOfChange(call, email);
    const operator = await call.asPlatform(async (tx) => {
      refuseLocked(await settle(tx, keys, { accountId: seen.id, done: true }));
      const changed = await queries.setPassword(tx, seen, passwordHash);
      const data = { operator: seen.id, what: "password" };
      if (!changed) return;
      await recordEvent(tx, { type: "operator.changed", actor: `operator:${seen.id}`, data });
      await tell(tx);
      return changed;
    });
    if (!operator) throw new AppError("unauthorized", "Sign in again: your access has changed or ended");
    return await sessionFor(call, operator);
  },
});

/** `operators.me`. */
export const me = route({
  operation: "operators.me",
  method: "get",
  path: "/v1/operators/me",
  summary: "Show the signed-in operator",
  tag,
  roles: EVERYBODY,
  answer: operatorAnswer,
  handler: async (call) => {
    const operator = await call.asPlatform((tx) => queries.findOperator(tx, call.operator.id));
    if (!operator) throw new AppError("unauthorized", "This operator cannot sign in any more");
    return operator;
  },
});
