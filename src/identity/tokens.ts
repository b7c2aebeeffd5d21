// Access tokens: EdDSA-signed JWTs of 15 minutes (RFC 9068 style, typ at+jwt), each tenant's with keys of its own and
// operators' with the platform's. A token is only ever checked against our own keys, with algorithm, issuer, audience and
// type pinned; nothing in its header but `kid` is read. Whether the tenant still accepts that version of its key is looked
// at where the tenant is known (../tenancy/signing.ts).

import { decodeProtectedHeader, errors, type JWK, jwtVerify, SignJWT } from "jose";
import { z } from "zod";
import { AppError } from "../errors.ts";
import { BUILT_IN_ROLES, builtInRole } from "./permissions.ts";
import type { ImpersonatorPrincipal, MemberPrincipal, OperatorPrincipal, Principal } from "./principal.ts";
import { type OwnedKey, type Plane, TokenKeys } from "./token_keys.ts";
import { VerifiedTokens } from "./verified_tokens.ts";

/** How long an access token lives, in seconds. */
export const ACCESS_TOKEN_SECONDS = 15 * 60;

/** Of an operator's visit; all other tokens say 15 minutes themselves. */
const MAX_AGE_SECONDS = 60 * 60;
const MAX_TOKEN_CHARACTERS = 4096;
const CLOCK_TOLERANCE_SECONDS = 5;
const TYPE = "at+jwt";
// Base64url only: decoders forgive spaces and other alphabets, so one token would have many spellings.
const COMPACT_JWS = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/;

/** Who a member's token is for. What is left out is that of a built-in role, of a session without an account and of the first key. */
export type IssuedMember =
  & Pick<MemberPrincipal, "memberId" | "tenantId" | "sessionId" | "role">
  & Partial<Omit<MemberPrincipal, "kind" | "expiresAt">>;

/** Who an operator's token is for. */
export type IssuedOperator =
  & Pick<OperatorPrincipal, "operatorId" | "email" | "role">
  & Partial<Pick<OperatorPrincipal, "accessVersion" | "duty">>;

/** What {@link createTokens} gives. */
export interface Tokens {
  /** Signs an access token for a member of one tenant. */
  issueMember(member: IssuedMember): Promise<string>;
  /** Signs an access token for an operator's visit in a tenant; it ends at `expiresAt`, which may be later than 15 minutes. */
  issueImpersonator(visit: Omit<ImpersonatorPrincipal, "kind" | "permissions">): Promise<string>;
  /** Signs an access token for an operator. */
  issueOperator(operator: IssuedOperator): Promise<string>;
  /** Who the token names, if it was verified here before and has not expired since. */
  known(token: string): Principal | null;
  /** Who the token names. @throws AppError `token_expired`, or `unauthorized` for every other fault. */
  verify(token: string): Promise<Principal>;
  /** Public keys of a tenant, one a version, as a JSON Web Key Set (RFC 7517). */
  jwks(tenantId: string, versions: number[]): Promise<{ keys: JWK[] }>;
}

const role = z.string().min(1).max(64);
const version = z.int().min(0);
const member = z.object({
  sub: z.uuid(),
  tid: z.uuid(),
  sid: z.uuid(),
  role,
  ver: version,
  perms: z.record(z.string(), z.array(z.string())).optional(),
  units: z.literal(1).optional(),
  acc: z.uuid().optional(),
  auth_time: z.int(),
  mfa: z.literal(1).optional(),
  duty: z.enum(["change_password", "enrol_factor"]).optional(),
  exp: z.number(),
  aud: z.literal("tenant"),
});
const impersonator = z.object({
  sub: z.uuid(),
  tid: z.uuid(),
  visit: z.uuid(),
  email: z.string(),
  ver: version,
  ro: z.literal(1).optional(),
  exp: z.number(),
  aud: z.literal("tenant"),
});
const operator = z.object({
  sub: z.uuid(),
  email: z.string(),
  role,
  ver: version,
  duty: z.literal("enrol_factor").optional(),
  exp: z.number(),
  aud: z.literal("platform"),
});
const REQUIRED_CLAIMS: Record<Plane, string[]> = {
  tenant: ["sub", "tid", "ver", "iat", "exp"],
  platform: ["sub", "email", "role", "ver", "iat", "exp"],
};
const EVERYTHING = BUILT_IN_ROLES.admin.permissions;

/**
 * The issuer and checker of access tokens.
 * @param options `issuer` goes into and is required of every token. Of `versions`, the platform's keys, the first signs and
 * all are accepted: to rotate, prepend the next version and drop the old one 15 minutes later.
 */
export function createTokens(master: Uint8Array, options: { issuer: string; versions: number[] }): Tokens {
  if (options.versions.length === 0) throw new Error("Give at least one version of the signing keys");
  const keys = new TokenKeys(master, options.versions);
  const verified = new VerifiedTokens();

  async function issue(key: OwnedKey, payload: Record<string, unknown>, until?: Date): Promise<string> {
    return await new SignJWT(payload)
      .setProtectedHeader({ alg: "EdDSA", typ: TYPE, kid: key.kid })
      .setIssuer(options.issuer)
      .setAudience(key.of.plane)
      .setIssuedAt()
      .setExpirationTime(until ?? `${ACCESS_TOKEN_SECONDS}s`)
      .sign(key.privateKey);
  }

  return {
    issueMember: async (member) => {
      return await issue(await keys.ofTenant(member.tenantId, member.keyVersion ?? 1), memberClaims(member));
    },
    issueImpersonator: async (visit) => {
      const { tenantId, operatorId, impersonationId, email, accessVersion, readOnly, expiresAt, keyVersion } = visit;
      const claims = { sub: operatorId, tid: tenantId, visit: impersonationId, email, ver: accessVersion };
      const key = await keys.ofTenant(tenantId, keyVersion ?? 1);
      return await issue(key, readOnly ? { ...claims, ro: 1 } : claims, expiresAt);
    },
    issueOperator: async ({ operatorId, email, role, accessVersion, duty }) => {
      const [key] = await keys.ofPlatform();
      return await issue(key, { sub: operatorId, email, role, ver: accessVersion ?? 1, ...(duty && { duty }) });
    },
    known: (token) => verified.known(token),
    verify: (token) => verified.get(token, async () => await verifyToken(token, keys, options.issuer)),
    jwks: async (tenantId, versions) => {
      const published = await Promise.all(versions.map((version) => keys.ofTenant(tenantId, version)));
      return { keys: published.map((key) => key.publicJwk) };
    },
  };
}

async function verifyToken(token: string, keys: TokenKeys, issuer: string): Promise<Principal> {
  if (token.length > MAX_TOKEN_CHARACTERS) throw refusal("The access token is too long");
  if (!COMPACT_JWS.test(token)) throw refusal("The access token is not valid");
  try {
    const key = await keys.named(decodeProtectedHeader(token).kid ?? "");
    if (!key) throw refusal("The access token was not signed here");
    const { payload } = await jwtVerify(token, key.publicKey, {
      algorithms: ["EdDSA"],
      audience: key.of.plane,
      issuer,
      typ: TYPE,
      requiredClaims: REQUIRED_CLAIMS[key.of.plane],
      maxTokenAge: MAX_AGE_SECONDS,
      clockTolerance: CLOCK_TOLERANCE_SECONDS,
    });
    if (!payload.visit && payload.iat! + ACCESS_TOKEN_SECONDS + CLOCK_TOLERANCE_SECONDS < Date.now() / 1000) {
      throw new AppError("token_expired");
    }
    return toPrincipal(key.of, payload);
  } catch (cause) {
    if (cause instanceof AppError) throw cause;
    if (cause instanceof errors.JWTExpired) throw new AppError("token_expired", undefined, { cause });
    throw refusal("The access token is not valid", cause);
  }
}

/** Built-in roles are known everywhere: their permissions do not travel. */
function memberClaims(of: IssuedMember): Record<string, unknown> {
  const builtIn = builtInRole(of.role);
  return {
    sub: of.memberId,
    tid: of.tenantId,
    sid: of.sessionId,
    role: of.role,
    ver: of.accessVersion ?? 1,
    auth_time: of.authenticatedAt ?? 0,
    ...(builtIn ? {} : { perms: of.permissions ?? {} }),
    ...((of.unitsOnly ?? builtIn?.unitsOnly) && { units: 1 }),
    ...(of.accountId && { acc: of.accountId }),
    ...(of.mfa && { mfa: 1 }),
    ...(of.duty && { duty: of.duty }),
  };
}

function toPrincipal(key: OwnedKey["of"], payload: Record<string, unknown>): Principal {
  if (key.plane === "platform") {
    const { sub, email, role, ver, duty, exp } = operator.parse(payload);
    return {
      kind: "operator",
      operatorId: sub,
      keyId: null,
      email,
      role,
      accessVersion: ver,
      ...(duty && { duty }),
      expiresAt: new Date(exp * 1000),
    };
  }
  if (payload.tid !== key.tenantId) throw refusal("The access token was signed with another tenant's key");
  return { ...payload.visit ? toImpersonator(payload) : toMember(payload), keyVersion: key.version };
}

function toImpersonator(payload: unknown): ImpersonatorPrincipal {
  const { sub, tid, visit, email, ver, ro, exp } = impersonator.parse(payload);
  return {
    kind: "impersonator",
    operatorId: sub,
    tenantId: tid,
    impersonationId: visit,
    email,
    permissions: EVERYTHING,
    readOnly: ro === 1,
    accessVersion: ver,
    expiresAt: new Date(exp * 1000),
  };
}

function toMember(payload: unknown): MemberPrincipal {
  const claims = member.parse(payload);
  return {
    kind: "member",
    memberId: claims.sub,
    tenantId: claims.tid,
    sessionId: claims.sid,
    role: claims.role,
    permissions: claims.perms ?? builtInRole(claims.role)?.permissions ?? {},
    unitsOnly: claims.units === 1,
    accountId: claims.acc ?? null,
    authenticatedAt: claims.auth_time,
    mfa: claims.mfa === 1,
    duty: claims.duty ?? null,
    accessVersion: claims.ver,
    expiresAt: new Date(claims.exp * 1000),
  };
}

function refusal(detail: string, cause?: unknown): AppError {
  return new AppError("unauthorized", detail, { cause });
}
