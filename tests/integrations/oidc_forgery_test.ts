// What must not become a sign-in: each fault of the browser's answer and of the ID token is planted on its way from a
// real OpenID provider to us.

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { exportJWK, exportSPKI, generateKeyPair, importJWK, type JWTPayload, SignJWT } from "jose";
import type { OidcSaved } from "../../src/integrations/oidc/oidc.ts";
import { base64url, browse, refuses, SECRET, signIn, substitute, withProvider } from "./oidc_stage.ts";

Deno.test("finish() refuses an answer that this browser did not ask for, before it asks the provider anything", () =>
  withProvider(async (stage) => {
    const { saved, callback } = await browse(stage);
    const other = await browse(stage);
    const asked = stage.provider.requests.length;
    const begin = /begin again/;
    const without = new URLSearchParams(callback.searchParams);
    without.delete("state");
    const twice = new URLSearchParams([...callback.searchParams, ["state", saved.state]]);
    await refuses(() => stage.oidc.finish(stage.config, without, saved), begin, "no state");
    await refuses(() => stage.oidc.finish(stage.config, twice, saved), begin, "two states");
    await refuses(() => stage.oidc.finish(stage.config, other.callback, saved), begin, "another sign-in's state");
    const empty = new URLSearchParams([...without, ["state", ""]]);
    await refuses(() => stage.oidc.finish(stage.config, empty, { ...saved, state: "" }), begin, "none saved");
    const elsewhere = { ...saved, issuer: "https://other.test" };
    await refuses(() => stage.oidc.finish(stage.config, callback, elsewhere), /another identity provider/, "mixed up");
    assert.equal(stage.provider.requests.length, asked);
    assert.equal((await stage.oidc.finish(stage.config, callback, saved)).subject, "ada");
  }));

Deno.test("finish() refuses a code twice, another sign-in's code, another verifier and another redirect address", () =>
  withProvider(async (stage) => {
    const again = /finished before/;
    const finish = (callback: URL, saved: OidcSaved) => stage.oidc.finish(stage.config, callback, saved);
    const first = await browse(stage);
    await finish(first.callback, first.saved);
    await refuses(() => finish(first.callback, first.saved), again, "replayed");
    const [mine, theirs] = [await browse(stage), await browse(stage, "eve")];
    const injected = new URL(mine.callback);
    injected.searchParams.set("code", theirs.callback.searchParams.get("code")!);
    await refuses(() => finish(injected, mine.saved), again, "an injected code");
    const third = await browse(stage);
    const verifier = { ...third.saved, verifier: mine.saved.verifier };
    await refuses(() => finish(third.callback, verifier), again, "another verifier");
    const fourth = await browse(stage);
    const redirect = { ...fourth.saved, redirectUri: "https://evil.test/" };
    await refuses(() => finish(fourth.callback, redirect), again, "another redirect address");
  }));

Deno.test("finish() refuses an answer of another issuer, or of none where the provider names itself (RFC 9207)", () =>
  withProvider(async (stage) => {
    for (const iss of ["https://evil.test", `${stage.config.issuer}/`, null]) {
      const { saved, callback } = await browse(stage);
      assert.equal(callback.searchParams.get("iss"), stage.config.issuer);
      iss === null ? callback.searchParams.delete("iss") : callback.searchParams.set("iss", iss);
      await refuses(() => stage.oidc.finish(stage.config, callback, saved), /not valid/, String(iss));
    }
  }));

Deno.test("finish() refuses an ID token with one wrong claim, and accepts the same token without it", () =>
  withProvider(async (stage) => {
    const now = Math.floor(Date.now() / 1000);
    const wrong: Record<string, [JWTPayload, RegExp]> = {
      "another nonce": [{ nonce: "another" }, /not for this sign-in/],
      "no nonce": [{ nonce: undefined }, /not valid/],
      "another audience": [{ aud: "other" }, /not for this sign-in/],
      "several audiences, for another party": [{ aud: ["app", "other"], azp: "other" }, /not for this sign-in/],
      "several audiences, for nobody": [{ aud: ["app", "other"] }, /not valid|not for/],
      "another issuer": [{ iss: "https://evil.test" }, /not for this sign-in/],
      "expired": [{ exp: now - 60 }, /expired/],
      "no expiry": [{ exp: undefined }, /not valid/],
      "not valid yet": [{ nbf: now + 60 }, /expired, or the clocks differ/],
      "no subject": [{ sub: undefined }, /not valid/],
      "an empty subject": [{ sub: "" }, /not valid|names nobody/],
    };
    substitute(stage, (right) => stage.provider.issueToken({ claims: right }));
    assert.equal((await signIn(stage)).subject, "ada");
    for (const [name, [claims, sentence]] of Object.entries(wrong)) {
      substitute(stage, (right) => stage.provider.issueToken({ claims: { ...right, ...claims } }));
      await refuses(() => signIn(stage), sentence, name);
    }
  }));

Deno.test("finish() refuses an ID token that the provider's published keys did not sign in the agreed way", () =>
  withProvider(async (stage) => {
    const { provider } = stage;
    const jwk = provider.publicKeys().find(({ alg }) => alg === "RS256")!;
    const pem = await exportSPKI(await importJWK(jwk, "RS256") as CryptoKey);
    const own = await generateKeyPair("RS256", { extractable: true });
    const ownJwk = { ...await exportJWK(own.publicKey), alg: "RS256", kid: jwk.kid };
    const hmac = (claims: JWTPayload, secret: string) => {
      const signed = `${base64url({ alg: "HS256", kid: jwk.kid })}.${base64url(claims)}`;
      return Promise.resolve(`${signed}.${createHmac("sha256", secret).update(signed).digest("base64url")}`);
    };
    const signed = (claims: JWTPayload, header: Record<string, unknown>) =>
      new SignJWT(claims).setProtectedHeader({ alg: "RS256", ...header }).sign(own.privateKey);
    const wrong: Record<string, (right: JWTPayload, original: string) => Promise<string | undefined>> = {
      "the public key as a secret": (right) => hmac(right, pem),
      "the client's secret": (right) => hmac(right, SECRET),
      "alg none": (right) => Promise.resolve(`${base64url({ alg: "none" })}.${base64url(right)}.`),
      "another algorithm of the provider": (right) => provider.issueToken({ claims: right, alg: "ES256" }),
      "an unknown key id": (right) => provider.issueToken({ claims: right, header: { kid: "unknown" } }),
      "a key brought along": (right) => signed(right, { jwk: ownJwk, kid: jwk.kid }),
      "a key's address brought along": (right) => signed(right, { jku: `${provider.issuer}/x`, kid: "own" }),
      "somebody else's key": (right) => signed(right, { kid: jwk.kid }),
      "another payload": (right, original) => {
        const [header, , signature] = original.split(".");
        return Promise.resolve(`${header}.${base64url({ ...right, sub: "root" })}.${signature}`);
      },
      "an extension": (right) => provider.issueToken({ claims: right, header: { crit: ["x"], x: 1 } }),
      "no ID token": () => Promise.resolve(undefined),
      "no token at all": () => Promise.resolve("x"),
    };
    for (const [name, make] of Object.entries(wrong)) {
      substitute(stage, make);
      await refuses(() => signIn(stage), /not valid|not signed with one of its published keys/, name);
    }
    assert.equal(provider.requests.includes("/x"), false);
  }));

Deno.test("finish() sees rotated keys at once, also between two sign-ins and during one", () =>
  withProvider(async (stage) => {
    assert.equal((await signIn(stage)).subject, "ada");
    await stage.provider.rotateKeys();
    assert.equal((await signIn(stage)).subject, "ada");
    const old = await stage.provider.issueToken();
    const { saved, callback } = await browse(stage);
    await stage.provider.rotateKeys();
    assert.equal((await stage.oidc.finish(stage.config, callback, saved)).subject, "ada");
    const [header, , signature] = old.split(".");
    substitute(stage, (right) => Promise.resolve(`${header}.${base64url(right)}.${signature}`));
    await refuses(() => signIn(stage), /published keys/, "a withdrawn key");
  }));

Deno.test("finish() hangs nothing of the answers on its errors: no code, token, claim or secret", () =>
  withProvider(async (stage) => {
    let answered = "";
    substitute(stage, async (right) => {
      answered = await stage.provider.issueToken({ claims: { ...right, nonce: "another" } });
      return answered;
    });
    const { saved, callback } = await browse(stage);
    const errors: unknown[] = [];
    for (let i = 0; i < 2; i++) {
      await stage.oidc.finish(stage.config, callback, saved).catch((error) => errors.push(error));
    }
    assert.equal(errors.length, 2);
    const shown = Deno.inspect(errors, { depth: 20, strAbbreviateSize: Infinity });
    const secrets = [
      answered,
      callback.searchParams.get("code")!,
      saved.state,
      saved.verifier,
      SECRET,
      "ada@example.test",
    ];
    for (const secret of secrets) assert.equal(shown.includes(secret), false, secret);
  }));
