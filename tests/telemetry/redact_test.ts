// The redactor: canaries of every kind go in, none comes out, and ordinary text stays readable.

import assert from "node:assert/strict";
import { newSecretToken } from "../../src/identity/secret_tokens.ts";
import { createPasswords } from "../../src/identity/passwords.ts";
import { createTokens } from "../../src/identity/tokens.ts";
import { createLocalSecrets } from "../../src/integrations/secrets/local_secrets.ts";
import { createRedactor, redact, REDACTED, redactText } from "../../src/telemetry/redact.ts";

const CANARY = "canary9f3a";

Deno.test("redact() hides values by the name of their key, at any depth and in any spelling", () => {
  const keys = [
    "password",
    "Password",
    "new_password",
    "passwordHash",
    "passwd",
    "passphrase",
    "pwd",
    "token",
    "accessToken",
    "refresh_token",
    "X-Api-Key",
    "apiKey",
    "key",
    "master_key",
    "masterKey",
    "privateKey",
    "secret",
    "client_secret",
    "authorization",
    "Proxy-Authorization",
    "cookie",
    "Set-Cookie",
    "dsn",
    "credentials",
    "connection_string",
    "connectionString",
    "databaseUrl",
    "DATABASE_URL",
    "signature",
    "salt",
  ];
  for (const key of keys) {
    for (const value of [CANARY, { inner: CANARY }, [CANARY], 123456]) {
      const text = JSON.stringify(redact({ level1: [{ [key]: value }] }));
      assert.equal(text, JSON.stringify({ level1: [{ [key]: REDACTED }] }), key);
    }
  }
});

Deno.test("redact() leaves ordinary fields, and whether a secret is there at all", () => {
  const plain = {
    tenant_id: "0190b6a0-0000-7000-8000-000000000001",
    operation: "members.create",
    status: 201,
    must_change_password: true,
    token: null,
    key_id: 3,
    path: "/v1/buildings?limit=50&sort=-name",
    host: "db.example.test:5432",
    email: "ada@example.test",
    url: "https://app.test/setup",
    text: "Basic plan, bearer of news, a pass by reference; SELECT 1 FROM t WHERE a = 'b'",
  };
  assert.deepEqual(redact(plain), plain);
});

Deno.test("redactText() hides what secrets look like inside any sentence", () => {
  const planted = [
    `connect to postgres://app:${CANARY}@db:5432/x failed`,
    `postgresql://app:p@ss/${CANARY}@db/x`,
    `POSTGRES://:${CANARY}@db/x`,
    `amqps://u:${CANARY}@h, redis://u:${CANARY}@h`,
    `smtp://user%40x:${CANARY}@mail`,
    `Authorization: Bearer ${CANARY}.${CANARY}`,
    `authorization: basic ${btoa(`user:${CANARY}`)}`.replaceAll(btoa(`user:${CANARY}`), `${CANARY}==`),
    `host=db user=app password=${CANARY} sslmode=require`,
    `host=db password='${CANARY} with space' user=app`,
    `{"user":"a","password":"${CANARY}"}`,
    `{"refresh_token": "${CANARY}"}`,
    `{\\"password\\":\\"${CANARY}\\"}`,
    `{"password":"a\\"${CANARY}"}`,
    `{"password":"a\\\n${CANARY}"}`,
    `{"password":"${CANARY} cut off\\`,
    `{"password": "cut off ${CANARY}`,
    `password='cut off ${CANARY}`,
    `GET /setup?token=${CANARY}&x=1`,
    `client_secret=${CANARY}; next`,
    `PGPASSWORD=${CANARY} psql`,
    `api-key: ${CANARY}`,
    `-----BEGIN PRIVATE KEY-----\n${CANARY}\n-----END PRIVATE KEY-----`,
    `-----BEGIN RSA PRIVATE KEY-----\n${CANARY} and no end`,
    `sk_live_${CANARY}${CANARY}`,
    `whsec_${CANARY}${CANARY}`,
    `SCRAM-SHA-256$4096:${CANARY}`,
  ];
  for (const text of planted) assert.ok(!redactText(text).includes(CANARY), `${text} became ${redactText(text)}`);
});

Deno.test("redactText() hides our own tokens, hashes and sealed secrets as they are really made", async () => {
  const master = new Uint8Array(32).fill(7);
  const passwords = createPasswords({ workers: 0 });
  const id = crypto.randomUUID();
  const access = await createTokens(master, { issuer: "x", versions: [1] })
    .issueMember({ memberId: id, tenantId: id, sessionId: id, role: "admin" });
  const real = [
    newSecretToken("bhr").token,
    newSecretToken("setup").token,
    access,
    access.split(".").slice(0, 2).join("."),
    await passwords.hash("x"),
    await createLocalSecrets(master).seal("x", { purpose: "p", id }),
  ];
  for (const secret of real) {
    for (
      const around of [
        secret,
        `See ${secret}, then`,
        `https://app.test/setup/${secret}?x`,
        `"${secret}"`,
        `(${secret})`,
      ]
    ) {
      const text = redactText(around);
      assert.ok(!text.includes(secret.slice(10, 30)) && !text.includes(secret.slice(-20)), text);
    }
  }
});

Deno.test("createRedactor() hides known strings whatever they look like, also percent-encoded", () => {
  const hide = createRedactor(["hunter two/=", "hunter two/= and more", "abc"]);
  const text = JSON.stringify(hide({
    a: "it was hunter two/= indeed",
    ["hunter two/="]: 1,
    b: `x?${encodeURIComponent("hunter two/= and more")}`,
    c: "abc is too short to hide",
  }));
  assert.ok(!text.includes("hunter"));
  assert.ok(!text.includes("and more"));
  assert.ok(text.includes("abc is too short"));
});

Deno.test("redact() shows of an error only name, message, code, stack and cause", () => {
  const cause = Object.assign(new Error(`password=${CANARY}`), {
    code: "23505",
    query: `insert ${CANARY}`,
    parameters: [CANARY],
    detail: `Key (email)=(${CANARY})`,
  });
  const shown = redact({ error: new Error("Could not connect", { cause }) }) as { error: Record<string, unknown> };
  assert.ok(!JSON.stringify(shown).includes(CANARY));
  assert.equal(shown.error.message, "Could not connect");
  assert.equal((shown.error.cause as { code: string }).code, "23505");
});

Deno.test("redact() reads maps, sets, headers, bytes, dates, addresses and odd values without throwing", () => {
  const circle: Record<string, unknown> = { name: "circle" };
  circle.self = circle;
  const values = {
    map: new Map([["password", CANARY], ["fine", "yes"]]),
    headers: new Headers({ authorization: CANARY, accept: "text/html" }),
    set: new Set([`token=${CANARY}`]),
    bytes: new TextEncoder().encode(CANARY),
    date: new Date(0),
    wrong_date: new Date(NaN),
    url: new URL(`https://u:${CANARY}@h.test/`),
    big: 10n,
    fn: () => CANARY,
    symbol: Symbol(CANARY),
    missing: undefined,
    circle,
    trap: Object.defineProperty({}, "x", { enumerable: true, get: () => JSON.parse("{") }),
    proxy: new Proxy({}, { ownKeys: () => JSON.parse("{") }),
  };
  const shown = redact(values) as Record<string, unknown>;
  assert.ok(!JSON.stringify(shown).includes(CANARY), JSON.stringify(shown));
  assert.deepEqual(shown.map, { password: REDACTED, fine: "yes" });
  assert.deepEqual(shown.headers, { accept: "text/html", authorization: REDACTED });
  assert.equal(shown.bytes, "[10 bytes]");
  assert.equal(shown.date, "1970-01-01T00:00:00.000Z");
  assert.equal(shown.big, "10");
  assert.deepEqual(shown.circle, { name: "circle", self: "[circular]" });
  assert.equal(shown.trap, "[unreadable]");
});

Deno.test("redact() bounds depth, length and time", () => {
  let deep: unknown = CANARY;
  for (let i = 0; i < 1000; i++) deep = { deep };
  assert.match(JSON.stringify(redact(deep)), /\[deep\]/);
  assert.equal((redact(Array.from({ length: 5000 })) as unknown[]).length, 100);
  assert.equal(redact("x".repeat(100_000)), "[100000 characters]");
  const started = performance.now();
  for (
    const piece of [
      "a://b:",
      "eyJ-eyJaaaaa",
      'token="',
      "a_",
      "bearer ",
      "-----BEGIN PRIVATE KEY-----",
      "password",
      "a",
    ]
  ) {
    redactText(piece.repeat(Math.floor(60_000 / piece.length)));
  }
  const took = performance.now() - started;
  assert.ok(took < 2000, `Hostile text took ${Math.round(took)} ms`);
});
