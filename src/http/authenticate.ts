// Who calls: the token of the header or of the session cookie, verified, or an API key, taken apart. Nothing is loaded here,
// and a bad token is refused even where none is needed.
import { AppError } from "../errors.ts";
import { isApiKey, type PresentedKey, readApiKey } from "../identity/api_keys.ts";
import { type PresentedToken, readPresented } from "../identity/external_tokens.ts";
import type { Principal } from "../identity/principal.ts";
import type { Tokens } from "../identity/tokens.ts";
import { sessionCookies } from "./cookies.ts";

/** What a request shows: a token of ours, or something that has to be looked up first, where the tenant is known. */
export type Shown = Principal | PresentedKey | PresentedToken;

/**
 * The principal of a request, the key or the other issuer's token that it shows, or null when it carries none.
 * @throws AppError `unauthorized`, `token_expired`, or `invalid_request` when it carries two different ones.
 */
export async function authenticate(request: Request, tokens: Tokens): Promise<Shown | null> {
  const shown = new Set([bearer(request), request.headers.get("x-api-key"), sessionCookies(request).access]);
  shown.delete(null);
  if (shown.size > 1) throw new AppError("invalid_request", "Send one access token or API key, in one place");
  const [token] = shown;
  if (!token) return null;
  if (request.headers.has("x-api-key") && !isApiKey(token)) throw new AppError("unauthorized", "This is no API key");
  if (isApiKey(token)) return readApiKey(token);
  return readPresented(token) ?? await tokens.verify(token);
}

function bearer(request: Request): string | null {
  const header = request.headers.get("authorization");
  if (header === null) return null;
  const match = /^Bearer ([A-Za-z0-9._~+/=-]+)$/i.exec(header);
  if (!match) throw new AppError("unauthorized", 'Send "Authorization: Bearer <access token>", once');
  return match[1];
}
