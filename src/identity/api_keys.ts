// API keys: what a program shows instead of an access token. `bh_<tenant, or op>_<secret><checksum>`, letters and digits only,
// so that a double click selects it and a secret scanner finds it. 256 random bits; only the SHA-256 is stored. The tenant in
// it says where to look the key up; it proves nothing. The checksum tells a mistyped key without asking a database.
import { createHash } from "node:crypto";
import { AppError } from "../errors.ts";
import { hashSecretToken } from "./secret_tokens.ts";

/** A key to hand out once, what is stored of it, and its last characters, by which people know it again. */
export interface NewApiKey {
  key: string;
  hash: Uint8Array<ArrayBuffer>;
  hint: string;
}

/** A key as a caller showed it: of a form that we give out, and of nothing yet that is known to exist. */
export interface PresentedKey {
  kind: "presented_key";
  /** The tenant that it names; null for an operator's key. */
  tenantId: string | null;
  hash: Uint8Array<ArrayBuffer>;
}

const DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const UUID_DIGITS = 22;
const SECRET_DIGITS = 43;
const CHECKSUM_DIGITS = 6;
const KEY = /^bh_(op|[0-9A-Za-z]{22})_([0-9A-Za-z]{43})([0-9A-Za-z]{6})$/;

/** A new key of a tenant, or of an operator for null. */
export function newApiKey(tenantId: string | null): NewApiKey {
  const secret = base62(BigInt(`0x${toHex(crypto.getRandomValues(new Uint8Array(32)))}`), SECRET_DIGITS);
  const place = tenantId === null ? "op" : base62(BigInt(`0x${tenantId.replaceAll("-", "")}`), UUID_DIGITS);
  const body = `bh_${place}_${secret}`;
  const key = body + checksum(body);
  return { key, hash: hashSecretToken(key), hint: key.slice(-6) };
}

/** Whether a text looks like one of our keys, right or wrong. */
export function isApiKey(text: string): boolean {
  return text.startsWith("bh_");
}

/** Takes a key apart. Throws AppError `unauthorized` for what was never one of ours. */
export function readApiKey(key: string): PresentedKey {
  const [, place, secret, given] = KEY.exec(key) ?? [];
  if (!secret || checksum(`bh_${place}_${secret}`) !== given) {
    throw new AppError("unauthorized", "The API key is not complete: copy it again");
  }
  return { kind: "presented_key", tenantId: place === "op" ? null : toUuid(place), hash: hashSecretToken(key) };
}

function checksum(body: string): string {
  const bytes = createHash("sha256").update(body).digest().subarray(0, 4);
  return base62(BigInt(`0x${toHex(bytes)}`), CHECKSUM_DIGITS);
}

function base62(value: bigint, length: number): string {
  let text = "";
  for (let rest = value; rest > 0n; rest /= 62n) text = DIGITS[Number(rest % 62n)] + text;
  return text.padStart(length, "0");
}

function toUuid(text: string): string {
  const value = [...text].reduce((sum, digit) => sum * 62n + BigInt(DIGITS.indexOf(digit)), 0n);
  const hex = value.toString(16).padStart(32, "0").slice(-32);
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

function toHex(bytes: Uint8Array): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
