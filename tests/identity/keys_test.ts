// Derived keys: the same master and label give the same key, anything else another one.

import assert from "node:assert/strict";
import { exportJWK } from "jose";
import {
  deriveBytes,
  deriveLoginPassword,
  parseMasterKey,
  placementKey,
  platformSigningKeys,
  tenantSigningKeys,
} from "../../src/identity/keys.ts";

const master = new Uint8Array(32).fill(7);
const other = new Uint8Array(32).fill(8);
const hex = (bytes: Uint8Array) => [...bytes].map((b) => b.toString(16).padStart(2, "0")).join("");

Deno.test("deriveBytes() gives the HKDF-SHA256 that WebCrypto gives", async () => {
  const key = await crypto.subtle.importKey("raw", master, "HKDF", false, ["deriveBits"]);
  const [salt, info] = ["bulkhead/v1", "some-label"].map((text) => new TextEncoder().encode(text));
  const bits = await crypto.subtle.deriveBits({ name: "HKDF", hash: "SHA-256", salt, info }, key, 48 * 8);
  assert.equal(hex(deriveBytes(master, "some-label", 48)), hex(new Uint8Array(bits)));
});

Deno.test("deriveBytes() gives another key for another label, length aside, or master", () => {
  const seen = [deriveBytes(master, "a"), deriveBytes(master, "b"), deriveBytes(other, "a")].map(hex);
  assert.equal(new Set(seen).size, 3);
  assert.equal(deriveBytes(master, "a", 64).length, 64);
});

Deno.test("deriveBytes() refuses a short master key and an empty label", () => {
  assert.throws(() => deriveBytes(new Uint8Array(16), "a"), /needs 32/);
  assert.throws(() => deriveBytes(master, ""), /label/);
});

Deno.test("parseMasterKey() takes base64 and base64url of 32 bytes and nothing else", () => {
  const bytes = crypto.getRandomValues(new Uint8Array(32));
  const base64 = btoa(String.fromCharCode(...bytes));
  assert.deepEqual(parseMasterKey(base64), bytes);
  assert.deepEqual(parseMasterKey(` ${base64.replaceAll("+", "-").replaceAll("/", "_").replace("=", "")}\n`), bytes);
  for (const wrong of ["", "short", btoa("x".repeat(31)), btoa("x".repeat(33)), `${base64}!!`, "a b".repeat(20)]) {
    assert.throws(() => parseMasterKey(wrong), /base64/, wrong);
  }
});

Deno.test("deriveLoginPassword() is URL-safe, long, and different for each login", () => {
  const password = deriveLoginPassword(master, "bulkhead_tenant");
  assert.match(password, /^[A-Za-z0-9_-]{40,}$/);
  assert.equal(password, deriveLoginPassword(master, "bulkhead_tenant"));
  assert.notEqual(password, deriveLoginPassword(master, "bulkhead_platform"));
});

Deno.test("placementKey() differs by placement and by key id, and parts cannot run together", () => {
  const keys = [placementKey(master, "p1", "1"), placementKey(master, "p1", "2"), placementKey(master, "p11", "1")];
  assert.equal(new Set(keys.map(hex)).size, 3);
  assert.equal(keys[0].length, 32);
  assert.equal(hex(placementKey(master, "p1", 1)), hex(keys[0]));
  assert.throws(() => placementKey(master, "p1:1", "2"), /cannot hold/);
});

Deno.test("Signing keys are the same at every start, one pair per tenant and version and the platform's", async () => {
  const [one, two] = [crypto.randomUUID(), crypto.randomUUID()];
  const all = await Promise.all([
    tenantSigningKeys(master, one, 1),
    tenantSigningKeys(master, one, 2),
    tenantSigningKeys(master, two, 1),
    tenantSigningKeys(other, one, 1),
    platformSigningKeys(master, 1),
    platformSigningKeys(master, 2),
    platformSigningKeys(other, 1),
  ]);
  assert.equal(new Set(all.map((keys) => keys.publicJwk.x)).size, 7);
  assert.equal((await tenantSigningKeys(master, one, 1)).publicJwk.x, all[0].publicJwk.x);
  assert.equal(all[1].kid, `${one}.2`);
});

Deno.test("Signing keys are a working pair whose private half cannot be exported", async () => {
  for (const keys of [await platformSigningKeys(master, 1), await tenantSigningKeys(master, crypto.randomUUID(), 1)]) {
    const { privateKey, publicKey, publicJwk } = keys;
    const data = new TextEncoder().encode("hello");
    const signature = await crypto.subtle.sign("Ed25519", privateKey, data);
    assert.ok(await crypto.subtle.verify("Ed25519", publicKey, signature, data));
    assert.equal("d" in publicJwk, false);
    await assert.rejects(() => exportJWK(privateKey));
  }
});
