// API keys as texts: what they carry, that a mistyped one is known without a database, and that the redactor knows them.
import assert from "node:assert/strict";
import { AppError } from "../../src/errors.ts";
import { isApiKey, newApiKey, readApiKey } from "../../src/identity/api_keys.ts";
import { hashSecretToken } from "../../src/identity/secret_tokens.ts";
import { redactText } from "../../src/telemetry/redact.ts";

const TENANTS = [
  "01890a5d-ac96-774b-bcce-b302099a8058",
  "00000000-0000-0000-0000-000000000000",
  "ffffffff-ffff-ffff-ffff-ffffffffffff",
  "00000000-0000-0000-0000-000000000001",
];

Deno.test("newApiKey() makes letters and digits that readApiKey() takes apart again", () => {
  for (const tenantId of [...TENANTS, null]) {
    const { key, hash, hint } = newApiKey(tenantId);
    assert.match(key, tenantId === null ? /^bh_op_[0-9A-Za-z]{49}$/ : /^bh_[0-9A-Za-z]{22}_[0-9A-Za-z]{49}$/);
    assert.ok(isApiKey(key) && key.endsWith(hint));
    const read = readApiKey(key);
    assert.equal(read.tenantId, tenantId);
    assert.deepEqual(read.hash, hash);
    assert.deepEqual(hash, hashSecretToken(key));
  }
});

Deno.test("newApiKey() never makes the same key twice", () => {
  const keys = new Set(Array.from({ length: 1_000 }, () => newApiKey(TENANTS[0]).key));
  assert.equal(keys.size, 1_000);
});

Deno.test("readApiKey() refuses a key with any one character changed, cut or added", () => {
  const { key } = newApiKey(TENANTS[0]);
  const bad = [
    key.slice(0, -1),
    `${key}0`,
    key.slice(1),
    key.toLowerCase(),
    ` ${key}`,
    `${key}\n`,
    "bh_",
    "bh_op_",
    "",
  ];
  for (let at = 0; at < key.length; at++) {
    const other = key[at] === "x" ? "y" : "x";
    bad.push(key.slice(0, at) + other + key.slice(at + 1));
    bad.push(key.slice(0, at) + key.slice(at + 1));
  }
  for (const text of bad) {
    assert.throws(
      () => readApiKey(text),
      (error) =>
        error instanceof AppError && error.code === "unauthorized" && !error.message.includes(key.slice(30, 40)),
      text,
    );
  }
});

Deno.test("redactText() hides a key, also a cut one, wherever it stands", () => {
  for (const tenantId of [TENANTS[0], null]) {
    const { key } = newApiKey(tenantId);
    for (
      const text of [key, `the key ${key} was used`, `x-api-key: ${key}`, `{"a":"${key}"}`, `…${key.slice(0, -6)}…`]
    ) {
      const shown = redactText(text);
      assert.ok(!shown.includes(key.slice(-40, -20)), shown);
      assert.match(shown, /\[redacted\]/);
    }
  }
});
