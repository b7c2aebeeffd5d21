// A sign-in between a browser, our side and a real OpenID provider: what the provider answers goes through the egress
// fetch and can be changed on the way.

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import type { JWTPayload } from "jose";
import { AppError, type Code } from "../../src/errors.ts";
import { createEgress } from "../../src/integrations/egress/egress.ts";
import { createEgressFetch, type Fetch } from "../../src/integrations/egress/fetch.ts";
import { createOidc, type Oidc, type OidcConfig } from "../../src/integrations/oidc/oidc.ts";
import { type OidcProvider, startOidcProvider } from "../support/oidc_provider.ts";

/** Where the provider sends the browser back to; nobody listens there. */
export const redirectUri = "https://app.example.test/sso/callback";
/** Every confidential client's secret, with characters that must be escaped. */
export const SECRET = "a client's secret: with %41, & and +";
const client = (client_id: string, more: Record<string, unknown> = {}) => ({
  client_id,
  client_secret: SECRET,
  redirect_uris: [redirectUri],
  ...more,
});
const clients = [
  client("app"),
  client("post", { token_endpoint_auth_method: "client_secret_post" }),
  client("public", { client_secret: undefined, token_endpoint_auth_method: "none" }),
  ...["PS256", "ES256", "EdDSA"].map((alg) => client(alg, { id_token_signed_response_alg: alg })),
];
const accounts = [
  { id: "ada", email: "ada@example.test", emailVerified: true, name: "Ada" },
  { id: "eve", email: "ada@example.test", emailVerified: false, name: "Eve" },
  { id: "nemo" },
];

/** What a test has. */
export interface Stage {
  provider: OidcProvider;
  config: OidcConfig;
  /** An answer of the provider on its way to us; what is set here changes it. */
  tamper: { with: (url: URL, answer: Response) => Response | Promise<Response> };
  oidc: Oidc;
  /** What the provider's token endpoint was sent. */
  sent: { authorization: string | null; body: URLSearchParams }[];
}

/** Runs `fn` with a provider that stops afterwards. */
export async function withProvider(fn: (stage: Stage) => Promise<void>, claimsInUserinfo = false) {
  const provider = await startOidcProvider({ clients, accounts, claimsInUserinfo });
  const tamper: Stage["tamper"] = { with: (_url, answer) => answer };
  const guarded = createEgressFetch(createEgress(["127.0.0.1/32"]), { plainLoopback: true });
  const sent: Stage["sent"] = [];
  const through: Fetch = async (input, init) => {
    const url = new URL(String(input));
    const authorization = new Headers(init?.headers).get("authorization");
    if (url.pathname === "/token") sent.push({ authorization, body: new URLSearchParams(String(init?.body)) });
    return await tamper.with(url, await guarded(input, init));
  };
  try {
    const config = { issuer: provider.issuer, clientId: "app", clientSecret: SECRET };
    await fn({ provider, config, tamper, sent, oidc: createOidc({ fetch: through, allowLoopback: true }) });
  } finally {
    await provider.stop();
  }
}

/** From our page to the provider and back: the answer is not taken yet. */
export async function browse({ provider, oidc, config }: Stage, account = "ada") {
  const { url, ...saved } = await oidc.start(config, { redirectUri });
  return { saved, callback: new URL(await provider.login(url, account)) };
}

/** A whole sign-in. */
export async function signIn(stage: Stage, account = "ada") {
  const { saved, callback } = await browse(stage, account);
  return await stage.oidc.finish(stage.config, callback, saved);
}

/** The work ends in an AppError with this code and sentence. */
export function refuses(work: () => Promise<unknown>, sentence: RegExp, name: string, code: Code = "oidc_failed") {
  return assert.rejects(work, (error) => {
    assert.ok(error instanceof AppError, `${name}: ${error}`);
    assert.equal(error.code, code, name);
    assert.match(error.message, sentence, name);
    return true;
  });
}

/** Puts another ID token into the provider's answer. */
export function substitute(stage: Stage, make: (right: JWTPayload, original: string) => Promise<string | undefined>) {
  stage.tamper.with = async (url, answer) => {
    if (url.pathname !== "/token" || answer.status !== 200) return answer;
    const body = await answer.json();
    const right = JSON.parse(Buffer.from(body.id_token.split(".")[1], "base64url").toString());
    return Response.json({ ...body, id_token: await make(right, body.id_token) });
  };
}

/** One part of a token. */
export const base64url = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
