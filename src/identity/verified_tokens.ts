// Tokens that were verified a moment ago: checking a signature costs more than all else that a short request does before
// the database. A token says nothing that could change before it expires (closed sessions and tenants are found
// elsewhere), and expiry is looked at each time. What must not happen here: keeping one that was not verified.
import { createSHA256 } from "hash-wasm";
import type { Principal } from "./principal.ts";

/** So many are kept, about 1 MiB; then the one unused longest goes. */
const MAX_TOKENS = 4_096;

/** One for all hashes: node:crypto makes an object for each, which costs several times the hashing. */
const sha256 = await createSHA256();

/** Verified tokens of one process, known by their hash, so that the memory holds no usable token. */
export class VerifiedTokens {
  #principals = new Map<string, Principal>();

  /** The principal of a token that was verified before and has not expired since; null for every other token. */
  known(token: string): Principal | null {
    const hash = hashOf(token);
    const principal = this.#principals.get(hash);
    if (!principal) return null;
    this.#principals.delete(hash);
    if (principal.expiresAt.getTime() <= Date.now()) return null;
    this.#principals.set(hash, principal);
    return { ...principal };
  }

  /** The principal of a token, verified now or before and not expired since. Throws what `verify` throws. */
  async get(token: string, verify: () => Promise<Principal>): Promise<Principal> {
    const known = this.known(token);
    if (known) return known;
    const principal = await verify();
    if (this.#principals.size >= MAX_TOKENS) this.#principals.delete(this.#principals.keys().next().value!);
    this.#principals.set(hashOf(token), principal);
    return { ...principal };
  }
}

function hashOf(token: string): string {
  return sha256.init().update(token).digest("hex");
}
