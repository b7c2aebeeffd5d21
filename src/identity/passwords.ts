// Password hashing with argon2id: off the main thread where there are Web Workers, in-process on edge runtimes.
// Unknown accounts cost the same work as known ones, and the queue is bounded: a flood of logins is answered 503
// instead of growing without limit.

import { AppError } from "../errors.ts";
import { DUMMY_HASH, isAcceptableHash } from "./argon2.ts";
import { Argon2Pool } from "./argon2_pool.ts";
import { MAX_PASSWORD_CHARACTERS } from "./password_policy.ts";

export { acceptPassword } from "./password_policy.ts";

/** What {@link createPasswords} gives. */
export interface Passwords {
  /** The argon2id hash in PHC form. @throws AppError `unprocessable` (empty or too long), `overloaded` (queue full). */
  hash(password: string): Promise<string>;
  /**
   * Whether the password gives this stored hash; for `null` (no such account) the same work is done, and it is false.
   * @throws AppError `overloaded` when too many are waiting.
   */
  verify(hash: string | null, password: string): Promise<boolean>;
  /** Ends the workers; what still waits is refused. A process with running workers does not exit by itself. */
  close(): void;
}

/** @param options `workers`: how many threads at most, started when first needed; 0 hashes in-process. Default 2. */
export function createPasswords(options: { workers?: number } = {}): Passwords {
  const pool = new Argon2Pool(typeof Worker === "undefined" ? 0 : options.workers ?? 2);
  return {
    hash: async (password) => {
      if (!isHashable(password)) {
        throw new AppError("unprocessable", `Give a password of 1 to ${MAX_PASSWORD_CHARACTERS} characters`);
      }
      return await pool.run({ kind: "hash", password }) as string;
    },
    verify: async (hash, password) => {
      if (!isHashable(password)) return false;
      const usable = hash !== null && isAcceptableHash(hash);
      const matches = await pool.run({ kind: "verify", password, hash: usable ? hash : DUMMY_HASH });
      return usable && matches === true;
    },
    close: () => pool.close(),
  };
}

function isHashable(password: string): boolean {
  return password.length >= 1 && password.length <= MAX_PASSWORD_CHARACTERS;
}
