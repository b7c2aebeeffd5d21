// The local adapter: an AES-256-GCM envelope. Each secret has a fresh data key, wrapped by a key derived from the
// master key; both layers are bound to format, key version, purpose and record id, so that a sealed string moved to
// another record does not open. Failures say neither why nor what.

import { Buffer } from "node:buffer";
import { AppError } from "../../errors.ts";
import { wrappingKey } from "../../identity/keys.ts";
import type { Secrets, SecretScope } from "./secrets.ts";

const FORMAT = "bhs1";
const IV_BYTES = 12;
const SEALED = /^bhs1\.([1-9]\d{0,5})\.([A-Za-z0-9_-]{80})\.([A-Za-z0-9_-]{38,1400000})$/;

/**
 * Seals as `bhs1.<key version>.<wrapped data key>.<ciphertext>`, each part base64url of IV, data and tag.
 * @param options Of `versions` the first seals, all open; default `[1]`.
 */
export function createLocalSecrets(master: Uint8Array, options: { versions?: number[] } = {}): Secrets {
  const versions = options.versions ?? [1];
  if (versions.length === 0) throw new Error("Give at least one version of the wrapping key");
  const keys = new Map<number, Promise<CryptoKey>>();

  function wrapping(version: number): Promise<CryptoKey> {
    const key = keys.get(version) ?? importKey(wrappingKey(master, version));
    keys.set(version, key);
    return key;
  }

  async function seal(plaintext: string, scope: SecretScope): Promise<string> {
    const [version] = versions;
    const dataKey = crypto.getRandomValues(new Uint8Array(32));
    const wrapped = await encrypt(await wrapping(version), dataKey, bind("key", version, scope));
    const text = new TextEncoder().encode(plaintext);
    const sealed = await encrypt(await importKey(dataKey), text, bind("data", version, scope));
    dataKey.fill(0);
    return [FORMAT, version, wrapped, sealed].join(".");
  }

  async function open(sealed: string, scope: SecretScope): Promise<string> {
    const [, digits, wrapped, data] = SEALED.exec(sealed) ?? [];
    const version = Number(digits);
    try {
      if (!versions.includes(version)) throw new Error("Unknown form or key version");
      const dataKey = await decrypt(await wrapping(version), wrapped, bind("key", version, scope));
      const text = await decrypt(await importKey(dataKey), data, bind("data", version, scope));
      return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(text);
    } catch {
      throw new AppError("internal", `A stored secret for "${scope.purpose}" could not be opened`);
    }
  }

  return { seal, open };
}

function importKey(bytes: Uint8Array<ArrayBuffer>): Promise<CryptoKey> {
  return crypto.subtle.importKey("raw", bytes, "AES-GCM", false, ["encrypt", "decrypt"]);
}

/** The additional authenticated data: a JSON array, so that no two scopes look alike. */
function bind(layer: "key" | "data", version: number, scope: SecretScope): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(JSON.stringify([FORMAT, layer, version, scope.purpose, scope.id]));
}

async function encrypt(key: CryptoKey, data: Uint8Array<ArrayBuffer>, additionalData: Uint8Array<ArrayBuffer>) {
  const iv = crypto.getRandomValues(new Uint8Array(IV_BYTES));
  const sealed = await crypto.subtle.encrypt({ name: "AES-GCM", iv, additionalData }, key, data);
  return Buffer.concat([iv, new Uint8Array(sealed)]).toString("base64url");
}

async function decrypt(key: CryptoKey, text: string, additionalData: Uint8Array<ArrayBuffer>) {
  const bytes = new Uint8Array(Buffer.from(text, "base64url"));
  const algorithm = { name: "AES-GCM", iv: bytes.subarray(0, IV_BYTES), additionalData };
  return new Uint8Array(await crypto.subtle.decrypt(algorithm, key, bytes.subarray(IV_BYTES)));
}
