// Opaque tokens (set-up links, API keys): 256 random bits, shown once, stored as their SHA-256 hash only.
// A plain hash is enough because the token itself cannot be guessed; never hash a password this way.
// Those of sessions are in refresh_tokens.ts.

import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";

/** A token to hand out once, and the hash to store. */
export interface SecretToken {
  token: string;
  hash: Uint8Array<ArrayBuffer>;
}

/**
 * A new token `<prefix>_<43 characters of base64url>`; the redactor knows this shape.
 * @param prefix Tells people and secret scanners what it is: 2 to 16 of `[a-z0-9_]`, a letter first.
 */
export function newSecretToken(prefix: string): SecretToken {
  if (!/^[a-z][a-z0-9_]{1,15}$/.test(prefix)) throw new Error(`The token prefix "${prefix}" is not valid`);
  const random = Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString("base64url");
  const token = `${prefix}_${random}`;
  return { token, hash: hashSecretToken(token) };
}

/** The SHA-256 of a token as given by a caller (32 bytes), for looking it up. */
export function hashSecretToken(token: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(createHash("sha256").update(token).digest());
}
