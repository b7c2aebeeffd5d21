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
  const key = request.headers.get("x-api-key");
  const shown = [bearer(request), key, sessionCookies(request).access].filter((text) => text !== null);
  const [token] = shown;
  if (shown.some((text) => text !== token)) {
    throw new AppError("invalid_request", "Send one access token or API key, in one place");
  }
  if (!token) return null;
  if (isApiKey(token)) return readApiKey(token);
  if (key !== null) throw new AppError("unauthorized", "This is no API key");
  return tokens.known(token) ?? readPresented(token) ?? await tokens.verify(token);
}

function bearer(request: Request): string | null {
  const header = request.headers.get("authorization");
  if (header === null) return null;
  const match = /^Bearer ([A-Za-z0-9._~+/=-]+)$/i.exec(header);
  if (!match) throw new AppError("unauthorized", 'Send "Authorization: Bearer <access token>", once');
  return match[1];
}
