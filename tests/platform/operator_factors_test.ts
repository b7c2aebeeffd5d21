// Second factors of operators: authenticator apps and recovery codes. What counts once counts once, and whoever has the password
// alone gets no token.
import assert from "node:assert/strict";
import { newSecretToken } from "../../src/identity/secret_tokens.ts";
import { totpCode } from "../../src/identity/totp.ts";
import { addOperator, OPERATOR_PASSWORD } from "../support/operators.ts";
import { loose, NEW_PASSWORD, ok, refused, told } from "../tenant/auth_people.ts";
import { Staff, STEP } from "./operator_people.ts";

let staff: Staff;
Deno.test.beforeAll(async () => {
  staff = await Staff.boot();
});
Deno.test.afterAll(() => staff.end());

Deno.test("an app is set up with the password and a first code, which ends all earlier tokens", loose, async () => {
  const { id, email, token } = await addOperator(staff.app, "auditor");
  refused(await staff.begin(token, {}), "401 invalid_credentials");
  refused(await staff.begin(token, { password: NEW_PASSWORD }), "401 invalid_credentials");
  const start = ok(await staff.begin(token, { password: OPERATOR_PASSWORD })).body;
  assert.match(start.uri, /^otpauth:\/\/totp\/Bulkhead:auditor/);
  assert.ok(start.uri.includes(start.secret));
  assert.equal(ok(await staff.login(email)).body.state, "signed_in", "an app that is not confirmed does not count");
  const code = totpCode(start.secret);
  const wrong = String((Number(code) + 1) % 1_000_000).padStart(6, "0");
  refused(await staff.confirm(token, start.id, wrong), "422 unprocessable");
  refused(await staff.confirm(token, crypto.randomUUID(), code), "404 not_found");
  const { signed_in, recovery_codes } = ok(await staff.confirm(token, start.id, code)).body;
  for (const at of [staff.app, staff.other]) {
    refused(await staff.me(token, at), "401 unauthorized");
    assert.equal(ok(await staff.me(signed_in.access_token, at)).body.second_factor, true);
  }
  refused(await staff.confirm(signed_in.access_token, start.id, code), "404 not_found");
  const shown = await staff.factors(signed_in.access_token);
  assert.deepEqual(shown.items.map(({ kind, id }: { kind: string; id: string }) => [kind, id]), [["totp", start.id]]);
  assert.equal(shown.recovery_codes_left, 10);
  assert.ok(!JSON.stringify(shown).includes("secret"));
  const [told] = await staff.events("operator.factor_enrolled", id);
  assert.deepEqual(told, { actor: `operator:${id}`, data: { operator: id, factor: start.id, kind: "totp" } });
  const kept = JSON.stringify([
    await staff.sql`select * from platform.operator_factors`,
    await staff.sql`select * from platform.operator_recovery_codes`,
    await staff.sql`select * from platform.events`,
    staff.app.lines,
  ]);
  for (const secret of [start.secret, code, ...recovery_codes]) assert.ok(!kept.includes(secret));
  assert.ok(kept.includes(start.id));
  await staff.forgetFailures();
});

Deno.test("operators.login asks for the factor, and operators.secondFactor takes each code once", loose, async (t) => {
  const { id, email, secret } = await staff.withApp();
  const code = await staff.freshCode(secret);
  const first = await staff.halfWay(email);
  refused(await staff.me(first), "401 unauthorized");
  const { access_token, state, operator } = ok(await staff.finish(first, { code }, staff.other)).body;
  assert.deepEqual([state, operator.id], ["signed_in", id]);
  ok(await staff.me(access_token));
  await t.step("neither the token nor the code works again, in any process", async () => {
    for (const at of [staff.app, staff.other]) {
      refused(await staff.finish(first, { code: totpCode(secret, Date.now() + STEP) }, at), "401 invalid_token");
      refused(await staff.finish(await staff.halfWay(email), { code }, at), "401 invalid_credentials");
    }
  });
  await t.step("nor does a code for many at once", async () => {
    const again = await staff.freshCode(secret);
    const tokens = [await staff.halfWay(email), await staff.halfWay(email), await staff.halfWay(email)];
    const answers = await Promise.all(
      tokens.map((token, i) => staff.finish(token, { code: again }, i % 2 ? staff.app : staff.other)),
    );
    assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 401, 401]);
  });
  await t.step("nor an old one, or another's", async () => {
    const stranger = await staff.withApp();
    refused(
      await staff.finish(await staff.halfWay(email), { code: totpCode(secret, Date.now() - 3 * STEP) }),
      "401 invalid_credentials",
    );
    refused(
      await staff.finish(await staff.halfWay(email), { code: await staff.freshCode(stranger.secret) }),
      "401 invalid_credentials",
    );
  });
  await staff.forgetFailures();
});

Deno.test("wrong codes are given up after five, and count like wrong passwords", loose, async () => {
  const { email, secret } = await staff.withApp();
  const token = await staff.halfWay(email);
  for (let i = 0; i < 4; i++) {
    refused(await staff.finish(token, { code: "000000" }, i % 2 ? staff.app : staff.other), "401 invalid_credentials");
  }
  refused(await staff.login(email, NEW_PASSWORD), "401 invalid_credentials");
  const locked = refused(
    await staff.finish(token, { code: await staff.freshCode(secret) }, staff.other),
    "429 too_many_attempts",
  );
  assert.ok(Number(locked.headers.get("retry-after")) >= 1);
  refused(await staff.login(email), "429 too_many_attempts");
  await staff.sql`update platform.login_failures set locked_until = now()`;
  refused(await staff.finish(token, { code: await staff.freshCode(secret) }), "401 invalid_token");
  const late = await staff.halfWay(email);
  await staff.sql`update platform.sign_in_states set expires_at = now()`;
  refused(await staff.finish(late, { code: await staff.freshCode(secret) }), "401 invalid_token");
  await staff.forgetFailures();
});

Deno.test("a right password alone does not forget wrong codes, and the wait grows", loose, async () => {
  const { email, secret } = await staff.withApp();
  for (let i = 0; i < 5; i++) {
    refused(await staff.finish(await staff.halfWay(email), { code: "000000" }), "401 invalid_credentials");
  }
  const waits = [];
  for (let i = 0; i < 3; i++) {
    waits.push(Number(refused(await staff.login(email), "429 too_many_attempts").headers.get("retry-after")));
    await staff.sql`update platform.login_failures set locked_until = now()`;
    refused(
      await staff.finish(await staff.halfWay(email), { recovery_code: "00000-00000" }),
      "401 invalid_credentials",
    );
  }
  assert.deepEqual(waits, [1, 2, 4]);
  await staff.sql`update platform.login_failures set locked_until = now()`;
  ok(await staff.finish(await staff.halfWay(email), { code: await staff.freshCode(secret) }));
  refused(await staff.login(email, NEW_PASSWORD), "401 invalid_credentials");
  ok(await staff.login(email));
  await staff.forgetFailures();
});

Deno.test("answers do not tell why a factor was refused, nor who has one", loose, async () => {
  const { email, secret, codes } = await staff.withApp();
  const plain = await addOperator(staff.app, "support");
  const used = await staff.freshCode(secret);
  ok(await staff.finish(await staff.halfWay(email), { code: used }));
  ok(await staff.finish(await staff.halfWay(email), { recovery_code: codes[0] }));
  const wrong = [
    { code: used },
    { code: "000000" },
    { recovery_code: codes[0] },
    { recovery_code: "00000-00000" },
    { recovery_code: "not a code" },
  ];
  const answers = [];
  for (const given of wrong) {
    answers.push(told(await staff.finish(await staff.halfWay(email), given)));
    await staff.forgetFailures();
  }
  for (const answer of answers) assert.deepEqual(answer, answers[0]);
  const passwords = [];
  for (const who of [email, plain.email, "nobody@bulkhead.test"]) {
    passwords.push(told(await staff.login(who, NEW_PASSWORD)));
  }
  for (const answer of passwords) assert.deepEqual(answer, passwords[0]);
  const ended = await staff.halfWay(email);
  ok(await staff.finish(ended, { recovery_code: codes[1] }));
  const gone = [ended, `bhm_${"x".repeat(43)}`, await anotherKind()];
  const tokens = [];
  for (const token of gone) tokens.push(told(refused(await staff.finish(token, { code: used }), "401 invalid_token")));
  for (const answer of tokens) assert.deepEqual(answer, tokens[0]);
  for (const body of [{}, { code: "12345" }, { code: "123456", recovery_code: codes[2] }, { code: 123456 }]) {
    refused(await staff.finish(gone[1], body), "400 invalid_request");
  }
  await staff.forgetFailures();
});

/** A sign-in under way that is not an operator's. */
async function anotherKind(): Promise<string> {
  const { token, hash } = newSecretToken("bhm");
  await staff.sql`insert into platform.sign_in_states (state_hash, kind, data_sealed, expires_at)
    values (${hash}, 'mfa', 'nothing', now() + interval '5 min')`;
  return token;
}

Deno.test("a recovery code works once, however it is typed, and new ones end the old", loose, async () => {
  const { id, email, codes, secret } = await staff.withApp();
  const typed = ` ${codes[0].toUpperCase().replace("-", " ")}`;
  const tokens = [await staff.halfWay(email), await staff.halfWay(email), await staff.halfWay(email)];
  const answers = await Promise.all(tokens.map((token) => staff.finish(token, { recovery_code: typed })));
  assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 401, 401]);
  refused(await staff.finish(await staff.halfWay(email), { recovery_code: codes[0] }), "401 invalid_credentials");
  assert.deepEqual(await staff.events("operator.recovery_code_used", id), [
    { actor: `operator:${id}`, data: { operator: id, left: 9 } },
  ]);
  const { access_token: token } = answers.find(({ status }) => status === 200)!.body;
  assert.equal((await staff.factors(token)).recovery_codes_left, 9);
  const stranger = await staff.withApp();
  refused(
    await staff.finish(await staff.halfWay(email), { recovery_code: stranger.codes[1] }),
    "401 invalid_credentials",
  );
  const renew = (body: unknown) => staff.post("/v1/operators/recovery-codes", token, body);
  refused(await renew({}), "400 invalid_request");
  refused(await renew({ password: NEW_PASSWORD }), "401 invalid_credentials");
  await staff.forgetFailures();
  const { recovery_codes: fresh } = ok(await renew({ code: await staff.freshCode(secret) })).body;
  assert.equal(fresh.length, 10);
  refused(await staff.finish(await staff.halfWay(email), { recovery_code: codes[1] }), "401 invalid_credentials");
  ok(await staff.finish(await staff.halfWay(email), { recovery_code: fresh[0] }));
  assert.equal((await staff.events("operator.recovery_codes_made", id)).length, 1);
  const without = await addOperator(staff.app, "billing");
  refused(
    await staff.post("/v1/operators/recovery-codes", without.token, { password: OPERATOR_PASSWORD }),
    "409 invalid_state",
  );
  await staff.forgetFailures();
});

Deno.test("a factor is removed with the password or a code, not with a copied token or a key", loose, async () => {
  const { id, email, factor, token, secret } = await staff.withApp();
  const path = `/v1/operators/factors/${factor}/remove`;
  refused(await staff.post(path, token, {}), "400 invalid_request");
  refused(await staff.post(path, token, { code: "000000" }), "401 invalid_credentials");
  refused(await staff.post(path, token, { password: NEW_PASSWORD }), "401 invalid_credentials");
  const used = await staff.freshCode(secret);
  ok(await staff.finish(await staff.halfWay(email), { code: used }));
  refused(await staff.post(path, token, { code: used }), "401 invalid_credentials");
  const stranger = await staff.withApp("superadmin");
  refused(await staff.post(path, stranger.token, { password: OPERATOR_PASSWORD }), "404 not_found");
  const { key } = ok(await staff.post("/v1/operator-keys", token, { name: "For a test" }), 201).body;
  for (const path of ["/v1/operators/me", "/v1/operator-keys"]) ok(await staff.app.ask("GET", path, { token: key }));
  refused(await staff.app.ask("GET", "/v1/operators/factors", { token: key }), "403 forbidden");
  refused(await staff.post(path, key, { password: OPERATOR_PASSWORD }), "403 forbidden");
  ok(await staff.post(path, token, { code: await staff.freshCode(secret) }), 204);
  assert.equal(ok(await staff.login(email)).body.state, "signed_in");
  assert.deepEqual((await staff.events("operator.factor_removed", id))[0].data, { operator: id, factor });
  const [{ n }] = await staff
    .sql`select count(*)::int as n from platform.operator_recovery_codes where operator_id = ${id}`;
  assert.equal(n, 0, "recovery codes without a factor are gone");
  await staff.forgetFailures();
});
