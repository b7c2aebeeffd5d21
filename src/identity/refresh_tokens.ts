// The secret part of a refresh token: it shows by itself that it was made here for its session. So an old one is known for
// what it is, however many came after it, and what somebody made up is refused before any database is asked.
import { Buffer } from "node:buffer";
import { createHmac, timingSafeEqual } from "node:crypto";
import { hashSecretToken, type SecretToken } from "./secret_tokens.ts";

/** The session that a token is for. */
export interface TokenSession {
  tenantId: string;
  sessionId: string;
}

const PREFIX = "bhr_";
const SECRET = /^bhr_[A-Za-z0-9_-]{43}$/;
/** Bytes that are random, or follow from the token before; as many of the proof come after them. */
const HALF = 16;

/** The first HALF bytes of an HMAC-SHA-256. */
function half(key: Uint8Array, what: string, { tenantId, sessionId }: TokenSession, of: string): Buffer {
  return createHmac("sha256", key).update(`${what}:${tenantId}:${sessionId}:${of}`).digest().subarray(0, HALF);
}

function prove(key: Uint8Array, session: TokenSession, nonce: Uint8Array): string {
  const proof = half(key, "issued", session, Buffer.from(nonce).toString("base64url"));
  return PREFIX + Buffer.concat([nonce, proof]).toString("base64url");
}

/** The first token of a session: 128 random bits and the proof. */
export function firstRefreshToken(key: Uint8Array, session: TokenSession): SecretToken {
  const token = prove(key, session, crypto.getRandomValues(new Uint8Array(HALF)));
  return { token, hash: hashSecretToken(token) };
}

/**
 * The token that comes after `used`, the same each time: whoever did not get it can be told it again, though only hashes are
 * stored. Nobody can tell it without the key.
 */
export function nextRefreshToken(key: Uint8Array, session: TokenSession, used: string): SecretToken {
  const token = prove(key, session, half(key, "next", session, used));
  return { token, hash: hashSecretToken(token) };
}

/** Whether this is, to the letter, a token that was made here for the session: its current one or any before. */
export function isRefreshToken(key: Uint8Array, session: TokenSession, text: string): boolean {
  if (!SECRET.test(text)) return false;
  const nonce = Buffer.from(text.slice(PREFIX.length), "base64url").subarray(0, HALF);
  return timingSafeEqual(Buffer.from(prove(key, session, nonce)), Buffer.from(text));
}
