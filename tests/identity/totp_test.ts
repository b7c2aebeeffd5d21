// One-time codes: the RFC's own values, the window, one use per step, and what apps read from the address.

import assert from "node:assert/strict";
import { newTotpSecret, totpCode, totpUri, verifyTotp } from "../../src/identity/totp.ts";

// RFC 6238, appendix B: the ASCII text "12345678901234567890", and the last six of its eight digits.
const RFC_SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
const RFC_CODES: [number, string][] = [
  [59, "287082"],
  [1111111109, "081804"],
  [1111111111, "050471"],
  [1234567890, "005924"],
  [2000000000, "279037"],
  [20000000000, "353130"],
];

Deno.test("verifyTotp() accepts the codes of RFC 6238 at their times and gives their steps", () => {
  for (const [seconds, code] of RFC_CODES) {
    const step = verifyTotp(code, RFC_SECRET, { lastStep: null, now: seconds * 1000 });
    assert.equal(step, Math.floor(seconds / 30), String(seconds));
    assert.equal(totpCode(RFC_SECRET, seconds * 1000), code);
  }
});

Deno.test("verifyTotp() accepts the step before and after, and none further away", () => {
  const now = 1_234_567_890_000;
  const step = Math.floor(now / 30_000);
  const at = (offset: number) => totpCode(RFC_SECRET, now + offset * 30_000);
  for (const offset of [-1, 0, 1]) {
    assert.equal(verifyTotp(at(offset), RFC_SECRET, { lastStep: null, now }), step + offset);
  }
  for (const offset of [-3, -2, 2, 3]) {
    assert.equal(verifyTotp(at(offset), RFC_SECRET, { lastStep: null, now }), null);
  }
});

Deno.test("verifyTotp() refuses a code a second time, and any of a step before it", () => {
  const secret = newTotpSecret();
  const now = 1_800_000_000_000;
  const code = totpCode(secret, now);
  const lastStep = verifyTotp(code, secret, { lastStep: null, now });
  assert.equal(lastStep, now / 30_000);
  assert.equal(verifyTotp(code, secret, { lastStep, now }), null);
  assert.equal(verifyTotp(code, secret, { lastStep, now: now + 30_000 }), null);
  assert.equal(verifyTotp(totpCode(secret, now - 30_000), secret, { lastStep, now }), null);
  assert.equal(verifyTotp(totpCode(secret, now + 30_000), secret, { lastStep, now }), lastStep! + 1);
});

Deno.test("verifyTotp() refuses another secret's code and every other spelling", () => {
  const now = 59_000;
  assert.equal(verifyTotp("287082", newTotpSecret(), { lastStep: null, now: 1_800_000_000_000 }), null);
  for (
    const wrong of [
      "",
      "28708",
      "2870820",
      "94287082",
      "287 082",
      " 287082",
      "287082\n",
      "２８７０８２",
      "28708a",
      "+87082",
    ]
  ) {
    assert.equal(verifyTotp(wrong, RFC_SECRET, { lastStep: null, now }), null, JSON.stringify(wrong));
  }
});

Deno.test("newTotpSecret() gives 160 random bits in base32", () => {
  const secrets = new Set(Array.from({ length: 20 }, newTotpSecret));
  assert.equal(secrets.size, 20);
  for (const secret of secrets) assert.match(secret, /^[A-Z2-7]{32}$/);
});

Deno.test("totpUri() escapes issuer and account, and nothing in them becomes a parameter", () => {
  const uri = new URL(
    totpUri(RFC_SECRET, { issuer: "Müller & Co: Hausverwaltung?", account: "ada+x@a.test&digits=8#/" }),
  );
  assert.equal(uri.protocol, "otpauth:");
  assert.equal(uri.hash, "");
  assert.deepEqual(Object.fromEntries(uri.searchParams), {
    issuer: "Müller & Co  Hausverwaltung?",
    secret: RFC_SECRET,
    algorithm: "SHA1",
    digits: "6",
    period: "30",
  });
  const label = decodeURIComponent(uri.pathname.split("/").at(-1)!);
  assert.equal(label, "Müller & Co  Hausverwaltung?:ada+x@a.test&digits=8#/");
  assert.throws(() => totpUri(RFC_SECRET, { issuer: " : ", account: "a" }), /issuer/);
});
