// Every key of an installation comes from one master key by HKDF-SHA256 (RFC 5869), told apart by a label.
// Nothing derived here is stored: whoever holds the master key can make it again, and no derived key leads back to the
// master or to another label. What must not happen here: two purposes sharing one label.

import { Buffer } from "node:buffer";
import { hkdfSync } from "node:crypto";
import { calculateJwkThumbprint, type CryptoKey, exportJWK, importPKCS8, type JWK } from "jose";

/** One Ed25519 key pair for access tokens. */
export interface SigningKeys {
  /** `<tenant id>.<version>` of a tenant's, the thumbprint of the public key (RFC 7638) of the platform's. */
  kid: string;
  privateKey: CryptoKey;
  publicKey: CryptoKey;
  publicJwk: JWK;
}

const MASTER_BYTES = 32;
const SALT = "bulkhead/v1";
// The DER bytes that turn a 32-byte Ed25519 seed into PKCS8 (RFC 8410, 7).
const PKCS8_PREFIX = Buffer.from("302e020100300506032b657004220420", "hex");

/** The master key from configuration. Takes base64 (or base64url) of exactly 32 bytes; throws Error on anything else. */
export function parseMasterKey(text: string): Uint8Array {
  const bytes = Buffer.from(text, "base64");
  const given = text.trim().replaceAll("-", "+").replaceAll("_", "/").replace(/=+$/, "");
  if (bytes.length !== MASTER_BYTES || bytes.toString("base64").replace(/=+$/, "") !== given) {
    throw new Error(`Give the master key as base64 of ${MASTER_BYTES} random bytes`);
  }
  return new Uint8Array(bytes);
}

/**
 * `length` bytes that belong to `label` alone.
 * @throws Error when the master key is not 32 bytes or the label is empty.
 */
export function deriveBytes(master: Uint8Array, label: string, length = 32): Uint8Array<ArrayBuffer> {
  if (master.length !== MASTER_BYTES) throw new Error(`The master key has ${master.length} bytes, it needs 32`);
  if (label === "") throw new Error("Give the derived key a label");
  return new Uint8Array(hkdfSync("sha256", master, SALT, label, length));
}

/** The database password of one of our logins: 43 URL-safe characters (256 bits). */
export function deriveLoginPassword(master: Uint8Array, login: string): string {
  return Buffer.from(deriveBytes(master, label("login", login))).toString("base64url");
}

/** The 32-byte key that signs the tenant context for one placement: it forges nothing in any other placement. */
export function placementKey(master: Uint8Array, placementId: string, keyId: string | number): Uint8Array<ArrayBuffer> {
  return deriveBytes(master, label("placement", placementId, String(keyId)));
}

/** The key that wraps stored secrets' data keys, one per version. */
export function wrappingKey(master: Uint8Array, version: number): Uint8Array<ArrayBuffer> {
  return deriveBytes(master, label("wrap-secrets", String(version)));
}

/** The Ed25519 keys with which operators' access tokens are signed, one pair a version. */
export async function platformSigningKeys(master: Uint8Array, version: number): Promise<SigningKeys> {
  return await signingKeys(deriveBytes(master, label("sign-tokens", "platform", String(version))), null);
}

/** The Ed25519 keys with which the access tokens of one tenant are signed: those of any other tenant they cannot sign. */
export async function tenantSigningKeys(master: Uint8Array, tenantId: string, version: number): Promise<SigningKeys> {
  const seed = deriveBytes(master, label("sign-tokens", "tenant", tenantId, String(version)));
  return await signingKeys(seed, `${tenantId}.${version}`);
}

/** The pair of a 32-byte seed (RFC 8032); the private key cannot be exported. */
async function signingKeys(seed: Uint8Array, name: string | null): Promise<SigningKeys> {
  const pkcs8 = Buffer.concat([PKCS8_PREFIX, seed]).toString("base64");
  const pem = `-----BEGIN PRIVATE KEY-----\n${pkcs8}\n-----END PRIVATE KEY-----`;
  const { kty, crv, x } = await exportJWK(await importPKCS8(pem, "EdDSA", { extractable: true }));
  const kid = name ?? await calculateJwkThumbprint({ kty, crv, x });
  const publicJwk: JWK = { kty, crv, x, kid, alg: "EdDSA", use: "sig" };
  const publicKey = await crypto.subtle.importKey("jwk", { kty, crv, x }, { name: "Ed25519" }, true, ["verify"]);
  return { kid, privateKey: await importPKCS8(pem, "EdDSA"), publicKey, publicJwk };
}

/** A label that no other list of parts can give: parts may not hold the separator. */
function label(...parts: string[]): string {
  const wrong = parts.find((part) => !/^[A-Za-z0-9_.-]{1,200}$/.test(part));
  if (wrong !== undefined) throw new Error(`A key's label cannot hold "${wrong}"`);
  return parts.join(":");
}
