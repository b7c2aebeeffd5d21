// Signing in at a real OpenID provider, page by page: each kind of client and key, what is sent, what the provider's own
// refusals become, and which providers are not asked at all.

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { createEgress } from "../../src/integrations/egress/egress.ts";
import { createEgressFetch } from "../../src/integrations/egress/fetch.ts";
import { createOidc, type OidcConfig } from "../../src/integrations/oidc/oidc.ts";
import { browse, redirectUri, refuses, SECRET, signIn, withProvider } from "./oidc_stage.ts";

Deno.test("finish() says who signed in, for each kind of client and of key", () =>
  withProvider(async (stage) => {
    const { issuer } = stage.config;
    const configs: OidcConfig[] = [
      { issuer, clientId: "app", clientSecret: SECRET },
      { issuer, clientId: "post", clientSecret: SECRET, clientAuth: "post" },
      { issuer, clientId: "public" },
      ...(["PS256", "ES256", "EdDSA"] as const).map((algorithm) => ({
        issuer,
        clientId: algorithm,
        clientSecret: SECRET,
        algorithm,
      })),
    ];
    for (const config of configs) {
      const { claims, ...identity } = await signIn({ ...stage, config });
      assert.deepEqual(identity, {
        issuer,
        subject: "ada",
        email: "ada@example.test",
        emailVerified: true,
        name: "Ada",
      }, config.clientId);
      assert.equal(claims.aud, config.clientId);
    }
    assert.equal((await signIn(stage, "eve")).emailVerified, false);
    const { email, emailVerified, name } = await signIn(stage, "nemo");
    assert.deepEqual([email, emailVerified, name], [null, false, null]);
    const documents = stage.provider.requests.filter((path) => path.endsWith("/openid-configuration"));
    assert.equal(documents.length, 1);
  }));

Deno.test("finish() asks userinfo for what the ID token leaves out, and believes it about the same person only", () =>
  withProvider(async (stage) => {
    const { email, emailVerified } = await signIn(stage);
    assert.deepEqual([email, emailVerified], ["ada@example.test", true]);
    stage.tamper.with = async (url, answer) =>
      url.pathname === "/me" ? Response.json({ ...await answer.json(), sub: "root" }) : answer;
    await refuses(() => signIn(stage), /another issuer or person|not valid/, "another sub");
  }, true));

Deno.test("finish() sends the secret as the client was registered, and the verifier each time", () =>
  withProvider(async (stage) => {
    const { issuer } = stage.config;
    const cases: [OidcConfig, boolean, string | null][] = [
      [stage.config, true, null],
      [{ issuer, clientId: "post", clientSecret: SECRET, clientAuth: "post" }, false, SECRET],
      [{ issuer, clientId: "public" }, false, null],
    ];
    for (const [config, inHeader, secret] of cases) {
      const { saved, callback } = await browse({ ...stage, config });
      await stage.oidc.finish(config, callback, saved);
      const sent = stage.sent.at(-1)!;
      assert.equal(sent.authorization?.startsWith("Basic ") ?? false, inHeader, config.clientId);
      assert.equal(sent.body.get("client_secret"), secret);
      assert.equal(sent.body.get("code_verifier"), saved.verifier);
      assert.equal(sent.body.get("redirect_uri"), redirectUri);
    }
  }));

Deno.test("start() sends PKCE, state and nonce, new each time", () =>
  withProvider(async ({ oidc, config }) => {
    const one = await oidc.start(config, { redirectUri, loginHint: "ada@example.test" });
    const two = await oidc.start(config, { redirectUri });
    const query = Object.fromEntries(new URL(one.url).searchParams);
    assert.equal(query.code_challenge_method, "S256");
    const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(one.verifier));
    assert.equal(query.code_challenge, Buffer.from(digest).toString("base64url"));
    assert.equal(one.url.includes(one.verifier), false);
    assert.deepEqual([query.state, query.nonce, query.response_type], [one.state, one.nonce, "code"]);
    assert.deepEqual([query.scope, query.login_hint], ["openid email profile", "ada@example.test"]);
    for (const key of ["state", "nonce", "verifier"] as const) {
      assert.notEqual(one[key], two[key]);
      assert.ok(one[key].length >= 43);
    }
  }));

Deno.test("finish() turns the provider's refusals into sentences, and shows nothing else of what a URL says", () =>
  withProvider(async (stage) => {
    const refusal = async (error: string) => {
      const { url: _url, ...saved } = await stage.oidc.start(stage.config, { redirectUri });
      const said = { error, error_description: "<b>Call 555</b>", state: saved.state, iss: stage.config.issuer };
      return () => stage.oidc.finish(stage.config, new URLSearchParams(said), saved);
    };
    await refuses(await refusal("access_denied"), /^The sign-in was refused or given up at the identity/, "denied");
    await refuses(await refusal("login_required"), /^The identity provider refused the sign-in: "login_req/, "a code");
    await refuses(await refusal("<b>Call 555</b>"), /^The identity provider refused the sign-in$/, "made up");
    const wrongSecret = { ...stage, config: { ...stage.config, clientSecret: "wrong" } };
    await refuses(() => signIn(wrongSecret), /does not accept our client/, "a wrong secret");
    const { saved, callback } = await browse(stage);
    callback.searchParams.delete("code");
    await refuses(() => stage.oidc.finish(stage.config, callback, saved), /not valid/, "no code");
  }));

Deno.test("start() refuses discovery documents that are not sound, and tries again the next time", () =>
  withProvider(async (stage) => {
    const { config, provider } = stage;
    const document = await (await fetch(`${config.issuer}/.well-known/openid-configuration`)).json();
    const answers: Record<string, [() => Response, RegExp]> = {
      "another issuer": [() => Response.json({ ...document, issuer: "https://evil.test" }), /another issuer/],
      "a slash more": [() => Response.json({ ...document, issuer: `${config.issuer}/` }), /calls itself otherwise/],
      "a script to send the browser to": [
        () => Response.json({ ...document, authorization_endpoint: "javascript:alert(1)" }),
        /lacks an https address/,
      ],
      "keys without TLS": [() => Response.json({ ...document, jwks_uri: "http://id.test/jwks" }), /lacks an https/],
      "no token endpoint": [() => Response.json({ ...document, token_endpoint: undefined }), /lacks an https/],
      "a page": [() => new Response("<html>", { headers: { "content-type": "text/html" } }), /not answer with JSON/],
      "nothing there": [() => Response.json({}, { status: 404 }), /not answer as it should/],
      "a redirect": [() => new Response(null, { status: 302, headers: { location: "http://x" } }), /not answer as it/],
    };
    for (const [name, [answer, sentence]] of Object.entries(answers)) {
      stage.tamper.with = () => answer();
      await refuses(() => stage.oidc.start(config, { redirectUri }), sentence, name);
    }
    stage.tamper.with = () => Promise.reject(new Error("Connection reset by a host with a secret name"));
    await refuses(() => stage.oidc.start(config, { redirectUri }), /^The identity provider cannot be reached$/, "away");
    stage.tamper.with = (_url, answer) => answer;
    assert.ok((await stage.oidc.start(config, { redirectUri })).url.startsWith(provider.issuer));
  }));

Deno.test("start() connects to no address that the egress check refuses, nor without TLS", () =>
  withProvider(async ({ config, provider }) => {
    const asked = provider.requests.length;
    const closed = createOidc({
      fetch: createEgressFetch(createEgress([]), { plainLoopback: true }),
      allowLoopback: true,
    });
    await refuses(() => closed.start(config, { redirectUri }), /may not be connected to/, "closed", "egress_refused");
    const strict = createOidc({ fetch });
    for (const issuer of [config.issuer, "http://id.example.test", "file:///x", "https://a:b@id.example.test", "x"]) {
      await refuses(() => strict.start({ ...config, issuer }, { redirectUri }), /not https/, issuer);
    }
    assert.equal(provider.requests.length, asked);
  }));
