// Tokens of external issuers against a real OpenID provider: what is right is accepted, every forgery that is known is
// refused, and nothing in a token makes us fetch from somewhere else.

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { createHmac } from "node:crypto";
import { exportJWK, exportSPKI, generateKeyPair, importJWK, type JWK, SignJWT } from "jose";
import { AppError, type Code } from "../../src/errors.ts";
import {
  createExternalIssuers,
  type ExternalIssuer,
  externalIssuer,
  type ExternalIssuers,
  issuerOf,
} from "../../src/identity/external_tokens.ts";
import { type OidcProvider, startOidcProvider, type TokenWish } from "../support/oidc_provider.ts";

interface Stage {
  provider: OidcProvider;
  issuers: ExternalIssuers;
  config: ExternalIssuer;
}

async function withProvider(fn: (stage: Stage) => Promise<void>) {
  const provider = await startOidcProvider({ clients: [], accounts: [] });
  try {
    const issuers = createExternalIssuers({ fetch, allowLoopback: true, times: { cooldownMs: 0 } });
    await fn({ provider, issuers, config: { issuer: provider.issuer, audience: "app", algorithms: ["RS256"] } });
  } finally {
    await provider.stop();
  }
}

function refuses(work: () => Promise<unknown>, name: string, code: Code = "unauthorized") {
  return assert.rejects(work, (error) => error instanceof AppError && error.code === code, name);
}

const base64url = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");

Deno.test("verify() accepts every allowed algorithm, by discovery and by a given address", () =>
  withProvider(async ({ provider, issuers, config }) => {
    for (const alg of ["RS256", "PS256", "ES256", "EdDSA"] as const) {
      for (const jwksUri of [undefined, `${provider.issuer}/jwks`]) {
        const token = await provider.issueToken({ alg, claims: { email: "ada@example.test", email_verified: true } });
        const identity = await issuers.verify(token, [{ ...config, jwksUri, algorithms: [alg] }]);
        assert.equal(identity.issuer, provider.issuer);
        assert.equal(identity.subject, "ada");
        assert.equal(identity.email, "ada@example.test");
        assert.equal(identity.emailVerified, true);
        assert.ok(identity.expiresAt.getTime() > Date.now());
      }
    }
    assert.equal(provider.requests.filter((path) => path === "/jwks").length, 2);
  }));

Deno.test("verify() refuses claims that do not fit", () =>
  withProvider(async ({ provider, issuers, config }) => {
    const now = Math.floor(Date.now() / 1000);
    const wrong: Record<string, TokenWish> = {
      "another audience": { claims: { aud: "other" } },
      "no audience": { claims: { aud: undefined } },
      "another issuer": { claims: { iss: "https://evil.test" } },
      "the issuer with a slash": { claims: { iss: `${provider.issuer}/` } },
      "no issuer": { claims: { iss: undefined } },
      "no subject": { claims: { sub: undefined } },
      "an empty subject": { claims: { sub: "" } },
      "a subject that is not text": { claims: { sub: 1 as unknown as string } },
      "no expiry": { claims: { exp: undefined } },
      "an expiry that is not a number": { claims: { exp: "never" as unknown as number } },
      "not valid yet": { claims: { nbf: now + 60 } },
      "a logout token": { header: { typ: "logout+jwt" } },
      "a proof of possession": { header: { typ: "dpop+jwt" } },
      "an extension that must be understood": { header: { crit: ["x"], x: 1 } },
      "a key that is not there": { header: { kid: "unknown" } },
      "another key's id": { header: { kid: provider.publicKeys().find(({ alg }) => alg === "ES256")!.kid! } },
      "an algorithm that is not allowed": { alg: "ES256" },
    };
    const accepted = await provider.issueToken();
    assert.equal((await issuers.verify(accepted, [config])).subject, "ada");
    for (const [name, wish] of Object.entries(wrong)) {
      const token = await provider.issueToken(wish);
      await refuses(() => issuers.verify(token, [config]), name);
    }
    await refuses(() => issuers.verify(accepted, []), "nobody is trusted");
    await refuses(() => issuers.verify(accepted, [{ ...config, issuer: "https://other.test" }]), "somebody else is");
  }));

Deno.test("verify() tells an expired token apart, after 5 seconds of tolerance", () =>
  withProvider(async ({ provider, issuers, config }) => {
    const expired = await provider.issueToken({ expiresIn: -10 });
    await refuses(() => issuers.verify(expired, [config]), "expired", "token_expired");
    const justNow = await provider.issueToken({ expiresIn: -1 });
    assert.equal((await issuers.verify(justNow, [config])).subject, "ada");
    const forged = expired.slice(0, -8) + "AAAAAAAA";
    await refuses(() => issuers.verify(forged, [config]), "expired and forged", "unauthorized");
  }));

Deno.test("verify() refuses algorithm confusion: the public key as a shared secret, and none", () =>
  withProvider(async ({ provider, issuers, config }) => {
    const jwk = provider.publicKeys().find(({ alg }) => alg === "RS256")!;
    const spki = await exportSPKI(await importJWK(jwk, "RS256") as CryptoKey);
    const [, payload] = (await provider.issueToken()).split(".");
    const everything = { ...config, algorithms: ["RS256", "PS256", "ES256", "EdDSA"] } as ExternalIssuer;
    for (const secret of [spki, spki.trim(), JSON.stringify(jwk), jwk.n!, ""]) {
      const signed = `${base64url({ alg: "HS256", typ: "JWT", kid: jwk.kid })}.${payload}`;
      const token = `${signed}.${createHmac("sha256", secret).update(signed).digest("base64url")}`;
      await refuses(() => issuers.verify(token, [everything]), "HS256");
      // Even a configuration that was written past its schema opens nothing.
      const forced = { ...config, algorithms: ["HS256"] } as unknown as ExternalIssuer;
      await refuses(() => issuers.verify(token, [forced]), "HS256, allowed");
    }
    for (const alg of ["none", "None", "NONE", "", undefined]) {
      for (const signature of ["", "AAAA"]) {
        const token = `${base64url({ alg, typ: "JWT", kid: jwk.kid })}.${payload}.${signature}`;
        await refuses(() => issuers.verify(token, [everything]), `alg ${alg}`);
        const forced = { ...config, algorithms: ["none"] } as unknown as ExternalIssuer;
        await refuses(() => issuers.verify(token, [forced]), `alg ${alg}, allowed`);
      }
    }
  }));

Deno.test("verify() ignores keys and addresses that the token brings along", () =>
  withProvider(async ({ provider, issuers, config }) => {
    const { privateKey, publicKey } = await generateKeyPair("RS256", { extractable: true });
    const own: JWK = { ...await exportJWK(publicKey), kid: "own", alg: "RS256" };
    const real = provider.publicKeys().find(({ alg }) => alg === "RS256")!.kid!;
    const asked: string[] = [];
    const evil = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, (request) => {
      asked.push(request.url);
      return Response.json({ keys: [own, { ...own, kid: real }] });
    });
    try {
      const at = `http://127.0.0.1:${evil.addr.port}/jwks`;
      const headers: Record<string, unknown>[] = [{ jwk: own }, { jku: at }, { x5u: at }, { jwk: own, jku: at }];
      for (const extra of headers) {
        for (const kid of [real, "own", at, undefined]) {
          const token = await new SignJWT({ sub: "ada" }).setProtectedHeader({ alg: "RS256", kid, ...extra })
            .setIssuer(config.issuer).setAudience("app").setExpirationTime("5m").sign(privateKey);
          await refuses(() => issuers.verify(token, [config]), JSON.stringify([Object.keys(extra), kid]));
        }
      }
    } finally {
      await evil.shutdown();
    }
    assert.deepEqual(asked, []);
  }));

Deno.test("verify() refuses changed tokens, other spellings and huge ones, without fetching for them", () =>
  withProvider(async ({ provider, issuers, config }) => {
    const token = await provider.issueToken();
    const [header, payload, signature] = token.split(".");
    const admin = base64url({ iss: config.issuer, sub: "root", aud: "app", exp: 9_999_999_999 });
    await refuses(() => issuers.verify(`${header}.${admin}.${signature}`, [config]), "another payload");
    const before = provider.requests.length;
    const spellings = ["", "a", "a.b", "..", ` ${token}`, `${token}\n`, `${token}=`, `${token}.x`, `Bearer ${token}`];
    for (const text of [...spellings, `${header}.${payload}.`, `${token}${"A".repeat(8192)}`]) {
      await refuses(() => issuers.verify(text, [config]), text.slice(0, 20));
    }
    assert.equal(provider.requests.length, before);
  }));

Deno.test("verify() picks rotated keys up and lets go of the old ones", () =>
  withProvider(async ({ provider, issuers, config }) => {
    const old = await provider.issueToken();
    assert.equal((await issuers.verify(old, [config])).subject, "ada");
    await provider.rotateKeys();
    const renewed = await provider.issueToken({ claims: { sub: "grace" } });
    assert.equal((await issuers.verify(renewed, [config])).subject, "grace");
    await refuses(() => issuers.verify(old, [config]), "signed by a withdrawn key");
  }));

Deno.test("verify() maps claims, and takes an address for verified only when the issuer says so", () =>
  withProvider(async ({ provider, issuers, config }) => {
    const token = await provider.issueToken({
      claims: {
        email: "ada@example.test",
        "https://example.test/mail": "mapped@example.test",
        app_metadata: { person: { id: "p-1", name: "Ada" }, checked: true },
        user_metadata: { email_verified: true },
        role: "authenticated",
        is_anonymous: false,
      },
    });
    const plain = await issuers.verify(token, [config]);
    assert.deepEqual([plain.email, plain.emailVerified, plain.name], ["ada@example.test", false, null]);
    const trusting = await issuers.verify(token, [{ ...config, trustEmail: true }]);
    assert.equal(trusting.emailVerified, true);
    const mapped = await issuers.verify(token, [{
      ...config,
      claims: {
        subject: "app_metadata.person.id",
        email: "https://example.test/mail",
        emailVerified: "app_metadata.checked",
        name: "app_metadata.person.name",
      },
      required: { role: "authenticated", is_anonymous: false },
    }]);
    assert.deepEqual([mapped.subject, mapped.email, mapped.emailVerified, mapped.name], [
      "p-1",
      "mapped@example.test",
      true,
      "Ada",
    ]);
    const noSuch = { ...config, claims: { subject: "app_metadata.toString.name" } };
    await refuses(() => issuers.verify(token, [noSuch]), "a path that leads to no text");
    const unmet: ExternalIssuer["required"][] = [{ role: "admin" }, { is_anonymous: true }, { missing: "x" }, {
      role: 1,
    }];
    for (const required of unmet) {
      await refuses(() => issuers.verify(token, [{ ...config, required }]), JSON.stringify(required));
    }
  }));

Deno.test("externalIssuer refuses shared-secret algorithms, none, odd addresses and unknown keys", () => {
  const right = { issuer: "https://id.example.test/auth/v1", audience: "authenticated", algorithms: ["ES256"] };
  assert.ok(externalIssuer.safeParse(right).success);
  const wrong = [
    ...["HS256", "HS512", "none", "RS384", "rs256"].map((alg) => ({ ...right, algorithms: [alg] })),
    { ...right, algorithms: ["ES256", "HS256"] },
    { ...right, algorithms: [] },
    ...["http://id.example.test", "id.example.test", "https://a:b@id.test", "https://id.test/#x", "file:///x"]
      .flatMap((url) => [{ ...right, issuer: url }, { ...right, jwksUri: url }]),
    { ...right, audience: "" },
    { ...right, secret: "x" },
  ];
  for (const config of wrong) assert.equal(externalIssuer.safeParse(config).success, false, JSON.stringify(config));
});

Deno.test("issuerOf() reads the claimed issuer and nothing from what is no token", async () => {
  const { privateKey } = await generateKeyPair("EdDSA");
  const sign = (claims: Record<string, unknown>) =>
    new SignJWT(claims).setProtectedHeader({ alg: "EdDSA" }).sign(privateKey);
  assert.equal(issuerOf(await sign({ iss: "https://a.test" })), "https://a.test");
  for (const text of [await sign({ iss: 1 }), await sign({}), "", "a.b.c", "x".repeat(9000)]) {
    assert.equal(issuerOf(text), null);
  }
});
