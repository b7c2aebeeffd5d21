// Idempotency-Key on what creates: the key is written in the transaction of the create, so both are there or neither.
// A repeated request gives the first answer again; the same key with another request is refused.
// A second request that comes while the first still runs waits at the key's row for its commit.
import { createHmac } from "node:crypto";
import { json, type Tx } from "../db/sql.ts";
import { AppError } from "../errors.ts";

/** How long an answer is kept for its key. */
const KEPT = "24 hours";

/** What identifies a request that may be repeated. */
export interface IdempotentRequest {
  key: string;
  operation: string;
  hash: Uint8Array;
}

/**
 * Reads the header. Returns null when there is none. Throws `invalid_request` for a malformed key.
 * @param secret Keys the hash (HMAC): a body may hold a password, which a plain hash would let somebody guess.
 */
export function idempotencyKey(
  request: Request,
  operation: string,
  bodyText: string,
  secret: Uint8Array,
): IdempotentRequest | null {
  const key = request.headers.get("idempotency-key");
  if (key === null) return null;
  if (!/^[\x21-\x2b\x2d-\x7e]{1,200}$/.test(key)) {
    throw new AppError("invalid_request", 'Send an "Idempotency-Key" of 1 to 200 visible ASCII characters, no commas');
  }
  const url = new URL(request.url);
  const hash = createHmac("sha256", secret).update(`${request.method} ${url.pathname}${url.search}\n${bodyText}`)
    .digest();
  return { key, operation, hash: new Uint8Array(hash) };
}

/** Where keys are kept: each plane has its table. */
export interface KeyStore {
  /** Claims the key; returns the row that is there already, or null when this request is the first. */
  claim(tx: Tx, request: IdempotentRequest): Promise<StoredAnswer | null>;
  /** Keeps the first answer. */
  keep(tx: Tx, request: IdempotentRequest, status: number, body: unknown): Promise<void>;
}

/** The first answer to a key. */
export interface StoredAnswer {
  operation: string;
  request_hash: Uint8Array;
  status: number | null;
  response: unknown;
}

/** Keys of a member, in the tenant's own placement. */
export function memberKeys(memberId: string): KeyStore {
  return {
    async claim(tx, { key, operation, hash }) {
      await tx`delete from tenant.idempotency_keys
        where member_id = ${memberId} and created_at < now() - ${KEPT}::interval`;
      const made = await tx`insert into tenant.idempotency_keys (member_id, key, operation, request_hash)
        values (${memberId}, ${key}, ${operation}, ${hash}) on conflict (tenant_id, member_id, key) do nothing returning key`;
      if (made.length) return null;
      const [row] = await tx<StoredAnswer>`select operation, request_hash, status, response
        from tenant.idempotency_keys where member_id = ${memberId} and key = ${key}`;
      return row;
    },
    async keep(tx, { key }, status, body) {
      await tx`update tenant.idempotency_keys set status = ${status}, response = ${json(body)}
        where member_id = ${memberId} and key = ${key}`;
    },
  };
}

/** Keys on the platform; `scope` is who sent them. */
export function platformKeys(scope: string): KeyStore {
  return {
    async claim(tx, { key, operation, hash }) {
      await tx`delete from platform.idempotency_keys
        where scope = ${scope} and created_at < now() - ${KEPT}::interval`;
      const made = await tx`insert into platform.idempotency_keys (scope, key, operation, request_hash)
        values (${scope}, ${key}, ${operation}, ${hash}) on conflict (scope, key) do nothing returning key`;
      if (made.length) return null;
      const [row] = await tx<StoredAnswer>`select operation, request_hash, status, response
        from platform.idempotency_keys where scope = ${scope} and key = ${key}`;
      return row;
    },
    async keep(tx, { key }, status, body) {
      await tx`update platform.idempotency_keys set status = ${status}, response = ${json(body)}
        where scope = ${scope} and key = ${key}`;
    },
  };
}

/**
 * Runs a create once per key, inside `tx`.
 * @returns The answer and whether it is a repeated one.
 * @throws AppError `idempotency_key_reused` when the key came with another request before.
 */
export async function once(
  tx: Tx,
  store: KeyStore,
  request: IdempotentRequest,
  status: number,
  create: () => Promise<unknown>,
): Promise<{ body: unknown; repeated: boolean }> {
  const first = await store.claim(tx, request);
  if (first) {
    const same = first.operation === request.operation &&
      first.request_hash.every((byte, i) => byte === request.hash[i]);
    if (!same) throw new AppError("idempotency_key_reused", "Use a new key for a new request");
    return { body: first.response, repeated: true };
  }
  const body = await create();
  await store.keep(tx, request, status, body);
  return { body, repeated: false };
}
