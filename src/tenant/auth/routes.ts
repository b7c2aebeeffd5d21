// Signing in to a tenant. The answer to a wrong address and to a wrong password is the same, after the same work.
import { newId } from "../../db/ids.ts";
import { AppError } from "../../errors.ts";
import { checkPassword } from "../../identity/passwords.ts";
import { hashSecretToken, newSecretToken } from "../../identity/secret_tokens.ts";
import { ACCESS_TOKEN_SECONDS } from "../../identity/tokens.ts";
import { type Call, route } from "../../http/route.ts";
import {
  credentials,
  me,
  passwordChange,
  refreshRequest,
  setupRequest,
  signedIn,
  type SigningMember,
} from "./model.ts";
import * as queries from "./queries.ts";

const tag = "Signing in";
const SESSION_ID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** A refresh token names its session: `<session id>.<secret>`. */
function splitRefreshToken(token: string): { sessionId: string; hash: Uint8Array } {
  const [sessionId, secret] = [token.slice(0, 36), token.slice(37)];
  if (!SESSION_ID.test(sessionId) || token[36] !== ".") throw new AppError("invalid_token", "Sign in again");
  return { sessionId, hash: hashSecretToken(secret) };
}

async function tokensFor(call: Call, member: SigningMember, sessionId: string, secret: string) {
  const access = { tenantId: call.tenant.id, memberId: member.id, role: member.role, sessionId };
  return {
    access_token: await call.services.tokens.issueMember(access),
    token_type: "Bearer" as const,
    expires_in: ACCESS_TOKEN_SECONDS,
    refresh_token: `${sessionId}.${secret}`,
    must_change_password: member.must_change_password,
  };
}

const login = route({
  operation: "auth.login",
  method: "post",
  path: "/v1/auth/login",
  summary: "Sign in with e-mail address and password",
  tag,
  body: credentials,
  answer: signedIn,
  handler: async (call) => {
    const { email, password } = call.body;
    const [member] = await call.asTenant((tx) => queries.findSigningMember(tx, email));
    const right = await call.services.passwords.verify(member?.password_hash ?? null, password);
    if (!right || member.status !== "active") {
      call.log.warn("A sign-in was refused", { member: member?.id ?? null });
      throw new AppError("invalid_credentials", "Check the address and the password, and which tenant you sign in to");
    }
    const sessionId = newId();
    const { token, hash } = newSecretToken("bhr");
    await call.asTenant((tx) => queries.openSession(tx, sessionId, member.id, hash));
    return await tokensFor(call, member, sessionId, token);
  },
});

const refresh = route({
  operation: "auth.refresh",
  method: "post",
  path: "/v1/auth/refresh",
  summary: "Get new tokens for a refresh token",
  description: "A refresh token works once. If an earlier one comes again, the session is ended: it was copied.",
  tag,
  body: refreshRequest,
  answer: signedIn,
  handler: async (call) => {
    const { sessionId, hash } = splitRefreshToken(call.body.refresh_token);
    const next = newSecretToken("bhr");
    const [member] = await call.asTenant((tx) => queries.rotateSession(tx, sessionId, hash, next.hash));
    if (member) return await tokensFor(call, member, sessionId, next.token);
    const stolen = await call.asTenant((tx) => queries.endStolenSession(tx, sessionId, hash));
    if (stolen.length) call.log.alarm("A used refresh token came again; its session was ended", { session: sessionId });
    throw new AppError("invalid_token", "Sign in again");
  },
});

const setupPassword = route({
  operation: "auth.setupPassword",
  method: "post",
  path: "/v1/auth/setup-password",
  summary: "Set the first password with the link from the mail",
  tag,
  body: setupRequest,
  status: 204,
  answer: null,
  handler: async (call) => {
    const hash = hashSecretToken(call.body.token);
    const [found] = await call.asTenant((tx) => queries.findSetupToken(tx, hash));
    if (!found) throw new AppError("invalid_token", "Ask for a new link");
    checkPassword(call.body.password, { email: found.email });
    const passwordHash = await call.services.passwords.hash(call.body.password);
    await call.asTenant(async (tx) => {
      const [used] = await queries.useSetupToken(tx, hash);
      if (!used) throw new AppError("invalid_token", "Ask for a new link");
      await queries.setPassword(tx, used.member_id, passwordHash, null);
    });
  },
});

const logout = route({
  operation: "auth.logout",
  method: "post",
  path: "/v1/auth/logout",
  summary: "Sign out: end this session",
  tag,
  status: 204,
  answer: null,
  handler: async (call) => {
    await call.asTenant((tx) => queries.endSession(tx, call.member.sessionId, "logout"));
  },
});

const showMe = route({
  operation: "auth.me",
  method: "get",
  path: "/v1/auth/me",
  summary: "Who is signed in, and where",
  tag,
  answer: me,
  handler: async (call) => {
    const [member] = await call.asTenant((tx) => queries.findSignedIn(tx, call.member.id, call.member.sessionId));
    if (!member) throw new AppError("unauthorized", "Sign in again");
    return { member, tenant: call.tenant } as never;
  },
});

const changePassword = route({
  operation: "auth.changePassword",
  method: "post",
  path: "/v1/auth/change-password",
  summary: "Change the password; other sessions end",
  tag,
  body: passwordChange,
  status: 204,
  answer: null,
  handler: async (call) => {
    const { id, sessionId } = call.member;
    const [member] = await call.asTenant((tx) => queries.findSignedIn(tx, id, sessionId));
    const right = await call.services.passwords.verify(member?.password_hash ?? null, call.body.current_password);
    if (!right) throw new AppError("invalid_credentials", "The current password is wrong");
    checkPassword(call.body.new_password, { email: member.email });
    const passwordHash = await call.services.passwords.hash(call.body.new_password);
    await call.asTenant((tx) => queries.setPassword(tx, member.id, passwordHash, sessionId));
  },
});

/** For anyone who names a tenant. */
export const openRoutes = [login, refresh, setupPassword];

/** For members. */
export const routes = [logout, showMe, changePassword];
