// Signing in at a tenant's own identity provider: OpenID Connect, authorization code flow with PKCE (S256), state and
// nonce, over oauth4webapi. The caller keeps what `start` gives, once, bound to the browser, and hands it to `finish`.
// What must not happen here: an answer that is not tied to a sign-in begun in the same browser at the same issuer.

import { createHash, timingSafeEqual } from "node:crypto";
import * as oauth from "oauth4webapi";
import { AppError } from "../../errors.ts";
import type { Fetch } from "../egress/fetch.ts";
import { createDiscovery } from "./discovery.ts";
import { failed, withClearErrors } from "./failures.ts";

const CLOCK_TOLERANCE_SECONDS = 5;
const TIMEOUT_MS = 10_000;

/** How a tenant's provider is reached; the provider's administrator gives these. */
export interface OidcConfig {
  /** Exactly as the provider's discovery document and its tokens name it. */
  issuer: string;
  clientId: string;
  /** Without it the client is public: PKCE alone ties the code to us. */
  clientSecret?: string;
  /** How the secret is sent; default "basic". Says nothing without a secret. */
  clientAuth?: "basic" | "post";
  /** What ID tokens must be signed with; default RS256, which is what providers use unless they were told otherwise. */
  algorithm?: "RS256" | "PS256" | "ES256" | "EdDSA";
  /** Default `openid email profile`; `openid` is always among them. */
  scopes?: string[];
}

/** What ties an answer to its beginning: single use, for some minutes, bound to the browser (a cookie) and tenant. */
export interface OidcSaved {
  issuer: string;
  redirectUri: string;
  state: string;
  /** Secret: it proves to the provider that who began the sign-in finishes it (RFC 7636). */
  verifier: string;
  nonce: string;
}

/** A sign-in that was begun. */
export interface OidcStart extends OidcSaved {
  /** Where to send the browser. */
  url: string;
}

/** Who signed in: `issuer` and `subject` together are the identity; an address can be given to somebody else. */
export interface OidcIdentity {
  issuer: string;
  subject: string;
  email: string | null;
  /** Whether the provider says that the address belongs to this person. */
  emailVerified: boolean;
  name: string | null;
  /** Of the ID token and, where it left something out, of the provider's userinfo. */
  claims: Record<string, unknown>;
}

/** What {@link createOidc} gives. */
export interface Oidc {
  /**
   * Begins a sign-in.
   * @throws AppError `oidc_failed` when the provider cannot be reached or its discovery document is not sound,
   * `egress_refused` when its address may not be connected to.
   */
  start(config: OidcConfig, options: { redirectUri: string; loginHint?: string }): Promise<OidcStart>;
  /**
   * Takes the provider's answer.
   * @param callback The URL that the browser came back to, or its query.
   * @throws AppError `oidc_failed` with a sentence that says whose fault it is, or `egress_refused`.
   */
  finish(config: OidcConfig, callback: URL | URLSearchParams, saved: OidcSaved): Promise<OidcIdentity>;
}

/** What {@link createOidc} needs. */
export interface OidcOptions {
  /** Goes out through the egress check, with its limits of time and bytes, and follows no redirects. */
  fetch: Fetch;
  /** Whether providers at 127.0.0.1, [::1] and localhost may speak plain http; default false. */
  allowLoopback?: boolean;
  /** Milliseconds since 1970, for tests. */
  now?: () => number;
}

/** Signs people in at tenants' providers; keeps discovery documents, so make one for a process. */
export function createOidc(options: OidcOptions): Oidc {
  const discovery = createDiscovery({
    fetch: options.fetch,
    allowLoopback: options.allowLoopback ?? false,
    now: options.now ?? Date.now,
  });
  const requests = {
    [oauth.customFetch]: discovery.fetch,
    [oauth.allowInsecureRequests]: options.allowLoopback ?? false,
    signal: () => AbortSignal.timeout(TIMEOUT_MS),
  };
  return {
    start: (config, { redirectUri, loginHint }) =>
      withClearErrors(async () => await begin(await discovery.find(config.issuer), config, { redirectUri, loginHint })),
    finish: (config, callback, saved) =>
      withClearErrors(async () => {
        const answer = callback instanceof URL ? callback.searchParams : callback;
        checkState(answer, saved);
        if (saved.issuer !== config.issuer) throw failed("The sign-in was begun at another identity provider");
        // A copy: the library keeps key sets by this object, and keys that were rotated a moment ago must be seen.
        const server = { ...await discovery.find(config.issuer) };
        return await exchange(server, config, { answer, saved, requests });
      }),
  };
}

async function begin(
  server: oauth.AuthorizationServer,
  config: OidcConfig,
  { redirectUri, loginHint }: { redirectUri: string; loginHint?: string },
): Promise<OidcStart> {
  const [state, nonce, verifier] = [
    oauth.generateRandomState(),
    oauth.generateRandomNonce(),
    oauth.generateRandomCodeVerifier(),
  ];
  const url = new URL(server.authorization_endpoint!);
  const parameters = {
    response_type: "code",
    client_id: config.clientId,
    redirect_uri: redirectUri,
    scope: [...new Set(["openid", ...config.scopes ?? ["email", "profile"]])].join(" "),
    state,
    nonce,
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: "S256",
    ...(loginHint === undefined ? {} : { login_hint: loginHint }),
  };
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
  return { url: url.href, issuer: config.issuer, redirectUri, state, verifier, nonce };
}

/** Before anything else: an answer that this browser did not ask for is looked at no further (login CSRF). */
function checkState(answer: URLSearchParams, saved: OidcSaved): void {
  const digest = (text: string) => createHash("sha256").update(text).digest();
  const given = answer.getAll("state");
  const right = given.length === 1 && saved.state !== "" && timingSafeEqual(digest(given[0]), digest(saved.state));
  if (!right) throw failed("This sign-in was not begun in this browser, or was finished before: begin again");
}

interface Exchange {
  answer: URLSearchParams;
  saved: OidcSaved;
  requests: oauth.HttpRequestOptions<"GET"> & oauth.TokenEndpointRequestOptions;
}

async function exchange(
  server: oauth.AuthorizationServer,
  config: OidcConfig,
  { answer, saved, requests }: Exchange,
): Promise<OidcIdentity> {
  const client: oauth.Client = {
    client_id: config.clientId,
    id_token_signed_response_alg: config.algorithm ?? "RS256",
    [oauth.clockTolerance]: CLOCK_TOLERANCE_SECONDS,
  };
  const parameters = oauth.validateAuthResponse(server, client, answer, saved.state);
  const response = await oauth.authorizationCodeGrantRequest(
    server,
    client,
    clientAuthentication(config),
    parameters,
    saved.redirectUri,
    saved.verifier,
    requests,
  );
  const expected = { expectedNonce: saved.nonce, requireIdToken: true };
  const tokens = await oauth.processAuthorizationCodeResponse(server, client, response, expected);
  // The library leaves the signature to TLS unless asked; a token is only as good as its signature here.
  await oauth.validateApplicationLevelSignature(server, response, requests);
  const claims = oauth.getValidatedIdTokenClaims(tokens)!;
  return toIdentity(server.issuer, await completed(server, client, { claims, tokens, requests }));
}

/** Providers may leave the address to userinfo (OpenID Connect Core 1.0, 5.4). The ID token's own claims win. */
async function completed(
  server: oauth.AuthorizationServer,
  client: oauth.Client,
  { claims, tokens, requests }: {
    claims: oauth.IDToken;
    tokens: oauth.TokenEndpointResponse;
    requests: oauth.HttpRequestOptions<"GET">;
  },
): Promise<oauth.IDToken> {
  if (claims.email !== undefined || !server.userinfo_endpoint) return claims;
  const response = await oauth.userInfoRequest(server, client, tokens.access_token, requests);
  return { ...await oauth.processUserInfoResponse(server, client, claims.sub, response), ...claims };
}

function clientAuthentication({ clientSecret, clientAuth }: OidcConfig): oauth.ClientAuth {
  if (clientSecret === undefined) return oauth.None();
  return clientAuth === "post" ? oauth.ClientSecretPost(clientSecret) : oauth.ClientSecretBasic(clientSecret);
}

function toIdentity(issuer: string, claims: oauth.IDToken): OidcIdentity {
  const { sub, email, email_verified, name } = claims;
  if (sub === "" || sub.length > 255) throw new AppError("oidc_failed", "The identity provider names nobody");
  const text = (value: unknown, max: number) =>
    typeof value === "string" && value !== "" && value.length <= max ? value : null;
  const address = text(email, 320);
  return {
    issuer,
    subject: sub,
    email: address,
    // Some providers write it as text.
    emailVerified: address !== null && (email_verified === true || email_verified === "true"),
    name: text(name, 200),
    claims,
  };
}
