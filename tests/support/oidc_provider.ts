// An OpenID provider on 127.0.0.1, the real `oidc-provider` package, for tests of single sign-on and of external tokens.
// It is driven as a browser would drive it: its own login and consent pages, with a cookie jar. Nothing in src knows it.

import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
// @ts-types="./oidc_provider_types.d.ts"
import Provider, { type Configuration } from "oidc-provider";
import {
  exportJWK,
  generateKeyPair,
  importJWK,
  type JWK,
  type JWTHeaderParameters,
  type JWTPayload,
  SignJWT,
} from "jose";
import { createStore } from "./oidc_store.ts";

/** A client of the provider, as its registration has it (RFC 7591). */
export interface OidcClient {
  client_id: string;
  /** None makes a public client. */
  client_secret?: string;
  redirect_uris: string[];
  token_endpoint_auth_method?: "client_secret_basic" | "client_secret_post" | "none";
  id_token_signed_response_alg?: "RS256" | "PS256" | "ES256" | "EdDSA";
}

/** Somebody who can sign in there; `id` becomes `sub`. */
export interface OidcAccount {
  id: string;
  email?: string;
  emailVerified?: boolean;
  name?: string;
}

/** What {@link OidcProvider.issueToken} signs; what is missing has a sound default. */
export interface TokenWish {
  claims?: JWTPayload;
  /** Over the right header: `kid`, `typ`, `jku`, …. */
  header?: Partial<JWTHeaderParameters> & Record<string, unknown>;
  /** Which of the provider's keys signs; default RS256. */
  alg?: OidcAlgorithm;
  /** Seconds from now; default 300. */
  expiresIn?: number;
}

/** The kinds of keys that the provider has. */
export type OidcAlgorithm = "RS256" | "PS256" | "ES256" | "EdDSA";

/** A running provider. */
export interface OidcProvider {
  issuer: string;
  /** Follows an authorization URL: signs `accountId` in, consents, and gives the URL that the browser is sent back to. */
  login(url: string, accountId: string): Promise<string>;
  /** New keys from now on; tokens signed before are not known any more. */
  rotateKeys(): Promise<void>;
  /** A token signed with the provider's present keys. */
  issueToken(wish?: TokenWish): Promise<string>;
  /** The public keys at present. */
  publicKeys(): JWK[];
  /** The paths asked for since the start, in order. */
  readonly requests: string[];
  stop(): Promise<void>;
}

interface Keys {
  jwks: JWK[];
  private: Record<OidcAlgorithm, { key: CryptoKey; kid: string }>;
}

type Handler = (request: IncomingMessage, response: ServerResponse) => unknown;

/** Who a provider knows. */
export interface OidcPopulation {
  clients: OidcClient[];
  accounts: OidcAccount[];
  /** Whether address and name are left to userinfo; by default the ID token has them. */
  claimsInUserinfo?: boolean;
}

/** Starts a provider on a free port. */
export async function startOidcProvider(population: OidcPopulation): Promise<OidcProvider> {
  const requests: string[] = [];
  let handler: Handler = (_request, response) => response.writeHead(503).end();
  const server = createServer((request, response) => {
    requests.push(new URL(request.url!, "http://127.0.0.1").pathname);
    handler(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const adapter = createStore();
  let keys: Keys;
  async function rotateKeys(): Promise<void> {
    keys = await newKeys();
    handler = quietly(() =>
      new Provider(issuer, { ...configuration(population, keys), adapter }).callback() as Handler
    );
  }
  await rotateKeys();

  return {
    issuer,
    requests,
    rotateKeys,
    login: (url, accountId) => browse(url, accountId),
    issueToken: (wish = {}) => issueToken(keys, issuer, wish),
    publicKeys: () => keys.jwks.map(({ kty, crv, n, e, x, y, kid, alg }) => ({ kty, crv, n, e, x, y, kid, alg })),
    stop: async () => {
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

/** The package warns on a terminal about this runtime and its pages for development; both are what we want. */
function quietly<T>(make: () => T): T {
  const { warn, info } = console;
  console.warn = console.info = () => {};
  try {
    return make();
  } finally {
    Object.assign(console, { warn, info });
  }
}

function configuration({ clients, accounts, claimsInUserinfo }: OidcPopulation, keys: Keys): Configuration {
  return {
    clients: clients.map((client) => ({ ...client })),
    jwks: { keys: keys.jwks } as Configuration["jwks"],
    claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["name"] },
    conformIdTokenClaims: claimsInUserinfo ?? false,
    cookies: { keys: ["only for tests"] },
    ttl: { Interaction: 600, Session: 600, Grant: 600, AccessToken: 600, IdToken: 600, AuthorizationCode: 60 },
    enabledJWA: { idTokenSigningAlgValues: ["RS256", "PS256", "ES256", "EdDSA"] },
    findAccount: (_context, id) => {
      const account = accounts.find((one) => one.id === id);
      if (!account) return undefined;
      const { email, emailVerified, name } = account;
      const claims = () => ({ sub: id, email, email_verified: emailVerified, name });
      return { accountId: id, claims };
    },
  };
}

async function newKeys(): Promise<Keys> {
  // One RSA pair under two ids, since making it takes longer than all the rest.
  const [rsa, ec, ed] = await Promise.all(["RS256", "ES256", "EdDSA"].map(newPrivateJwk));
  const named = Object.entries({ RS256: rsa, PS256: rsa, ES256: ec, EdDSA: ed }) as [OidcAlgorithm, JWK][];
  const jwks = named.map(([alg, jwk]) => ({ ...jwk, kid: crypto.randomUUID(), alg, use: "sig" }));
  const entry = async (jwk: JWK) => [jwk.alg, { key: await importJWK(jwk) as CryptoKey, kid: jwk.kid }];
  return { jwks, private: Object.fromEntries(await Promise.all(jwks.map(entry))) };
}

async function newPrivateJwk(alg: string): Promise<JWK> {
  return await exportJWK((await generateKeyPair(alg, { extractable: true })).privateKey);
}

async function issueToken(keys: Keys, issuer: string, wish: TokenWish): Promise<string> {
  const alg = wish.alg ?? "RS256";
  const { key, kid } = keys.private[alg];
  const now = Math.floor(Date.now() / 1000);
  const usual = { iss: issuer, sub: "ada", aud: "app", iat: now, exp: now + (wish.expiresIn ?? 300) };
  const header = { alg, typ: "JWT", kid, ...wish.header };
  return await new SignJWT({ ...usual, ...wish.claims }).setProtectedHeader(header)
    .sign(key, { crit: Object.fromEntries((header.crit ?? []).map((name) => [name, true])) });
}

/** A browser of few words: follows redirects within the provider, fills in its forms, stops where it is sent away. */
async function browse(start: string, accountId: string): Promise<string> {
  const jar = new Map<string, string>();
  const origin = new URL(start).origin;
  let url = start;
  let form: URLSearchParams | undefined;
  for (let step = 0; step < 20; step++) {
    const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join("; ");
    const method = form ? "POST" : "GET";
    const answer: Response = await fetch(url, { method, body: form, redirect: "manual", headers: { cookie } });
    for (const line of answer.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(line)!;
      value === "" ? jar.delete(name) : jar.set(name, value);
    }
    const page = await answer.text();
    const location = answer.headers.get("location");
    if (location) {
      url = new URL(location, url).href;
      form = undefined;
      if (new URL(url).origin !== origin) return url;
      continue;
    }
    const [, action] = /<form[^>]*action="([^"]+)"/.exec(page) ?? [];
    if (!action) {
      throw new Error(`The provider answered ${answer.status}: ${page.split("<body>").at(-1)!.slice(0, 500)}`);
    }
    const prompt = /name="prompt" value="(\w+)"/.exec(page)![1];
    form = new URLSearchParams({ prompt });
    if (prompt === "login") {
      form.set("login", accountId);
      form.set("password", "any");
    }
    url = new URL(action, url).href;
  }
  throw new Error("The provider sends its visitor in circles");
}
