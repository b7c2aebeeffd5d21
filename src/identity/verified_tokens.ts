// Tokens that were verified a moment ago: checking a signature costs more than all else that a short request does before
// the database. A token says nothing that could change before it expires (closed sessions and tenants are found
// elsewhere), and expiry is looked at each time. What must not happen here: keeping one that was not verified.
import type { Principal } from "./principal.ts";

/** So many are kept, some 4 MiB with their texts; then the one unused longest goes. */
const MAX_TOKENS = 4_096;

/**
 * Verified tokens of one process, known by their text. A hash of it would cost more than the rest of the look-up and hide
 * nothing: whoever reads this memory finds the key that signs tokens.
 */
export class VerifiedTokens {
  #principals = new Map<string, Principal>();

  /** The principal of a token that was verified before and has not expired since; null for every other token. */
  known(token: string): Principal | null {
    const principal = this.#principals.get(token);
    if (!principal) return null;
    this.#principals.delete(token);
    if (principal.expiresAt.getTime() <= Date.now()) return null;
    this.#principals.set(token, principal);
    return { ...principal };
  }

  /** The principal of a token, verified now or before and not expired since. Throws what `verify` throws. */
  async get(token: string, verify: () => Promise<Principal>): Promise<Principal> {
    const known = this.known(token);
    if (known) return known;
    const principal = await verify();
    if (this.#principals.size >= MAX_TOKENS) this.#principals.delete(this.#principals.keys().next().value!);
    this.#principals.set(token, principal);
    return { ...principal };
  }
}
