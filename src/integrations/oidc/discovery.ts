// What providers publish of themselves (OpenID Connect Discovery 1.0), kept for some minutes, and the fetch with which
// all of a provider's endpoints are asked: https only, whatever the document says.

import * as oauth from "oauth4webapi";
import type { Fetch } from "../egress/fetch.ts";
import { failed } from "./failures.ts";

const FRESH_MS = 10 * 60 * 1000;
const TIMEOUT_MS = 10_000;
/** So many documents are kept; then those unused longest go. */
const MAX_DOCUMENTS = 500;
const LOOPBACK = new Set(["127.0.0.1", "[::1]", "localhost"]);

/** What {@link createDiscovery} needs. */
export interface DiscoveryOptions {
  fetch: Fetch;
  allowLoopback: boolean;
  now: () => number;
}

/** What {@link createDiscovery} gives. */
export interface Discovery {
  /** The document of an issuer, fetched or kept. @throws AppError `oidc_failed` when it is not about this issuer. */
  find(issuer: string): Promise<oauth.AuthorizationServer>;
  /** Refuses every address but https (and loopback where that is allowed), and follows no redirects. */
  fetch: (url: string, init: oauth.CustomFetchOptions<string, unknown>) => Promise<Response>;
}

/** Reads and keeps discovery documents. */
export function createDiscovery({ fetch, allowLoopback, now }: DiscoveryOptions): Discovery {
  const kept = new Map<string, { document: Promise<oauth.AuthorizationServer>; at: number }>();

  const secureFetch: Discovery["fetch"] = async (url, init) => {
    if (!isSecure(url, allowLoopback)) throw failed("The identity provider has an address that is not https");
    return await fetch(url, { ...init as RequestInit, redirect: "manual" });
  };

  async function read(issuer: string): Promise<oauth.AuthorizationServer> {
    if (!isSecure(issuer, allowLoopback)) throw failed("The identity provider has an address that is not https");
    const response = await oauth.discoveryRequest(new URL(issuer), {
      algorithm: "oidc",
      [oauth.customFetch]: secureFetch,
      [oauth.allowInsecureRequests]: allowLoopback,
      signal: () => AbortSignal.timeout(TIMEOUT_MS),
    });
    const document = await oauth.processDiscoveryResponse(new URL(issuer), response);
    // The library compares them as URLs; tokens will carry the text.
    if (document.issuer !== issuer) throw failed(`The identity provider calls itself otherwise than "${issuer}"`);
    // The browser is sent there: no `javascript:`, no plain http.
    const { authorization_endpoint: login, token_endpoint: token, jwks_uri: keys } = document;
    for (const endpoint of [login, token, keys]) {
      if (typeof endpoint !== "string" || !isSecure(endpoint, allowLoopback)) {
        throw failed("The identity provider's discovery document lacks an https address that a sign-in needs");
      }
    }
    return document;
  }

  return {
    fetch: secureFetch,
    async find(issuer) {
      const known = kept.get(issuer);
      const entry = known && now() - known.at < FRESH_MS ? known : { document: read(issuer), at: now() };
      kept.delete(issuer);
      if (kept.size >= MAX_DOCUMENTS) kept.delete(kept.keys().next().value!);
      kept.set(issuer, entry);
      try {
        return await entry.document;
      } catch (error) {
        if (kept.get(issuer) === entry) kept.delete(issuer);
        throw error;
      }
    },
  };
}

function isSecure(text: string, allowLoopback: boolean): boolean {
  const url = URL.parse(text);
  if (!url || url.username || url.password || url.hash) return false;
  return url.protocol === "https:" || (allowLoopback && url.protocol === "http:" && LOOPBACK.has(url.hostname));
}
