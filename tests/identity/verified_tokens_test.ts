// What is remembered of verified tokens: never longer than the token lives, never one that was refused, never too many.
import assert from "node:assert/strict";
import type { OperatorPrincipal } from "../../src/identity/principal.ts";
import { VerifiedTokens } from "../../src/identity/verified_tokens.ts";

const principal = (ms: number, sub: string = crypto.randomUUID()): OperatorPrincipal => ({
  kind: "operator",
  operatorId: sub,
  keyId: null,
  accessVersion: 1,
  email: "ada@example.test",
  role: "support",
  expiresAt: new Date(Date.now() + ms),
});

Deno.test("VerifiedTokens.get() verifies a token once, and each token for itself", async () => {
  const tokens = new VerifiedTokens();
  let verified = 0;
  const ask = (token: string) =>
    tokens.get(token, () => {
      verified++;
      return Promise.resolve(principal(60_000, `of ${token}`));
    });
  for (let i = 0; i < 3; i++) {
    assert.equal((await ask("a") as { operatorId: string }).operatorId, "of a");
    assert.equal((await ask("b") as { operatorId: string }).operatorId, "of b");
  }
  assert.equal(verified, 2);
});

Deno.test("VerifiedTokens.get() asks again when a token has expired, and remembers no refusal", async () => {
  const tokens = new VerifiedTokens();
  await tokens.get("a", () => Promise.resolve(principal(-1)));
  await assert.rejects(tokens.get("a", () => Promise.reject(new Error("expired"))), /expired/);
  await assert.rejects(tokens.get("a", () => Promise.reject(new Error("expired"))), /expired/);
  assert.equal((await tokens.get("a", () => Promise.resolve(principal(60_000)))).kind, "operator");
});

Deno.test("VerifiedTokens.get() gives each caller a principal of its own", async () => {
  const tokens = new VerifiedTokens();
  const verify = () => Promise.resolve(principal(60_000));
  (await tokens.get("a", verify) as OperatorPrincipal).role = "superadmin";
  assert.equal((await tokens.get("a", verify) as OperatorPrincipal).role, "support");
});

Deno.test("VerifiedTokens.get() forgets the one unused longest when there are too many", async () => {
  const tokens = new VerifiedTokens();
  const verify = () => Promise.resolve(principal(60_000));
  await tokens.get("old", verify);
  await tokens.get("used", verify);
  for (let i = 0; i < 4_095; i++) {
    await tokens.get(`t${i}`, verify);
    if (i % 100 === 0) await tokens.get("used", verify);
  }
  let again = 0;
  const count = () => {
    again++;
    return verify();
  };
  await tokens.get("used", count);
  assert.equal(again, 0);
  await tokens.get("old", count);
  assert.equal(again, 1);
});

Deno.test("VerifiedTokens.known() knows what was verified and lives, and nothing else", async () => {
  const tokens = new VerifiedTokens();
  assert.equal(tokens.known("a"), null);
  await tokens.get("a", () => Promise.resolve(principal(60_000, "ada")));
  (tokens.known("a") as OperatorPrincipal).role = "superadmin";
  assert.equal((tokens.known("a") as OperatorPrincipal).role, "support", "each caller has a principal of its own");
  assert.equal(tokens.known("a "), null);
  await tokens.get("old", () => Promise.resolve(principal(-1)));
  assert.equal(tokens.known("old"), null);
});
