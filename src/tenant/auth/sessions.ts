// Opens sessions and makes their tokens: the one place where somebody becomes signed in, whatever way was taken. Who must
// first change the password or set up a second factor gets no session, only a token that is good for that.
import { newId } from "../../db/ids.ts";
import type { Tx } from "../../db/sql.ts";
import { AppError } from "../../errors.ts";
import { keepSession, sessionCookies } from "../../http/cookies.ts";
import type { Call } from "../../http/route.ts";
import { type AccountProof, writeAccountProof } from "../../identity/account_proof.ts";
import { rightsOf } from "../../identity/permissions.ts";
import type { Duty } from "../../identity/principal.ts";
import { firstRefreshToken } from "../../identity/refresh_tokens.ts";
import { ACCESS_TOKEN_SECONDS } from "../../identity/tokens.ts";
import { endMemberSessions } from "../../tenancy/accounts/end_sessions.ts";
import type { TenantRecord } from "../../tenancy/directory.ts";
import type { Services } from "../../tenancy/services.ts";
import type { SignedIn } from "./model.ts";
import { type MemberAccess, type NewSession, openSession, SESSION_SECONDS } from "./queries.ts";

/** Who signed in, and how. */
export interface SigningIn {
  memberId: string;
  /** The account that showed its password, at Unix seconds; null where an issuer of the tenant's own vouched. */
  account: { id: string; authenticatedAt: number; mustChangePassword: boolean } | null;
  kind: NewSession["kind"];
  mfa: boolean;
  /** Whether the account has just set up its first factor: with this ends what the password alone had got here. */
  firstFactor?: boolean;
}

/** A session and whose it is. */
interface OpenSession {
  tenant: TenantRecord;
  sessionId: string;
  /** The refresh token's secret part. */
  secret: string;
  proof: AccountProof | null;
}

/** The refusal of whoever cannot sign in: the same words whatever the reason. */
export function wrongCredentials(): AppError {
  return new AppError("invalid_credentials", "Check the address and the password, and which tenant you sign in to");
}

/** The refusal of who is known, and a member of the tenant by the platform's word, but not an active one by the tenant's. */
function shutOut(): AppError {
  return new AppError("forbidden", "You are no active member of this tenant: ask its administrators");
}

/**
 * Opens a session in `tenant` and gives its tokens; or a token for what must be done first.
 * @throws AppError `invalid_credentials` when there is no such active member, `forbidden` for one who comes from another
 * tenant, `mfa_required`, and what the door throws.
 */
export async function signIn(call: Call, tenant: TenantRecord, who: SigningIn): Promise<SignedIn> {
  const { services } = call;
  const { account, memberId, kind, mfa, firstFactor } = who;
  const session = { id: newId(), memberId, kind, mfa, ...call.origin };
  const issued = { tenantId: tenant.id, sessionId: session.id };
  const { token: secret, hash } = firstRefreshToken(services.servers.sessionKey, issued);
  const entering = { operation: call.operation, requestId: call.requestId, origin: call.origin, readOnly: false };
  const context = await services.targets.context(tenant, { ...entering, actor: `member:${memberId}` });
  const wanted = !account?.mustChangePassword;
  const opening = (tx: Tx) => openSession(tx, { ...session, hash }, wanted); // alone it is one round trip
  const afterFirstFactor = async (tx: Tx) => {
    await endMemberSessions(tx, memberId, { reason: "mfa" });
    return await opening(tx);
  };
  const member = await services.doors.asTenant(context, firstFactor ? afterFirstFactor : opening);
  if (!member) throw kind === "switch" ? shutOut() : wrongCredentials();
  const proof = account && {
    ...issued,
    accountId: account.id,
    authenticatedAt: account.authenticatedAt,
    mfa,
  };
  const open = { tenant, sessionId: session.id, secret, proof };
  if (member.opened) return await tokensFor(services, member, open);
  if (!account) throw new AppError("mfa_required", "This tenant wants a second factor: ask your organisation for one");
  return await limitedTo(wanted ? "enrol_factor" : "change_password", services, member, open);
}

/** The tokens of a session. */
export async function tokensFor(services: Services, member: MemberAccess, session: OpenSession): Promise<SignedIn> {
  const { sessionId, secret, proof } = session;
  const refresh = proof ? `${secret}.${writeAccountProof(services.servers.accountKey, proof)}` : secret;
  return {
    state: "signed_in",
    access_token: await accessToken(services, member, session, null),
    token_type: "Bearer",
    expires_in: ACCESS_TOKEN_SECONDS,
    refresh_token: `${sessionId}.${refresh}`,
    must_change_password: false,
  };
}

async function limitedTo(
  duty: Duty,
  services: Services,
  member: MemberAccess,
  session: OpenSession,
): Promise<SignedIn> {
  return {
    state: "limited",
    duty,
    access_token: await accessToken(services, member, session, duty),
    token_type: "Bearer",
    expires_in: ACCESS_TOKEN_SECONDS,
    must_change_password: duty === "change_password",
  };
}

async function accessToken(services: Services, member: MemberAccess, session: OpenSession, duty: Duty | null) {
  const { tenant, sessionId, proof } = session;
  return await services.tokens.issueMember({
    tenantId: tenant.id,
    keyVersion: tenant.signing.version,
    memberId: member.id,
    sessionId,
    role: member.role,
    ...rightsOf(member),
    accessVersion: member.access_version,
    accountId: proof?.accountId ?? null,
    authenticatedAt: proof?.authenticatedAt ?? 0,
    mfa: proof?.mfa ?? false,
    duty,
  });
}

/** Where the tokens go. Who is signed in by cookie gets them as cookies, whatever was asked for: a script may have asked. */
export function deliveryOf(call: Call, session: "body" | "cookie"): "body" | "cookie" {
  return call.memberId !== null && sessionCookies(call.request).access !== null ? "cookie" : session;
}

/** The answer of a sign-in as the caller wants it: with the tokens in the body, or in cookies. */
export function deliver(call: Call, answer: SignedIn, session: "body" | "cookie"): SignedIn {
  if (deliveryOf(call, session) === "body") return answer;
  if (answer.state === "signed_in") {
    const { access_token: access, expires_in: accessSeconds, refresh_token: refresh } = answer;
    keepSession(call.request, { access, accessSeconds, refresh, refreshSeconds: SESSION_SECONDS });
    return { state: "cookie", expires_in: accessSeconds, must_change_password: false };
  }
  if (answer.state !== "limited") return answer;
  const { access_token: access, expires_in: accessSeconds } = answer;
  keepSession(call.request, { access: access!, accessSeconds, refresh: "", refreshSeconds: 0 });
  return { ...answer, access_token: null };
}
