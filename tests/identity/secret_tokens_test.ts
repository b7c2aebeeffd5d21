// Opaque tokens: unguessable, recognisable, stored only as a hash.

import assert from "node:assert/strict";
import { hashSecretToken, newSecretToken } from "../../src/identity/secret_tokens.ts";

Deno.test("newSecretToken() gives 256 random bits behind a prefix, and their hash", () => {
  const { token, hash } = newSecretToken("bhr");
  assert.match(token, /^bhr_[A-Za-z0-9_-]{43}$/);
  assert.equal(hash.length, 32);
  assert.deepEqual(hashSecretToken(token), hash);
  assert.notEqual(newSecretToken("bhr").token, token);
});

Deno.test("newSecretToken() refuses a prefix that the redactor would not know", () => {
  for (const prefix of ["", "A", "x".repeat(17), "bh-r", "1ab", "bh r"]) {
    assert.throws(() => newSecretToken(prefix), /prefix/, prefix);
  }
});

Deno.test("hashSecretToken() is SHA-256, and differs with any character", async () => {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode("bhr_x"));
  assert.deepEqual(hashSecretToken("bhr_x"), new Uint8Array(digest));
  assert.notDeepEqual(hashSecretToken("bhr_x"), hashSecretToken("bhr_X"));
});
