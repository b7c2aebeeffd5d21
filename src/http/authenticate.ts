// Who calls: the bearer token, verified. Nothing is loaded here, and a bad token is refused even where none is needed.
import { AppError } from "../errors.ts";
import type { Principal, Tokens } from "../identity/tokens.ts";

/**
 * The principal of a request, or null when it carries no token.
 * @throws AppError `unauthorized` or `token_expired`.
 */
export async function authenticate(request: Request, tokens: Tokens): Promise<Principal | null> {
  const header = request.headers.get("authorization");
  if (header === null) return null;
  const match = /^Bearer ([A-Za-z0-9._~+/=-]+)$/i.exec(header);
  if (!match) throw new AppError("unauthorized", 'Send "Authorization: Bearer <access token>", once');
  return await tokens.verify(match[1]);
}
