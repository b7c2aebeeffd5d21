// Tokens that somebody else signed: Supabase Auth or any OpenID issuer that a tenant trusts, verified by the issuer's
// published keys. Issuer, audience and algorithms are the tenant's choice and never the token's.
// What must not happen here: a token choosing its issuer's configuration beyond `iss`, its keys' address, or HS* or none.

import { decodeJwt, errors, type JWTHeaderParameters, type JWTPayload, jwtVerify } from "jose";
import { z } from "zod";
import { AppError } from "../errors.ts";
import { type Fetch, isDocumentUrl } from "./issuer_documents.ts";
import { IssuerKeys, KEY_TIMES, type KeyRules, KeysUnavailable, type KeyTimes } from "./issuer_keys.ts";

const MAX_TOKEN_CHARACTERS = 8192;
const CLOCK_TOLERANCE_SECONDS = 5;
/** So many issuers' keys are kept; then those unused longest go. */
const MAX_ISSUERS = 500;
const COMPACT_JWS = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/;
/** ID tokens and access tokens (RFC 9068); what has a type of its own (logout, DPoP, …) is neither. */
const TYPES = new Set([undefined, "jwt", "at+jwt", "application/at+jwt"]);

const url = z.string().max(2048).refine((text) => isDocumentUrl(text, true), "Give an https address");
const claimName = z.string().min(1).max(200);

/**
 * An issuer that is trusted, as a tenant configures it.
 *
 * For Supabase: `issuer` is `https://<project>.supabase.co/auth/v1`, `audience` is `authenticated`, `jwksUri` is the
 * issuer with `/.well-known/jwks.json`, `algorithms` are `["ES256"]` or `["RS256"]` as the project signs, and
 * `required` should hold `{"role": "authenticated", "is_anonymous": false}`. Projects that still sign with the legacy
 * shared secret (HS256) are not accepted: whoever can check such a token can also make one, so move the project to
 * asymmetric signing keys first.
 */
export const externalIssuer = z.strictObject({
  /** Exactly as `iss` has it. */
  issuer: url,
  /** What `aud` must be or hold. */
  audience: z.string().min(1).max(500),
  /** Where the keys are; without it, where the issuer's discovery document says. */
  jwksUri: url.optional(),
  algorithms: z.array(z.enum(["RS256", "PS256", "ES256", "EdDSA"])).min(1).max(4),
  /**
   * The names of claims, when they are not the usual ones; dots lead into objects. Never name something that people can
   * write themselves, such as Supabase's `user_metadata`.
   */
  claims: z.strictObject({
    subject: claimName.optional(),
    email: claimName.optional(),
    emailVerified: claimName.optional(),
    name: claimName.optional(),
  }).optional(),
  /** Whether the issuer gives no address that it did not verify; then `email_verified` need not be there. */
  trustEmail: z.boolean().optional(),
  /** Claims that must have these values. */
  required: z.record(claimName, z.union([z.string(), z.number(), z.boolean()])).optional(),
});

/** What {@link externalIssuer} gives. */
export type ExternalIssuer = z.output<typeof externalIssuer>;

/** Who a token of an external issuer names: `issuer` and `subject` together are the identity, never the address. */
export interface ExternalIdentity {
  issuer: string;
  subject: string;
  email: string | null;
  emailVerified: boolean;
  name: string | null;
  expiresAt: Date;
  claims: JWTPayload;
}

/** A token as a caller showed it: it claims to be of another issuer, and nothing of it is verified. */
export interface PresentedToken {
  kind: "presented_token";
  /** It names no tenant. */
  tenantId: null;
  token: string;
}

/** What {@link createExternalIssuers} gives. */
export interface ExternalIssuers {
  /**
   * Who the token names, if one of these issuers signed it.
   * @throws AppError `token_expired`, `issuer_unavailable` when its keys cannot be had, or `unauthorized` for every other fault.
   */
  verify(token: string, trusted: readonly ExternalIssuer[]): Promise<ExternalIdentity>;
}

/** What {@link createExternalIssuers} needs. */
export interface ExternalIssuerOptions {
  /** Goes out through the egress check; never the platform's own fetch. */
  fetch: Fetch;
  /** Whether issuers at 127.0.0.1, [::1] and localhost may speak plain http; default false. */
  allowLoopback?: boolean;
  /** Default {@link KEY_TIMES}. */
  times?: Partial<KeyTimes>;
  /** Milliseconds that one document may take; default 5,000. */
  timeoutMs?: number;
  /** Bytes that one document may have; default 256 KiB. */
  maxBytes?: number;
  /** Milliseconds since 1970, for tests. */
  now?: () => number;
}

/** Verifies tokens of external issuers; keeps their keys, so make one for a process. */
export function createExternalIssuers(options: ExternalIssuerOptions): ExternalIssuers {
  const rules: KeyRules = {
    fetch: options.fetch,
    allowLoopback: options.allowLoopback ?? false,
    timeoutMs: options.timeoutMs ?? 5000,
    maxBytes: options.maxBytes ?? 256 * 1024,
    times: { ...KEY_TIMES, ...options.times },
    now: options.now ?? Date.now,
  };
  const known = new Map<string, IssuerKeys>();

  /** Known by both addresses: what one tenant says of an issuer is nothing to another. */
  function keysOf({ issuer, jwksUri }: ExternalIssuer): IssuerKeys {
    const name = JSON.stringify([issuer, jwksUri]);
    const keys = known.get(name) ?? new IssuerKeys({ issuer, jwksUri }, rules);
    known.delete(name);
    if (known.size >= MAX_ISSUERS) known.delete(known.keys().next().value!);
    known.set(name, keys);
    return keys;
  }

  return {
    async verify(token, trusted) {
      if (token.length > MAX_TOKEN_CHARACTERS) throw refusal("The token is too long");
      const issuer = issuerOf(token);
      const config = trusted.find((one) => one.issuer === issuer);
      if (!config) throw refusal("The token's issuer is not trusted here");
      try {
        return await verifyBy(token, config, { keys: keysOf(config), now: rules.now });
      } catch (cause) {
        if (cause instanceof errors.JWTExpired) throw new AppError("token_expired", undefined, { cause });
        if (cause instanceof KeysUnavailable) {
          throw new AppError("issuer_unavailable", undefined, { cause, retryAfter: 5 });
        }
        throw refusal("The token is not valid", cause);
      }
    },
  };
}

/** A token that names an issuer as OpenID Connect has them, a URL; null for every other text, our own tokens among them. */
export function readPresented(token: string): PresentedToken | null {
  return /^https?:\/\//.test(issuerOf(token) ?? "") ? { kind: "presented_token", tenantId: null, token } : null;
}

/**
 * The `iss` that a token claims, unverified: only good for choosing whose rules it must pass. Null when it is no JWT.
 */
export function issuerOf(token: string): string | null {
  if (token.length > MAX_TOKEN_CHARACTERS || !COMPACT_JWS.test(token)) return null;
  try {
    const { iss } = decodeJwt(token);
    return typeof iss === "string" ? iss : null;
  } catch {
    return null;
  }
}

async function verifyBy(
  token: string,
  config: ExternalIssuer,
  { keys, now }: { keys: IssuerKeys; now: () => number },
): Promise<ExternalIdentity> {
  const { algorithms } = externalIssuer.shape.algorithms.safeParse(config.algorithms).success ? config : NONE;
  const { payload, protectedHeader } = await jwtVerify(token, (header) => keys.find(header as JWTHeaderParameters), {
    algorithms,
    issuer: config.issuer,
    audience: config.audience,
    requiredClaims: ["sub", "exp"],
    clockTolerance: CLOCK_TOLERANCE_SECONDS,
    currentDate: new Date(now()),
  });
  if (!TYPES.has(protectedHeader.typ?.toLowerCase())) throw new Error(`A token of type "${protectedHeader.typ}"`);
  for (const [name, value] of Object.entries(config.required ?? {})) {
    if (claimAt(payload, name) !== value) throw new Error(`The claim "${name}" has not the value that is required`);
  }
  return toIdentity(payload, config);
}

/** A list that is not sound (written past the schema) allows nothing. */
const NONE: { algorithms: string[] } = { algorithms: [] };

function toIdentity(payload: JWTPayload, config: ExternalIssuer): ExternalIdentity {
  const at = (name: string) => claimAt(payload, name);
  const subject = at(config.claims?.subject ?? "sub");
  if (typeof subject !== "string" || subject === "" || subject.length > 255) {
    throw new Error("The token has no subject");
  }
  const email = text(at(config.claims?.email ?? "email"), 320);
  const said = at(config.claims?.emailVerified ?? "email_verified");
  return {
    issuer: config.issuer,
    subject,
    email,
    // Some issuers write it as text.
    emailVerified: email !== null && (config.trustEmail === true || said === true || said === "true"),
    name: text(at(config.claims?.name ?? "name"), 200),
    expiresAt: new Date(payload.exp! * 1000),
    claims: payload,
  };
}

/** A claim by its whole name (names may be URLs), else by a path of names. */
export function claimAt(payload: Record<string, unknown>, name: string): unknown {
  if (Object.hasOwn(payload, name)) return payload[name];
  return name.split(".").reduce<unknown>(
    (within, part) =>
      typeof within === "object" && within !== null && Object.hasOwn(within, part)
        ? (within as Record<string, unknown>)[part]
        : undefined,
    payload,
  );
}

function text(value: unknown, max: number): string | null {
  return typeof value === "string" && value !== "" && value.length <= max ? value : null;
}

function refusal(detail: string, cause?: unknown): AppError {
  return new AppError("unauthorized", detail, { cause });
}
