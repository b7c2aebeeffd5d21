// The part of a refresh token that only the platform can write: that this session was opened by this account. Sessions are
// rows of the tenant's placement, which its owner can write; without this part a session counts in its own tenant only.
import { Buffer } from "node:buffer";
import { createHmac, timingSafeEqual } from "node:crypto";

/** What a session's account proof says. */
export interface AccountProof {
  tenantId: string;
  sessionId: string;
  accountId: string;
  /** When the account showed its password, Unix seconds. */
  authenticatedAt: number;
  mfa: boolean;
}

function mac(key: Uint8Array, proof: AccountProof): string {
  const { tenantId, sessionId, accountId, authenticatedAt, mfa } = proof;
  return createHmac("sha256", key).update(`session:${tenantId}:${sessionId}:${accountId}:${authenticatedAt}:${mfa}`)
    .digest("base64url");
}

/** The proof as text: `<account id>.<seconds>.<0 or 1>.<mac>`. */
export function writeAccountProof(key: Uint8Array, proof: AccountProof): string {
  return [proof.accountId, proof.authenticatedAt, proof.mfa ? 1 : 0, mac(key, proof)].join(".");
}

/** What a proof says of this session, or null when it does not stand. */
export function readAccountProof(
  key: Uint8Array,
  session: Pick<AccountProof, "tenantId" | "sessionId">,
  text: string,
): AccountProof | null {
  const [accountId, seconds, mfa, given] = text.split(".");
  if (!given || !/^\d{1,12}$/.test(seconds)) return null;
  const proof = { ...session, accountId, authenticatedAt: Number(seconds), mfa: mfa === "1" };
  const [a, b] = [Buffer.from(mac(key, proof)), Buffer.from(given)];
  return a.length === b.length && timingSafeEqual(a, b) ? proof : null;
}
