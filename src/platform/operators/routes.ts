// Operators over HTTP: logging in, and who one is.
import { AppError } from "../../errors.ts";
import { type Route, route } from "../../http/route.ts";
import { ACCESS_TOKEN_SECONDS } from "../../identity/tokens.ts";
import { recordEvent } from "../events/queries.ts";
import { login, operatorAnswer, session } from "./model.ts";
import { findCredentials, findOperator, noteLogin } from "./queries.ts";

/** `operators.login`: unknown address, wrong password and disabled operator cost and answer the same. */
export const logIn = route({
  operation: "operators.login",
  limit: "strict",
  method: "post",
  path: "/v1/operators/login",
  summary: "Log in as an operator of the platform",
  tag: "Operators",
  body: login,
  answer: session,
  handler: async (call) => {
    const { passwords, tokens } = call.services;
    const known = await call.asPlatform((tx) => findCredentials(tx, call.body.email));
    const right = await passwords.verify(known?.password_hash ?? null, call.body.password);
    const operator = known && right
      ? await call.asPlatform(async (tx) => {
        const found = await noteLogin(tx, known.id);
        if (found) await recordEvent(tx, { type: "operator.signed_in", actor: `operator:${found.id}` });
        return found;
      })
      : undefined;
    if (!operator) throw new AppError("invalid_credentials");
    const { id, email, role } = operator;
    const token = await tokens.issueOperator({ operatorId: id, email, role });
    return { access_token: token, token_type: "Bearer" as const, expires_in: ACCESS_TOKEN_SECONDS, operator };
  },
});

/** `operators.me`. */
export const me = route({
  operation: "operators.me",
  method: "get",
  path: "/v1/operators/me",
  summary: "Show the signed-in operator",
  tag: "Operators",
  answer: operatorAnswer,
  handler: async (call) => {
    const operator = await call.asPlatform((tx) => findOperator(tx, call.operator.id));
    if (!operator) throw new AppError("unauthorized", "This operator cannot sign in any more");
    return operator;
  },
});

/** Routes for everyone. */
export const openRoutes: Route[] = [logIn];
/** Routes for operators. */
export const staffRoutes: Route[] = [me];
