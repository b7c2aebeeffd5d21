// Access tokens: EdDSA-signed JWTs of 15 minutes (RFC 9068 style, typ at+jwt), one key set per plane.
// A token is only ever checked against our own keys, with algorithm, issuer, audience and type pinned; nothing in its
// header but `kid` is read. The two planes have different keys: a member's token cannot become an operator's.

import { decodeProtectedHeader, errors, type JWK, jwtVerify, SignJWT } from "jose";
import { z } from "zod";
import { AppError } from "../errors.ts";
import { type Plane, type SigningKeys, signingKeys } from "./keys.ts";
import { VerifiedTokens } from "./verified_tokens.ts";

/** How long an access token lives, in seconds. */
export const ACCESS_TOKEN_SECONDS = 15 * 60;

const MAX_TOKEN_CHARACTERS = 4096;
const CLOCK_TOLERANCE_SECONDS = 5;
const TYPE = "at+jwt";
// Base64url only: decoders forgive spaces and other alphabets, so one token would have many spellings.
const COMPACT_JWS = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/;

/** A signed-in person inside one tenant. */
export interface MemberPrincipal {
  kind: "member";
  memberId: string;
  tenantId: string;
  role: string;
  sessionId: string;
  expiresAt: Date;
}

/** A signed-in person who runs the platform. */
export interface OperatorPrincipal {
  kind: "operator";
  operatorId: string;
  email: string;
  role: string;
  expiresAt: Date;
}

/** Who calls, as a verified token says. */
export type Principal = MemberPrincipal | OperatorPrincipal;

/** What {@link createTokens} gives. */
export interface Tokens {
  /** Signs an access token for a member of one tenant. */
  issueMember(member: Omit<MemberPrincipal, "kind" | "expiresAt">): Promise<string>;
  /** Signs an access token for an operator. */
  issueOperator(operator: Omit<OperatorPrincipal, "kind" | "expiresAt">): Promise<string>;
  /** Who the token names. @throws AppError `token_expired`, or `unauthorized` for every other fault. */
  verify(token: string): Promise<Principal>;
  /** The public keys, as a JSON Web Key Set (RFC 7517). */
  jwks(): Promise<{ keys: JWK[] }>;
}

interface PlaneKey extends SigningKeys {
  plane: Plane;
}

interface KeySet {
  byKid: Map<string, PlaneKey>;
  current: Record<Plane, PlaneKey>;
}

const role = z.string().min(1).max(64);
const claims = {
  tenant: z.object({ sub: z.uuid(), tid: z.uuid(), sid: z.uuid(), role, exp: z.number(), aud: z.literal("tenant") }),
  platform: z.object({ sub: z.uuid(), email: z.string(), role, exp: z.number(), aud: z.literal("platform") }),
};
const REQUIRED_CLAIMS = {
  tenant: ["sub", "tid", "sid", "role", "iat", "exp"],
  platform: ["sub", "email", "role", "iat", "exp"],
};

/**
 * The issuer and checker of access tokens.
 * @param options `issuer` goes into and is required of every token. Of `versions` the first signs, all are accepted:
 * to rotate, prepend the next version and drop the old one 15 minutes later.
 */
export function createTokens(master: Uint8Array, options: { issuer: string; versions: number[] }): Tokens {
  if (options.versions.length === 0) throw new Error("Give at least one version of the signing keys");
  let loaded: Promise<KeySet> | undefined;
  const keys = () => loaded ??= loadKeys(master, options.versions);
  const verified = new VerifiedTokens();

  async function issue(plane: Plane, payload: Record<string, string>): Promise<string> {
    const key = (await keys()).current[plane];
    return await new SignJWT(payload)
      .setProtectedHeader({ alg: "EdDSA", typ: TYPE, kid: key.kid })
      .setIssuer(options.issuer)
      .setAudience(plane)
      .setIssuedAt()
      .setExpirationTime(`${ACCESS_TOKEN_SECONDS}s`)
      .sign(key.privateKey);
  }

  return {
    issueMember: ({ memberId, tenantId, role, sessionId }) =>
      issue("tenant", { sub: memberId, tid: tenantId, sid: sessionId, role }),
    issueOperator: ({ operatorId, email, role }) => issue("platform", { sub: operatorId, email, role }),
    verify: (token) => verified.get(token, async () => await verifyToken(token, await keys(), options.issuer)),
    jwks: async () => ({ keys: [...(await keys()).byKid.values()].map((key) => key.publicJwk) }),
  };
}

async function loadKeys(master: Uint8Array, versions: number[]): Promise<KeySet> {
  const load = async (plane: Plane) =>
    await Promise.all(versions.map(async (version) => ({ plane, ...await signingKeys(master, plane, version) })));
  const [tenant, platform] = await Promise.all([load("tenant"), load("platform")]);
  return {
    byKid: new Map([...tenant, ...platform].map((key) => [key.kid, key])),
    current: { tenant: tenant[0], platform: platform[0] },
  };
}

async function verifyToken(token: string, keys: KeySet, issuer: string): Promise<Principal> {
  if (token.length > MAX_TOKEN_CHARACTERS) throw refusal("The access token is too long");
  if (!COMPACT_JWS.test(token)) throw refusal("The access token is not valid");
  try {
    const key = keys.byKid.get(decodeProtectedHeader(token).kid ?? "");
    if (!key) throw refusal("The access token was not signed here");
    const { payload } = await jwtVerify(token, key.publicKey, {
      algorithms: ["EdDSA"],
      audience: key.plane,
      issuer,
      typ: TYPE,
      requiredClaims: REQUIRED_CLAIMS[key.plane],
      maxTokenAge: ACCESS_TOKEN_SECONDS,
      clockTolerance: CLOCK_TOLERANCE_SECONDS,
    });
    return toPrincipal(key.plane, payload);
  } catch (cause) {
    if (cause instanceof AppError) throw cause;
    if (cause instanceof errors.JWTExpired) throw new AppError("token_expired", undefined, { cause });
    throw refusal("The access token is not valid", cause);
  }
}

function toPrincipal(plane: Plane, payload: unknown): Principal {
  if (plane === "tenant") {
    const { sub, tid, sid, role, exp } = claims.tenant.parse(payload);
    return { kind: "member", memberId: sub, tenantId: tid, role, sessionId: sid, expiresAt: new Date(exp * 1000) };
  }
  const { sub, email, role, exp } = claims.platform.parse(payload);
  return { kind: "operator", operatorId: sub, email, role, expiresAt: new Date(exp * 1000) };
}

function refusal(detail: string, cause?: unknown): AppError {
  return new AppError("unauthorized", detail, { cause });
}
