// The signed tenant context: what app.tenant_id() in sql/policies/10_context.sql verifies. Whoever holds a placement's
// key can enter any tenant of that placement and of no other; the key is derived from the master key and never sent.
import { createHash, createHmac } from "node:crypto";

/**
 * How long a proof is good for, in seconds; the database refuses more than 60. It may be used for 20 seconds (db/proofs.ts)
 * and a transaction goes on with it for 10 (the pool's renewMs): 15 are left on either side for clocks that differ.
 */
const LIFETIME = 45;

/** What one operation is signed with. */
export interface Signer {
  keyId: number;
  /** 32 bytes. */
  key: Uint8Array;
}

/** Who acts, and what of their access the database compares with what is in force. */
export interface Acting {
  /** As `actorOf` in ../identity/principal.ts writes it; left out for the platform itself. */
  actor?: string;
  /** The member, key or visit and the version of its rights; left out where nothing is to be compared. */
  access?: { subject: string; version: number };
}

/**
 * Signs that somebody may act in `tenantId` for the next 45 seconds (HMAC-SHA256, RFC 2104).
 * @param acting Who; null for the platform itself.
 * @param pid The backend that it is bound to; 0 behind a transaction pooler, where none is known.
 * @returns `v1.<key id>.<actor>.<access>.<pid>.<expiry>.<mac>`
 */
export function signContext(signer: Signer, tenantId: string, acting: Acting | null, pid: number, now = Date.now()) {
  const expiry = Math.floor(now / 1000) + LIFETIME;
  const access = acting?.access ? `${acting.access.subject}:${acting.access.version}` : "-";
  const head = `v1.${signer.keyId}.${acting?.actor ?? "-"}.${access}.${pid}.${expiry}.`;
  return head + createHmac("sha256", signer.key).update(head + tenantId).digest("hex");
}

/**
 * Signs that a backend may remember a proof of {@link signContext}, made for the same tenant, `acting` and `pid`.
 * @returns a proof whose actor is `remember:<SHA-256 of proof and tenant, hex>`: what app.remember() takes.
 */
export function signPermit(signer: Signer, tenantId: string, acting: Acting | null, pid: number, proof: string) {
  const digest = createHash("sha256").update(proof + tenantId).digest("hex");
  return signContext(signer, tenantId, { ...acting, actor: `remember:${digest}` }, pid);
}

/** The key as the two padded blocks that the database keeps (RFC 2104: key xor ipad, key xor opad; 64 bytes each). */
export function keyBlocks(signer: Signer): { id: number; inner: Uint8Array; outer: Uint8Array } {
  const padded = new Uint8Array(64);
  padded.set(signer.key);
  return { id: signer.keyId, inner: padded.map((byte) => byte ^ 0x36), outer: padded.map((byte) => byte ^ 0x5c) };
}
