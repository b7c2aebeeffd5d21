// Operators: logging in, and that a failed login says nothing about who exists.
import assert from "node:assert/strict";
import { ensureFirstOperator } from "../../src/platform/operators/queries.ts";
import { bootApp, OPERATOR, type TestApp } from "../support/app.ts";
import { asPlatform, read } from "./setup.ts";

let app: TestApp;
Deno.test.beforeAll(async () => {
  app = await bootApp({ worker: false });
});
Deno.test.afterAll(() => app.stop());

const loose = { sanitizeOps: false, sanitizeResources: false };

Deno.test("operators.login gives a token for the platform, in any case of the address", loose, async () => {
  const body = { email: ` ${OPERATOR.email.toUpperCase()}`, password: OPERATOR.password };
  const answer = await app.ask("POST", "/v1/operators/login", { body });
  assert.equal(answer.status, 200, JSON.stringify(answer.body));
  assert.deepEqual([answer.body.token_type, answer.body.expires_in], ["Bearer", 900]);
  assert.equal(answer.body.operator.role, "superadmin");
  const me = await app.ask("GET", "/v1/operators/me", { token: answer.body.access_token });
  assert.equal(me.body.email, OPERATOR.email);
  assert.ok(me.body.last_login_at);
});

Deno.test(
  "operators.login answers alike for a wrong password, an unknown address and a disabled operator",
  loose,
  async () => {
    await asPlatform(app.services, async (tx) => {
      await tx`insert into platform.operators (id, email, password_hash, first_name, last_name, role, status)
      select ${crypto.randomUUID()}, 'disabled@bulkhead.test', password_hash, 'D', 'D', 'support', 'disabled'
      from platform.operators limit 1`;
    });
    const answers = [];
    for (
      const body of [
        { email: OPERATOR.email, password: "wrong password" },
        { email: "nobody@bulkhead.test", password: OPERATOR.password },
        { email: "disabled@bulkhead.test", password: OPERATOR.password },
      ]
    ) {
      const { status, body: { request_id: _, ...rest } } = await app.ask("POST", "/v1/operators/login", { body });
      answers.push({ status, ...rest });
    }
    assert.equal(answers[0].status, 401);
    assert.equal(answers[0].code, "invalid_credentials");
    assert.deepEqual(answers[1], answers[0]);
    assert.deepEqual(answers[2], answers[0]);
  },
);

Deno.test("operators.login refuses malformed bodies with 400", loose, async () => {
  for (
    const body of [{}, { email: OPERATOR.email }, { ...OPERATOR, role: "superadmin" }, { email: "a\0b", password: "x" }]
  ) {
    assert.equal((await app.ask("POST", "/v1/operators/login", { body })).status, 400, JSON.stringify(body));
  }
});

Deno.test("ensureFirstOperator() makes no second one", loose, async () => {
  const other = { email: "second@bulkhead.test", passwordHash: "$argon2id$x" };
  assert.equal(await asPlatform(app.services, (tx) => ensureFirstOperator(tx, other)), false);
  assert.equal((await read(app, "/v1/operators/me")).email, OPERATOR.email);
});
