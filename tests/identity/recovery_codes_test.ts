// Recovery codes: unguessable, readable, stored keyed and bound to their account, forgiving to fingers only.

import assert from "node:assert/strict";
import { createRecoveryCodes, normalizeRecoveryCode } from "../../src/identity/recovery_codes.ts";

const master = new Uint8Array(32).fill(7);
const recovery = createRecoveryCodes(master);
const ACCOUNT = "0199a2b0-0000-7000-8000-000000000001";

Deno.test("createRecoveryCodes() issues ten different readable codes and their hashes in order", () => {
  const { codes, hashes } = recovery.issue(ACCOUNT);
  assert.equal(new Set(codes).size, 10);
  for (const [i, code] of codes.entries()) {
    assert.match(code, /^[0-9a-hjkmnp-tv-z]{5}-[0-9a-hjkmnp-tv-z]{5}$/);
    assert.equal(hashes[i].length, 32);
    assert.deepEqual(recovery.hash(ACCOUNT, code), hashes[i]);
  }
  assert.equal(recovery.issue(ACCOUNT).codes.some((code) => codes.includes(code)), false);
});

Deno.test("createRecoveryCodes() uses every character of its alphabet about equally", () => {
  const counts = new Map<string, number>();
  for (let i = 0; i < 400; i++) {
    for (const character of recovery.issue(ACCOUNT).codes.join("").replaceAll("-", "")) {
      counts.set(character, (counts.get(character) ?? 0) + 1);
    }
  }
  assert.equal(counts.size, 32);
  // 40,000 characters, 1,250 of each expected: 35 is one standard deviation, so ±8 of them never happens by chance.
  for (const [character, count] of counts) assert.ok(Math.abs(count - 1250) < 280, `${character}: ${count}`);
});

Deno.test("hash() differs by account and by master key: rows cannot be moved or tried elsewhere", () => {
  const { codes: [code], hashes: [hash] } = recovery.issue(ACCOUNT);
  const other = createRecoveryCodes(new Uint8Array(32).fill(8));
  assert.notDeepEqual(recovery.hash("0199a2b0-0000-7000-8000-000000000002", code), hash);
  assert.notDeepEqual(other.hash(ACCOUNT, code), hash);
});

Deno.test("hash() forgives capitals, hyphens, spaces and look-alikes", () => {
  const right = recovery.hash(ACCOUNT, "01abc-1z0yx");
  for (
    const typed of ["01ABC-1Z0YX", "01abc1z0yx", " 01abc 1z0yx\n", "O1abc-Iz0yx", "oLABC-lZoYX", "0-1-a-b-c-1-z-0-y-x"]
  ) {
    assert.deepEqual(recovery.hash(ACCOUNT, typed), right, typed);
  }
});

Deno.test("hash() knows no code in anything else", () => {
  const wrong = [
    "",
    "01abc",
    "01abc-1z0y",
    "01abc-1z0yxx",
    "01abc-1z0y_",
    "01abc-1z0yu",
    "０１abc-1z0yx",
    "-".repeat(65),
  ];
  for (const typed of wrong) {
    assert.equal(recovery.hash(ACCOUNT, typed), null, typed);
    assert.equal(normalizeRecoveryCode(typed), null, typed);
  }
});
