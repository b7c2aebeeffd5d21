// Recovery codes: ten single-use codes for somebody who lost their second factor, shown once.
// 50 bits each are too few for a plain hash to hide, so the hash is keyed by the installation (HMAC) and bound to the
// account: who steals the table can neither try codes nor move a row to another account. Counting tries is the caller's.

import { createHmac } from "node:crypto";
import { deriveBytes } from "./keys.ts";

/** How many codes one account has at a time. */
export const RECOVERY_CODE_COUNT = 10;

const CHARACTERS = 10;
// Crockford's base32: no i, l, o, u, so that nothing is misread. Its 32 characters make each byte's low 5 bits uniform.
const ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz";

/** Codes to show once and, in the same order, the hashes to store. */
export interface NewRecoveryCodes {
  /** As `xxxxx-xxxxx`. */
  codes: string[];
  hashes: Uint8Array<ArrayBuffer>[];
}

/** What {@link createRecoveryCodes} gives. */
export interface RecoveryCodes {
  /** Ten new codes for an account; they replace all earlier ones. */
  issue(accountId: string): NewRecoveryCodes;
  /** The hash (32 bytes) of a code as somebody typed it, to look up; null when it cannot be a code. */
  hash(accountId: string, typed: string): Uint8Array<ArrayBuffer> | null;
}

/** @param master The installation's master key. @throws Error when it is not 32 bytes. */
export function createRecoveryCodes(master: Uint8Array): RecoveryCodes {
  const key = deriveBytes(master, "recovery-codes");
  const keyed = (accountId: string, code: string) =>
    new Uint8Array(createHmac("sha256", key).update(`${accountId}:${code}`).digest());

  return {
    issue(accountId) {
      const codes = new Set<string>();
      while (codes.size < RECOVERY_CODE_COUNT) codes.add(newCode());
      return {
        codes: [...codes].map((code) => `${code.slice(0, 5)}-${code.slice(5)}`),
        hashes: [...codes].map((code) => keyed(accountId, code)),
      };
    },
    hash(accountId, typed) {
      const code = normalizeRecoveryCode(typed);
      return code === null ? null : keyed(accountId, code);
    },
  };
}

/**
 * A code as it is hashed: ten lower-case characters. Hyphens, spaces and capitals do not matter, o is read as 0, i and l
 * as 1 (Crockford). Null when it cannot be a code.
 */
export function normalizeRecoveryCode(typed: string): string | null {
  if (typed.length > 64) return null;
  const code = typed.toLowerCase().replace(/[\s-]/g, "").replaceAll("o", "0").replace(/[il]/g, "1");
  return code.length === CHARACTERS && [...code].every((character) => ALPHABET.includes(character)) ? code : null;
}

function newCode(): string {
  const random = crypto.getRandomValues(new Uint8Array(CHARACTERS));
  return Array.from(random, (byte) => ALPHABET[byte & 31]).join("");
}
