// Secrets of refresh tokens: unguessable, each following from the one before, and known as made here for their session.
import assert from "node:assert/strict";
import { firstRefreshToken, isRefreshToken, nextRefreshToken } from "../../src/identity/refresh_tokens.ts";
import { hashSecretToken, newSecretToken } from "../../src/identity/secret_tokens.ts";

const keys = [new Uint8Array(32), new Uint8Array(32).fill(1)];
const [key] = keys;
const session = { tenantId: "a", sessionId: "s" };
const SHAPE = /^bhr_[A-Za-z0-9_-]{43}$/; // the redactor knows it

Deno.test("firstRefreshToken() gives another each time, and its hash", () => {
  const { token, hash } = firstRefreshToken(key, session);
  assert.match(token, SHAPE);
  assert.deepEqual(hash, hashSecretToken(token));
  assert.notEqual(firstRefreshToken(key, session).token, token);
});

Deno.test("nextRefreshToken() is the same each time, and another for another token, session or key", () => {
  const next = (by = key, of = session, used = "bhr_x") => nextRefreshToken(by, of, used);
  assert.match(next().token, SHAPE);
  assert.deepEqual(next(), next());
  assert.deepEqual(next().hash, hashSecretToken(next().token));
  const others = [{ ...session, tenantId: "b" }, { ...session, sessionId: "t" }].map((one) => next(key, one));
  const all = [next(), next(keys[1]), next(key, session, "bhr_y"), ...others];
  assert.equal(new Set(all.map(({ token }) => token)).size, 5);
});

Deno.test("isRefreshToken() knows every token of a session, and none of another session, another key or nobody's", () => {
  let { token } = firstRefreshToken(key, session);
  for (let i = 0; i < 5; i++) {
    assert.ok(isRefreshToken(key, session, token));
    assert.equal(isRefreshToken(keys[1], session, token), false);
    for (const other of [{ ...session, tenantId: "b" }, { ...session, sessionId: "t" }]) {
      assert.equal(isRefreshToken(key, other, token), false);
    }
    token = nextRefreshToken(key, session, token).token;
  }
  for (let i = 0; i < 100; i++) assert.equal(isRefreshToken(key, session, newSecretToken("bhr").token), false);
  for (const text of ["", "bhr_", `${token}x`, ` ${token}`, token.replace("bhr", "bhs"), `${token}\n`]) {
    assert.equal(isRefreshToken(key, session, text), false, text);
  }
});

Deno.test("isRefreshToken() refuses a token of which any letter was changed, its last one too", () => {
  const { token } = firstRefreshToken(key, session);
  for (let i = 4; i < token.length; i++) {
    for (const letter of "AQgw_") {
      const changed = token.slice(0, i) + letter + token.slice(i + 1);
      assert.equal(isRefreshToken(key, session, changed), changed === token, `${i}: ${letter}`);
    }
  }
  const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  const twins = [...letters].filter((letter) => isRefreshToken(key, session, token.slice(0, -1) + letter));
  assert.deepEqual(twins, [token.at(-1)]);
});
