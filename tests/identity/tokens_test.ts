// Access tokens: what we sign is accepted, and every forged, foreign, old or altered token is refused.

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { exportSPKI, generateKeyPair, SignJWT } from "jose";
import { AppError } from "../../src/errors.ts";
import { platformSigningKeys, tenantSigningKeys } from "../../src/identity/keys.ts";
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

type Plane = "tenant" | "platform";

/** The real key of a plane: of the member's tenant, or the platform's. */
const keysOf = (plane: Plane) =>
  plane === "tenant" ? tenantSigningKeys(master, member.tenantId, 1) : platformSigningKeys(master, 1);

interface Forgery {
  plane?: Plane;
  claims?: Record<string, unknown>;
  header?: Record<string, unknown>;
  key?: CryptoKey | Uint8Array;
}

/** Signs with our real key unless told otherwise: only the one fault that is planted can be what is refused. */
async function forge({ plane = "tenant", claims = {}, header = {}, key }: Forgery = {}): Promise<string> {
  const keys = await keysOf(plane);
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
  assert.deepEqual(rest, { kind: "member", ...member, duty: null, keyVersion: 1 });
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
  const { kid } = await keysOf("tenant");
  const payload = { ...memberClaims, iss: issuer, aud: "tenant", iat: now(), exp: now() + 900 };
  for (const alg of ["none", "None", "NONE", "nOnE", ""]) {
    await refused(handmade({ alg, typ: "at+jwt", kid }, payload), "unauthorized", alg);
    await refused(handmade({ alg, typ: "at+jwt", kid }, payload, "AAAA"), "unauthorized", alg);
  }
});

Deno.test("verify() refuses HS256 keyed with our public key (algorithm confusion)", async () => {
  const { publicKey, publicJwk } = await keysOf("tenant");
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
  const { tenantId: id } = member;
  const near = [
    id,
    `${id}.`,
    `${id}.0`,
    `${id}.01`,
    `${id}.1 `,
    `${id}.2`,
    `${id.toUpperCase()}.1`,
    `${id}.9999999999`,
  ];
  for (const kid of [undefined, "", "__proto__", "constructor", "../1", 7, ...near]) {
    await refused(await forge({ header: { kid } }), "unauthorized", String(kid));
  }
});

Deno.test("verify() refuses one tenant's token under another tenant's key, whatever it says of itself", async () => {
  const other = crypto.randomUUID();
  const { kid, privateKey } = await tenantSigningKeys(master, other, 1);
  await refused(await forge({ header: { kid }, key: privateKey }));
  await refused(await forge({ claims: { tid: other } }));
  await refused(await forge({ header: { kid } }));
  const { kid: platform } = await platformSigningKeys(master, 1);
  await refused(await forge({ header: { kid: platform }, key: (await platformSigningKeys(master, 1)).privateKey }));
  const { kind } = await tokens.verify(await forge({ header: { kid }, key: privateKey, claims: { tid: other } }));
  assert.equal(kind, "member");
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
  const { kid } = await keysOf("tenant");
  await refused(handmade({ alg: "EdDSA", typ: "at+jwt", kid, crit: ["exp"] }, memberClaims, "AAAA"));
});

Deno.test("createTokens() signs operators' with the first version and accepts the others until they are dropped", async () => {
  const before = createTokens(master, { issuer, versions: [1] });
  const during = createTokens(master, { issuer, versions: [2, 1] });
  const after = createTokens(master, { issuer, versions: [2] });
  const old = await before.issueOperator(operator);
  await during.verify(old);
  await after.verify(await during.issueOperator(operator));
  await assert.rejects(() => after.verify(old), { code: "unauthorized" });
  assert.throws(() => createTokens(master, { issuer, versions: [] }));
});

Deno.test("verify() says which version of the tenant's key signed", async () => {
  const visit = {
    tenantId: member.tenantId,
    operatorId: operator.operatorId,
    impersonationId: crypto.randomUUID(),
    email: operator.email,
    readOnly: true,
    accessVersion: 1,
    expiresAt: new Date(Date.now() + 60_000),
  };
  for (const keyVersion of [1, 2, 17]) {
    const issued = [
      await tokens.issueMember({ ...member, keyVersion }),
      await tokens.issueImpersonator({ ...visit, keyVersion }),
    ];
    for (const token of issued) {
      const principal = await tokens.verify(token);
      assert.equal("keyVersion" in principal && principal.keyVersion, keyVersion);
    }
  }
});

Deno.test("createTokens() of another installation refuses our tokens", async () => {
  const foreign = createTokens(new Uint8Array(32).fill(9), { issuer, versions: [1] });
  await assert.rejects(async () => foreign.verify(await tokens.issueMember(member)), { code: "unauthorized" });
});

Deno.test("jwks() publishes a tenant's public keys and no private part", async () => {
  const { keys } = await tokens.jwks(member.tenantId, [1, 2]);
  assert.deepEqual(keys.map(({ kid }) => kid), [`${member.tenantId}.1`, `${member.tenantId}.2`]);
  for (const key of keys) assert.deepEqual(Object.keys(key).sort(), ["alg", "crv", "kid", "kty", "use", "x"]);
});
