// Access tokens: what we sign is accepted, and every forged, foreign, old or altered token is refused.

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { exportSPKI, generateKeyPair, SignJWT } from "jose";
import { AppError } from "../../src/errors.ts";
import { type Plane, signingKeys } from "../../src/identity/keys.ts";
import { createTokens } from "../../src/identity/tokens.ts";

const master = new Uint8Array(32).fill(7);
const issuer = "https://bulkhead.test";
const tokens = createTokens(master, { issuer, versions: [1] });
const member = {
  memberId: crypto.randomUUID(),
  tenantId: crypto.randomUUID(),
  role: "front_desk",
  sessionId: crypto.randomUUID(),
  permissions: { buildings: ["view"] },
  unitsOnly: true,
  accountId: crypto.randomUUID(),
  authenticatedAt: 1_700_000_000,
  mfa: true,
  accessVersion: 7,
};
const operator = {
  operatorId: crypto.randomUUID(),
  keyId: null,
  email: "ops@bulkhead.test",
  role: "admin",
  accessVersion: 3,
};
const memberClaims = {
  sub: member.memberId,
  tid: member.tenantId,
  sid: member.sessionId,
  role: "admin",
  ver: 7,
  auth_time: 1_700_000_000,
};
const operatorClaims = { sub: operator.operatorId, email: operator.email, role: "admin", ver: 3 };
const now = () => Math.floor(Date.now() / 1000);

interface Forgery {
  plane?: Plane;
  claims?: Record<string, unknown>;
  header?: Record<string, unknown>;
  key?: CryptoKey | Uint8Array;
}

/** Signs with our real key unless told otherwise: only the one fault that is planted can be what is refused. */
async function forge({ plane = "tenant", claims = {}, header = {}, key }: Forgery = {}): Promise<string> {
  const keys = await signingKeys(master, plane, 1);
  const base = plane === "tenant" ? memberClaims : operatorClaims;
  const payload = { ...base, iss: issuer, aud: plane, iat: now(), exp: now() + 900, ...claims };
  return await new SignJWT(JSON.parse(JSON.stringify(payload)))
    .setProtectedHeader({ alg: "EdDSA", typ: "at+jwt", kid: keys.kid, ...header })
    .sign(key ?? keys.privateKey);
}

/** A token with this header and payload and a given signature part, put together by hand. */
function handmade(header: unknown, payload: unknown, signature = ""): string {
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
  return `${part(header)}.${part(payload)}.${signature}`;
}

async function refused(token: string, code = "unauthorized", why = "") {
  await assert.rejects(() => tokens.verify(token), (error) => error instanceof AppError && error.code === code, why);
}

Deno.test("verify() gives the member that issueMember() signed for, for 15 minutes", async () => {
  const principal = await tokens.verify(await tokens.issueMember(member));
  const { expiresAt, ...rest } = principal;
  assert.deepEqual(rest, { kind: "member", ...member, duty: null });
  const held = await tokens.verify(await tokens.issueMember({ ...member, duty: "change_password" }));
  assert.equal(held.kind === "member" && held.duty, "change_password");
  assert.ok(Math.abs(expiresAt.getTime() - Date.now() - 900_000) < 2000);
});

Deno.test("verify() gives the operator that issueOperator() signed for", async () => {
  const { expiresAt: _, ...rest } = await tokens.verify(await tokens.issueOperator(operator));
  assert.deepEqual(rest, { kind: "operator", ...operator });
});

Deno.test("verify() accepts the unforged form of what the next tests alter", async () => {
  assert.equal((await tokens.verify(await forge())).kind, "member");
  assert.equal((await tokens.verify(await forge({ plane: "platform" }))).kind, "operator");
});

Deno.test("verify() refuses a token without a signature (alg none)", async () => {
  const { kid } = await signingKeys(master, "tenant", 1);
  const payload = { ...memberClaims, iss: issuer, aud: "tenant", iat: now(), exp: now() + 900 };
  for (const alg of ["none", "None", "NONE", "nOnE", ""]) {
    await refused(handmade({ alg, typ: "at+jwt", kid }, payload), "unauthorized", alg);
    await refused(handmade({ alg, typ: "at+jwt", kid }, payload, "AAAA"), "unauthorized", alg);
  }
});

Deno.test("verify() refuses HS256 keyed with our public key (algorithm confusion)", async () => {
  const { publicKey, publicJwk } = await signingKeys(master, "tenant", 1);
  const spki = new TextEncoder().encode(await exportSPKI(publicKey));
  for (const key of [spki, new Uint8Array(Buffer.from(publicJwk.x!, "base64url"))]) {
    await refused(await forge({ header: { alg: "HS256" }, key }));
  }
});

Deno.test("verify() refuses another algorithm even when the key is an honest one", async () => {
  const { privateKey } = await generateKeyPair("ES256");
  await refused(await forge({ header: { alg: "ES256" }, key: privateKey }));
});

Deno.test("verify() refuses a foreign key, under its own kid, under ours, and inside the header", async () => {
  const { privateKey, publicKey } = await generateKeyPair("EdDSA", { extractable: true });
  const jwk = await crypto.subtle.exportKey("jwk", publicKey);
  await refused(await forge({ key: privateKey }));
  await refused(await forge({ key: privateKey, header: { kid: "foreign" } }));
  await refused(await forge({ key: privateKey, header: { jwk } }));
  await refused(await forge({ key: privateKey, header: { kid: "foreign", jku: "https://evil.test/jwks.json" } }));
});

Deno.test("verify() refuses a missing and an odd kid", async () => {
  for (const kid of [undefined, "", "__proto__", "constructor", "../1", 7]) {
    await refused(await forge({ header: { kid } }), "unauthorized", String(kid));
  }
});

Deno.test("verify() refuses one plane's audience under the other plane's key", async () => {
  await refused(await forge({ plane: "tenant", claims: { aud: "platform", ...operatorClaims } }));
  await refused(await forge({ plane: "platform", claims: { aud: "tenant", ...memberClaims } }));
  await refused(await forge({ claims: { aud: ["tenant", "platform"] } }));
  await refused(await forge({ claims: { aud: "other" } }));
});

Deno.test("verify() refuses another issuer", async () => {
  for (const iss of ["https://evil.test", `${issuer}/`, "", ["https://evil.test", issuer]]) {
    await refused(await forge({ claims: { iss } }), "unauthorized", String(iss));
  }
});

Deno.test("verify() refuses another type, so that no other JWT of ours passes as an access token", async () => {
  for (const typ of ["JWT", "rt+jwt", "", undefined]) await refused(await forge({ header: { typ } }));
});

Deno.test("verify() says token_expired for an old token only", async () => {
  await refused(await forge({ claims: { iat: now() - 1000, exp: now() - 60 } }), "token_expired");
  await refused(await forge({ claims: { iat: now() + 300, exp: now() + 900 } }));
  await refused(await forge({ claims: { nbf: now() + 300 } }));
});

Deno.test("verify() refuses a token that lives longer than we ever sign", async () => {
  await refused(await forge({ claims: { iat: now() - 86_400, exp: now() + 86_400 } }), "token_expired");
});

Deno.test("verify() accepts a clock that is a few seconds off", async () => {
  await tokens.verify(await forge({ claims: { iat: now() + 2 } }));
  await tokens.verify(await forge({ claims: { iat: now() - 890, exp: now() - 2 } }));
});

Deno.test("verify() refuses a token with any of its claims missing or of the wrong kind", async () => {
  for (const claim of ["sub", "tid", "sid", "role", "ver", "auth_time", "iat", "exp", "iss", "aud"]) {
    await refused(await forge({ claims: { [claim]: undefined } }), "unauthorized", claim);
    await refused(await forge({ claims: { [claim]: { nested: true } } }), "unauthorized", claim);
  }
  await refused(await forge({ claims: { tid: "not-a-uuid" } }));
  for (const claim of ["sub", "email", "role", "ver"]) {
    await refused(await forge({ plane: "platform", claims: { [claim]: undefined } }), "unauthorized", claim);
  }
});

Deno.test("verify() refuses a token with any part altered", async () => {
  const token = await tokens.issueMember(member);
  const [header, , signature] = token.split(".");
  const other = await tokens.issueMember({ ...member, tenantId: crypto.randomUUID() });
  await refused(`${header}.${other.split(".")[1]}.${signature}`);
  await refused(`${token.slice(0, -10)}AAAAAAAAAA`);
  await refused(`${header}..${signature}`);
  for (const text of ["", ".", "..", "a.b.c", `${token}.x`, `${token} `, "null", "{}"]) await refused(text);
});

Deno.test("verify() refuses more than 4 KB before it parses", async () => {
  await refused(await forge({ claims: { pad: "x".repeat(5000) } }));
  await refused("a".repeat(10_000_000));
});

Deno.test("verify() refuses critical header extensions and unencoded payloads", async () => {
  await refused(await forge({ header: { crit: ["b64"], b64: false } }).catch(() => "not signed"));
  const { kid } = await signingKeys(master, "tenant", 1);
  await refused(handmade({ alg: "EdDSA", typ: "at+jwt", kid, crit: ["exp"] }, memberClaims, "AAAA"));
});

Deno.test("createTokens() signs with the first version and accepts the others until they are dropped", async () => {
  const before = createTokens(master, { issuer, versions: [1] });
  const during = createTokens(master, { issuer, versions: [2, 1] });
  const after = createTokens(master, { issuer, versions: [2] });
  const old = await before.issueMember(member);
  await during.verify(old);
  await after.verify(await during.issueMember(member));
  await assert.rejects(() => after.verify(old), { code: "unauthorized" });
  assert.throws(() => createTokens(master, { issuer, versions: [] }));
});

Deno.test("createTokens() of another installation refuses our tokens", async () => {
  const foreign = createTokens(new Uint8Array(32).fill(9), { issuer, versions: [1] });
  await assert.rejects(async () => foreign.verify(await tokens.issueMember(member)), { code: "unauthorized" });
});

Deno.test("jwks() publishes the public keys of both planes and no private part", async () => {
  const { keys } = await tokens.jwks();
  assert.equal(keys.length, 2);
  for (const key of keys) assert.deepEqual(Object.keys(key).sort(), ["alg", "crv", "kid", "kty", "use", "x"]);
});
