// The keys of an issuer over time: how often they are fetched, what happens when that fails, and which answers are
// taken. The clock and the network are the test's own.

import assert from "node:assert/strict";
import { exportJWK, generateKeyPair, type JWK } from "jose";
import type { Fetch } from "../../src/identity/issuer_documents.ts";
import { IssuerKeys, KEY_TIMES, type KeyRules } from "../../src/identity/issuer_keys.ts";

const issuer = "https://id.example.test/auth/v1";
const jwksUri = "https://id.example.test/keys";
const { publicKey } = await generateKeyPair("ES256", { extractable: true });
const jwk = await exportJWK(publicKey);
const key = (kid: string): JWK => ({ ...jwk, kid, alg: "ES256", use: "sig" });

/** An issuer whose answers, and the time, can be changed. */
function stage(rules: Partial<KeyRules> = {}, source: { jwksUri?: string } = { jwksUri }) {
  const state = {
    now: 1_000_000_000,
    asked: [] as { url: string; init: RequestInit }[],
    answer: (_url: string): Response | Promise<Response> => Response.json({ keys: [key("a")] }),
  };
  const fetch: Fetch = async (url, init) => {
    state.asked.push({ url, init });
    return await state.answer(url);
  };
  const limits = { timeoutMs: 1000, maxBytes: 4096, allowLoopback: false };
  const keys = new IssuerKeys({ issuer, ...source }, {
    fetch,
    times: KEY_TIMES,
    now: () => state.now,
    ...limits,
    ...rules,
  });
  const find = (kid?: string, alg = "ES256") => keys.find({ alg, kid });
  return { state, find };
}

Deno.test("find() fetches once while keys are fresh, and once for all who wait", async () => {
  const { state, find } = stage();
  await Promise.all([find("a"), find("a"), find("a"), find()]);
  state.now += KEY_TIMES.freshMs - 1;
  await find("a");
  assert.equal(state.asked.length, 1);
  state.now += 1;
  await find("a");
  assert.equal(state.asked.length, 2);
});

Deno.test("find() fetches again for an unknown key id, but not more often than the cooldown", async () => {
  const { state, find } = stage();
  await find("a");
  for (let i = 0; i < 50; i++) await assert.rejects(() => find(`made-up-${i}`));
  assert.equal(state.asked.length, 1);
  state.now += KEY_TIMES.cooldownMs;
  for (let i = 0; i < 50; i++) await assert.rejects(() => find(`made-up-${i}`));
  assert.equal(state.asked.length, 2);
  state.answer = () => Response.json({ keys: [key("b")] });
  state.now += KEY_TIMES.cooldownMs;
  await find("b");
  assert.equal(state.asked.length, 3);
  await assert.rejects(() => find("a"));
});

Deno.test("find() goes on with the old keys while fetching fails, for a bounded time", async () => {
  const { state, find } = stage();
  await find("a");
  state.answer = () => new Response("down", { status: 503 });
  state.now += KEY_TIMES.freshMs;
  await find("a");
  await find("a");
  assert.equal(state.asked.length, 2);
  state.now += KEY_TIMES.retryMs;
  await find("a");
  assert.equal(state.asked.length, 3);
  state.now += KEY_TIMES.staleMs - KEY_TIMES.freshMs - KEY_TIMES.retryMs - 1;
  await find("a");
  state.now += 1;
  await assert.rejects(() => find("a"));
  state.answer = () => Response.json({ keys: [key("a")] });
  state.now += KEY_TIMES.retryMs;
  await find("a");
});

Deno.test("find() does not hammer an issuer that was never there", async () => {
  const { state, find } = stage();
  state.answer = () => Promise.reject(new Error("Unreachable"));
  for (let i = 0; i < 20; i++) await assert.rejects(() => find("a"));
  assert.equal(state.asked.length, 1);
  state.now += KEY_TIMES.retryMs;
  await assert.rejects(() => find("a"));
  assert.equal(state.asked.length, 2);
});

Deno.test("find() asks without redirects and takes no answer that is not a small JSON object", async () => {
  const huge = { keys: [key("a")], padding: "x".repeat(5000) };
  const endless = () =>
    new ReadableStream<Uint8Array>({ pull: (controller) => controller.enqueue(new Uint8Array(1024).fill(32)) });
  const wrong: Record<string, () => Response> = {
    "too large": () => Response.json(huge),
    "endless": () => new Response(endless()),
    "a redirect": () => new Response(null, { status: 302, headers: { location: "https://evil.test" } }),
    "not found": () => Response.json({ keys: [key("a")] }, { status: 404 }),
    "created": () => Response.json({ keys: [key("a")] }, { status: 201 }),
    "not JSON": () => new Response("<html>"),
    "not UTF-8": () => new Response(new Uint8Array([0x22, 0xff, 0x22])),
    "a list": () => Response.json([key("a")]),
    "null": () => new Response("null"),
    "no keys": () => Response.json({}),
    "keys that are none": () => Response.json({ keys: "a" }),
    "a shared secret": () => Response.json({ keys: [{ kty: "oct", k: "AAAA", kid: "a", alg: "ES256" }] }),
    "a key for encryption": () => Response.json({ keys: [{ ...key("a"), use: "enc" }] }),
    "another algorithm's key": () => Response.json({ keys: [{ ...key("a"), alg: "ES384" }] }),
  };
  for (const [name, answer] of Object.entries(wrong)) {
    const { state, find } = stage();
    state.answer = answer;
    await assert.rejects(() => find("a"), Error, name);
    assert.equal(state.asked[0].init.redirect, "error", name);
  }
});

Deno.test("find() does not choose among several keys when the token names none", async () => {
  const { state, find } = stage();
  state.answer = () => Response.json({ keys: [key("a"), key("b")] });
  await find("a");
  await assert.rejects(() => find());
});

Deno.test("find() gives up in time, even when the fetch does not listen to its signal", async () => {
  const hanging = stage({ timeoutMs: 50 });
  hanging.state.answer = () => new Promise(() => {});
  await assert.rejects(() => hanging.find("a"), /did not answer/);
});

Deno.test("find() takes keys' addresses from a discovery document about this very issuer", async () => {
  const discovered = stage({}, {});
  const answers: Record<string, unknown> = {
    [`${issuer}/.well-known/openid-configuration`]: { issuer, jwks_uri: "https://keys.example.test/" },
    "https://keys.example.test/": { keys: [key("a")] },
  };
  discovered.state.answer = (url) => Response.json(answers[url]);
  await discovered.find("a");
  assert.deepEqual(discovered.state.asked.map(({ url }) => url), Object.keys(answers));
  const wrong: Record<string, unknown> = {
    "another issuer": { issuer: "https://evil.test", jwks_uri: jwksUri },
    "a slash more": { issuer: `${issuer}/`, jwks_uri: jwksUri },
    "no issuer": { jwks_uri: jwksUri },
    "no address": { issuer },
    "an address without TLS": { issuer, jwks_uri: "http://id.example.test/keys" },
    "an address on this machine": { issuer, jwks_uri: "http://127.0.0.1/keys" },
    "a file": { issuer, jwks_uri: "file:///etc/passwd" },
    "credentials": { issuer, jwks_uri: "https://a:b@id.example.test/keys" },
  };
  for (const [name, document] of Object.entries(wrong)) {
    const { state, find } = stage({}, {});
    state.answer = () => Response.json(document);
    await assert.rejects(() => find("a"), Error, name);
    assert.equal(state.asked.length, 1, name);
  }
});

Deno.test("find() speaks plain http to loopback only, and only when the option says so", async () => {
  for (const host of ["127.0.0.1:1", "localhost:1", "[::1]:1"]) {
    const source = { jwksUri: `http://${host}/keys` };
    await assert.rejects(() => stage({}, source).find("a"), /not an https address/, host);
    await stage({ allowLoopback: true }, source).find("a");
  }
  for (const host of ["10.0.0.1", "example.test", "127.0.0.1.example.test", "localhost.example.test"]) {
    const refused = stage({ allowLoopback: true }, { jwksUri: `http://${host}/keys` });
    await assert.rejects(() => refused.find("a"), /not an https address/, host);
    assert.equal(refused.state.asked.length, 0);
  }
});
