// Tokens that were verified a moment ago: checking a signature costs more than all else that a short request does before
// the database. A token says nothing that could change before it expires (closed sessions and tenants are found
// elsewhere), and expiry is looked at each time. What must not happen here: keeping one that was not verified.
import { createHash } from "node:crypto";
import type { Principal } from "./principal.ts";

/** So many are kept, about 1 MiB; then the one unused longest goes. */
const MAX_TOKENS = 4_096;

/** Verified tokens of one process, known by their hash, so that the memory holds no usable token. */
export class VerifiedTokens {
  #principals = new Map<string, Principal>();

  /** The principal of a token, verified now or before and not expired since. Throws what `verify` throws. */
  async get(token: string, verify: () => Promise<Principal>): Promise<Principal> {
    const hash = createHash("sha256").update(token).digest("hex");
    const known = this.#principals.get(hash);
    this.#principals.delete(hash);
    const principal = known && known.expiresAt.getTime() > Date.now() ? known : await verify();
    if (this.#principals.size >= MAX_TOKENS) this.#principals.delete(this.#principals.keys().next().value!);
    this.#principals.set(hash, principal);
    return { ...principal };
  }
}
