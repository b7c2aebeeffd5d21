// Signing in to a tenant with an account, and going on with a session. The platform knows the password, the placement the
// session. The other ways in are in second_factor.ts, passkeys.ts and switching.ts; passwords are in passwords.ts.
import { AppError } from "../../errors.ts";
import { endSession as endCookies, sessionCookies } from "../../http/cookies.ts";
import { type Call, route } from "../../http/route.ts";
import { type AccountProof, readAccountProof } from "../../identity/account_proof.ts";
import { isRefreshToken, nextRefreshToken } from "../../identity/refresh_tokens.ts";
import { hashSecretToken } from "../../identity/secret_tokens.ts";
import { emailDigest } from "../../tenancy/accounts.ts";
import { findCredentials, maySessionGoOn } from "../../tenancy/accounts/credentials.ts";
import { endLimitedTokens } from "../../tenancy/accounts/end_sessions.ts";
import { keysOf, provePassword } from "./attempts.ts";
import { credentials, me, refreshRequest, signedIn } from "./model.ts";
import * as queries from "./queries.ts";
import { askForFactor } from "./second_factor.ts";
import { deliver, signIn, tokensFor, wrongCredentials } from "./sessions.ts";

const tag = "Signing in";
const SESSION_ID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

const login = route({
  operation: "auth.login",
  limit: "strict",
  method: "post",
  path: "/v1/auth/login",
  summary: "Sign in with e-mail address and password",
  description: "After five wrong passwords in a row there is a wait, longer with each, at most 15 minutes.",
  tag,
  errors: ["invalid_credentials", "too_many_attempts"],
  body: credentials,
  answer: signedIn,
  handler: async (call) => {
    const { email, password, session } = call.body;
    const digest = emailDigest(call.services.servers, email);
    const keys = keysOf(call, digest);
    const { wait, now, account } = await call.asPlatform((tx) => findCredentials(tx, digest, call.tenant.id, keys));
    const usable = account?.active && account.memberId ? { ...account, memberId: account.memberId } : null;
    const passwordHash = account?.passwordHash ?? null;
    const factors = usable?.factors ?? [];
    const done = factors.length === 0;
    await provePassword(call, {
      keys,
      wait,
      account: usable,
      passwordHash,
      password,
      done,
      refusal: wrongCredentials(),
    });
    const { id, memberId, mustChangePassword } = usable!;
    const who = {
      memberId,
      account: { id, authenticatedAt: now, mustChangePassword },
      kind: "password" as const,
      mfa: false,
    };
    if (!done) return await askForFactor(call, { tenant: call.tenant, who, digest, factors });
    return deliver(call, await signIn(call, call.tenant, who), session);
  },
});

/**
 * A refresh token names its session: `<session id>.<secret>`, and `.<account proof>` where an account opened it. What comes
 * back was given out here: it is the session's current secret or one from before.
 */
function splitRefreshToken(call: Call, token: string | null) {
  const [sessionId, secret, ...rest] = (token ?? "").split(".");
  const { accountKey, sessionKey } = call.services.servers;
  const session = { tenantId: call.tenant.id, sessionId };
  const known = SESSION_ID.test(sessionId) && isRefreshToken(sessionKey, session, secret ?? "");
  const proof = rest.length > 0 ? readAccountProof(accountKey, session, rest.join(".")) : null;
  if (!known || (rest.length > 0 && !proof)) throw new AppError("invalid_token", "Sign in again");
  return { session, secret, proof };
}

/** The platform is asked too: a new password, a lost membership or a disabled account ends a session within 15 minutes. */
async function refuseEnded(call: Call, proof: AccountProof | null): Promise<void> {
  if (proof && !await call.asPlatform((tx) => maySessionGoOn(tx, proof))) {
    throw new AppError("invalid_token", "Sign in again");
  }
}

const refresh = route({
  operation: "auth.refresh",
  method: "post",
  path: "/v1/auth/refresh",
  summary: "Get new tokens for a refresh token",
  description:
    "A refresh token works once. For thirty seconds it is answered with the same next one again: the answer was lost, or " +
    "two windows asked at once. If it comes after that, or any one from before it comes, the session is ended: it was " +
    "copied.",
  tag,
  errors: ["invalid_token"],
  body: refreshRequest,
  answer: signedIn,
  handler: async (call) => {
    const shown = call.body.refresh_token ?? sessionCookies(call.request).refresh;
    const { session, secret: used, proof } = splitRefreshToken(call, shown);
    await refuseEnded(call, proof);
    const { sessionId } = session;
    const { token: secret, hash: next } = nextRefreshToken(call.services.servers.sessionKey, session, used);
    const given = hashSecretToken(used);
    const rotation = { sessionId, given, next, accountId: proof?.accountId ?? null };
    const member = await call.asTenant((tx) => queries.rotateSession(tx, rotation)) ??
      await call.asTenant((tx) => queries.repeatRotation(tx, rotation));
    if (member) {
      const tokens = await tokensFor(call.services, member, { tenant: call.tenant, sessionId, secret, proof });
      // A token that came as a cookie leaves as one: else any script of the page could ask for it.
      return deliver(call, tokens, call.body.refresh_token === undefined ? "cookie" : call.body.session);
    }
    const stolen = await call.asTenant((tx) => queries.endStolenSession(tx, sessionId, given));
    if (stolen.length) call.log.alarm("A used refresh token came again; its session was ended", { session: sessionId });
    throw new AppError("invalid_token", "Sign in again");
  },
});

const logout = route({
  operation: "auth.logout",
  method: "post",
  path: "/v1/auth/logout",
  summary: "Sign out: end this session",
  description:
    "A limited token has no session: with it end all limited tokens of the member. In browsers the cookie with " +
    "the refresh token is enough.",
  tag,
  callers: ["member"],
  during: ["change_password", "enrol_factor"],
  orRefreshCookie: true,
  status: 204,
  answer: null,
  handler: async (call) => {
    const { access, refresh } = sessionCookies(call.request);
    await (call.memberId === null ? endByRefreshToken(call, refresh) : endOwn(call));
    if (access !== null || refresh !== null) endCookies(call.request);
  },
});

async function endOwn(call: Call): Promise<void> {
  const { id, sessionId, duty } = call.member;
  await call.asTenant((tx) => duty ? endLimitedTokens(tx, id) : queries.endSession(tx, sessionId, "logout"));
}

/** The cookie with the access token is gone after 15 minutes, this one is not. */
async function endByRefreshToken(call: Call, token: string | null): Promise<void> {
  const { session, secret } = splitRefreshToken(call, token);
  const given = hashSecretToken(secret);
  await call.asTenant((tx) => queries.endSession(tx, session.sessionId, "logout", given));
}

const showMe = route({
  operation: "auth.me",
  method: "get",
  path: "/v1/auth/me",
  summary: "Who is signed in, and where",
  tag,
  callers: ["member"],
  during: ["change_password", "enrol_factor"],
  answer: me,
  handler: async (call) => {
    const row = await call.asTenant((tx) => queries.showMember(tx, call.member.id));
    if (!row) throw new AppError("unauthorized", "Sign in again");
    const { role, permissions, unitsOnly } = call.member;
    return { member: { ...row, role, permissions, units_only: unitsOnly }, tenant: call.tenant } as never;
  },
});

/** For anyone who names a tenant. */
export const openRoutes = [login, refresh];

/** For members. */
export const routes = [logout, showMe];
