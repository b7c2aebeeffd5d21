// Tokens that must not open anything, each wrong in one way, made with the installation's own keys where it takes them.
import { SignJWT } from "jose";
import { platformSigningKeys, type SigningKeys, tenantSigningKeys } from "../../src/identity/keys.ts";

type Plane = "tenant" | "platform";

/** What a token says, beside its times. */
export interface TokenClaims {
  sub: string;
  role: string;
  ver: number;
  tid?: string;
  sid?: string;
  email?: string;
}

interface Signing {
  keys: SigningKeys;
  issuer?: string;
  audience: string;
  type?: string;
  /** Seconds from now. */
  issued?: number;
  expires?: number;
  kid?: string;
}

async function sign(claims: TokenClaims, signing: Signing): Promise<string> {
  const { keys, issuer = "bulkhead", audience, type = "at+jwt", issued = 0, expires = 600, kid = keys.kid } = signing;
  const now = Math.floor(Date.now() / 1000);
  return await new SignJWT({ ...claims })
    .setProtectedHeader({ alg: "EdDSA", typ: type, kid })
    .setIssuer(issuer)
    .setAudience(audience)
    .setIssuedAt(now + issued)
    .setExpirationTime(now + expires)
    .sign(keys.privateKey);
}

/** Authorization headers by what is wrong with them, and the code that must answer. */
export async function wrongTokens(master: Uint8Array, plane: Plane, claims: TokenClaims, good: string) {
  const keysOf = (of: Uint8Array, by: Plane) =>
    by === "platform" ? platformSigningKeys(of, 1) : tenantSigningKeys(of, claims.tid ?? crypto.randomUUID(), 1);
  const keys = await keysOf(master, plane);
  const otherPlane = await keysOf(master, plane === "tenant" ? "platform" : "tenant");
  const stranger = await keysOf(crypto.getRandomValues(new Uint8Array(32)), plane);
  const notInUse = plane === "platform"
    ? await platformSigningKeys(master, 2)
    : await tenantSigningKeys(master, crypto.randomUUID(), 1);
  const [head, payload, signature] = good.split(".");
  const unsigned = btoa(JSON.stringify({ alg: "none", typ: "at+jwt", kid: keys.kid })).replace(/=+$/, "");
  const tokens: Record<string, string> = {
    "no token at all": "",
    "not a token": "not-a-token",
    "three words": "a.b.c",
    "a cut token": good.slice(0, -5),
    "a changed signature": `${head}.${payload}.${signature.slice(0, -4)}AAAA`,
    "an unsigned token": `${unsigned}.${payload}.`,
    "an unsigned token with a signature": `${unsigned}.${payload}.${signature}`,
    "another issuer": await sign(claims, { keys, issuer: "elsewhere", audience: plane }),
    "another audience": await sign(claims, { keys, audience: "elsewhere" }),
    "the other plane's audience": await sign(claims, { keys, audience: plane === "tenant" ? "platform" : "tenant" }),
    "the other plane's key": await sign(claims, { keys: otherPlane, audience: plane, kid: keys.kid }),
    "a stranger's key": await sign(claims, { keys: stranger, audience: plane }),
    "a stranger's key under our name": await sign(claims, { keys: stranger, audience: plane, kid: keys.kid }),
    "a key of ours that is another's, or not in use": await sign(claims, { keys: notInUse, audience: plane }),
    "another type": await sign(claims, { keys, audience: plane, type: "JWT" }),
    "a token from the future": await sign(claims, { keys, audience: plane, issued: 3_000, expires: 3_600 }),
  };
  const expired = await sign(claims, { keys, audience: plane, issued: -1_200, expires: -300 });
  const old = await sign(claims, { keys, audience: plane, issued: -1_200, expires: 3_000 });
  const headers: Record<string, { authorization: string; code: string }> = {
    "a token that lives too long": { authorization: `Bearer ${old}`, code: "token_expired" },
    "another scheme": { authorization: `Basic ${btoa("admin:admin")}`, code: "unauthorized" },
    "two tokens": { authorization: `Bearer ${good}, Bearer ${good}`, code: "unauthorized" },
    "an expired token": { authorization: `Bearer ${expired}`, code: "token_expired" },
  };
  for (const [name, token] of Object.entries(tokens)) {
    headers[name] = { authorization: `Bearer ${token}`, code: "unauthorized" };
  }
  return headers;
}
