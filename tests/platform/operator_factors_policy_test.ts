// What is around operators' second factors: whose access changes meanwhile gets no token, superadmins take factors from who lost
// them, and where the configuration wants one, nobody does anything without.
import assert from "node:assert/strict";
import { totpCode } from "../../src/identity/totp.ts";
import { readOperations } from "../../src/prove/operations.ts";
import { accountFactors, type FactorStore, operatorFactors } from "../../src/tenancy/accounts/factor_store.ts";
import { bootApp, OPERATOR, type TestTenant } from "../support/app.ts";
import { addOperator, mailedLink, OPERATOR_PASSWORD } from "../support/operators.ts";
import { loose, NEW_PASSWORD, ok, refused } from "../tenant/auth_people.ts";
import { type Person, Staff, STEP } from "./operator_people.ts";

let staff: Staff;
Deno.test.beforeAll(async () => {
  staff = await Staff.boot();
});
Deno.test.afterAll(() => staff.end());

Deno.test("nobody gets in who changed in between: another password, another role, disabled", loose, async () => {
  const token = await staff.app.operator();
  const changes: ((person: Person) => Promise<unknown>)[] = [
    async ({ token }) => {
      const body = { current_password: OPERATOR_PASSWORD, new_password: NEW_PASSWORD };
      const { body: { state } } = ok(await staff.post("/v1/operators/change-password", token, body));
      assert.equal(state, "signed_in");
    },
    async ({ id }) => ok(await staff.app.ask("PATCH", `/v1/operators/${id}`, { token, body: { role: "auditor" } })),
    async ({ id }) => ok(await staff.app.ask("PATCH", `/v1/operators/${id}`, { token, body: { status: "disabled" } })),
  ];
  for (const change of changes) {
    const person = await staff.withApp();
    const half = await staff.halfWay(person.email);
    await change(person);
    refused(await staff.finish(half, { code: await staff.freshCode(person.secret) }), "401 invalid_token");
  }
});

Deno.test("the link that sets a password does not go past the factor", loose, async () => {
  const { id, email, secret } = await staff.withApp();
  const before = await mailedLink(staff.app, email);
  ok(await staff.post(`/v1/operators/${id}/send-link`, await staff.app.operator()), 204);
  const token = await staff.app.until("another link", async () => {
    const link = await mailedLink(staff.app, email);
    return link !== before && link;
  });
  ok(await staff.post("/v1/operators/set-password", undefined, { token, password: OPERATOR_PASSWORD }), 204);
  ok(await staff.finish(await staff.halfWay(email), { code: await staff.freshCode(secret) }));
});

Deno.test("what shows a password alone gets no token past a factor that comes meanwhile", loose, async () => {
  const { id, email, token } = await addOperator(staff.app, "auditor");
  const password = { current_password: OPERATOR_PASSWORD, new_password: NEW_PASSWORD };
  const attempts = [
    () => staff.login(email),
    () => staff.post("/v1/operators/change-password", token, password, staff.other),
  ];
  for (const attempt of attempts) {
    const answer = await staff.sql.begin(async (tx) => {
      await tx`update platform.operators set access_version = access_version + 1 where id = ${id}`;
      const answer = attempt();
      await staff.app.until("a statement that waits", async () => {
        const [{ n }] = await staff.sql`select count(*)::int as n from pg_stat_activity
          where datname = current_database() and wait_event_type = 'Lock'`;
        return n > 0;
      });
      return { answer };
    });
    assert.equal((await answer.answer).status, 401);
    await staff.sql`update platform.operators set access_version = access_version - 1 where id = ${id}`;
  }
  await staff.forgetFailures();
});

Deno.test("a secret that was sealed for an account's factor is no operator's", loose, async () => {
  const { email, factor, secret } = await staff.withApp();
  const { secrets } = staff.app.services;
  const put = async (store: FactorStore) => {
    const sealed = await secrets.seal(secret, store.scope(factor));
    await staff.sql`update platform.operator_factors set secret_sealed = ${sealed} where id = ${factor}`;
  };
  await put(accountFactors);
  const planted = await staff.finish(await staff.halfWay(email), { code: await staff.freshCode(secret) });
  refused(planted, "500 internal");
  await put(operatorFactors);
  ok(await staff.finish(await staff.halfWay(email), { code: await staff.freshCode(secret) }));
});

Deno.test(
  "a superadmin resets another's factors, which ends the other's tokens and visits at once",
  loose,
  async () => {
    const person = await staff.withApp();
    const half = await staff.halfWay(person.email);
    for (const at of [staff.app, staff.other]) ok(await staff.me(person.token, at));
    const visit = await visitOf(person.token, await staff.app.tenant("factors-visited"));
    ok(await staff.app.ask("GET", "/v1/buildings", { token: visit }));
    const superadmin = await staff.withApp("superadmin");
    refused(await staff.reset(person.id, person.token), "403 forbidden");
    refused(await staff.reset(superadmin.id, superadmin.token), "409 invalid_state");
    refused(await staff.reset(crypto.randomUUID(), superadmin.token), "404 not_found");
    const { key } = ok(await staff.post("/v1/operator-keys", superadmin.token, { name: "For a test" }), 201).body;
    refused(await staff.reset(person.id, key), "403 forbidden");
    assert.equal(ok(await staff.reset(person.id, superadmin.token)).body.second_factor, false);
    for (const at of [staff.app, staff.other]) refused(await staff.me(person.token, at), "401 unauthorized");
    refused(await staff.finish(half, { code: await staff.freshCode(person.secret) }), "401 invalid_credentials");
    refused(await staff.finish(half, { recovery_code: person.codes[0] }), "401 invalid_token");
    for (const at of [staff.app, staff.other]) {
      refused(await at.ask("GET", "/v1/buildings", { token: visit }), "401 unauthorized");
    }
    assert.equal(ok(await staff.login(person.email)).body.state, "signed_in");
    assert.deepEqual(await staff.events("operator.factors_reset", person.id), [
      { actor: `operator:${superadmin.id}`, data: { operator: person.id } },
    ]);
    ok(await staff.me(superadmin.token));
    await staff.forgetFailures();
  },
);

/** A visit of an operator that is under way; gives its token. */
async function visitOf(token: string, tenant: TestTenant): Promise<string> {
  const asked = await staff.post(`/v1/tenants/${tenant.id}/impersonations`, token, { reason: "Looking into a fault" });
  const { token: once } = ok(asked, 201).body;
  const begun = await staff.app.ask("POST", "/v1/auth/impersonate", { tenant: tenant.slug, body: { token: once } });
  return ok(begun).body.access_token;
}

Deno.test("OPERATOR_MFA_REQUIRED lets operators without a factor only set one up", loose, async (t) => {
  const strict = await bootApp({ worker: false, env: { OPERATOR_MFA_REQUIRED: "on" } });
  try {
    const limited = ok(await strict.ask("POST", "/v1/operators/login", { body: OPERATOR })).body;
    assert.deepEqual([limited.state, limited.duty, limited.token_type], ["limited", "enrol_factor", "Bearer"]);
    const { access_token: token, operator } = limited;
    const during = ["operators.beginTotp", "operators.confirmTotp", "operators.factors"];
    await t.step("the token is good for nothing else", async () => {
      const operations = readOperations((await strict.ask("GET", "/openapi.json")).body);
      const refusals = [];
      for (const { id, method, path, audience, body } of operations.filter(({ audience }) => audience !== "anyone")) {
        const raw = body ? JSON.stringify(body.value) : undefined;
        const headers = raw ? { "content-type": body!.type } : undefined;
        const at = path.replace("{id}", operator.id).replace("{slug}", "some-slug");
        const answer = await strict.ask(method, at, { token, raw, headers });
        const expected = audience === "members" ? "403 forbidden" : "403 mfa_required";
        if (!during.includes(id)) refusals.push([id, `${answer.status} ${answer.body?.code}`, expected]);
        else assert.ok(answer.status !== 401 && answer.status !== 403, JSON.stringify(answer.body));
      }
      for (const [id, answer, expected] of refusals) assert.equal(answer, expected, id);
      assert.ok(refusals.filter(([, , expected]) => expected === "403 mfa_required").length > 25);
    });
    await t.step("nor does a new password get past it", async () => {
      const body = { current_password: OPERATOR.password, new_password: NEW_PASSWORD };
      refused(await strict.ask("POST", "/v1/operators/change-password", { token, body }), "403 mfa_required");
      const full = { operatorId: operator.id, email: operator.email, role: operator.role, accessVersion: 1 };
      const before = await strict.services.tokens.issueOperator(full);
      const changed = await strict.ask("POST", "/v1/operators/change-password", { token: before, body });
      assert.equal(ok(changed).body.state, "limited");
      refused(
        await strict.ask("GET", "/v1/tenants", { token: changed.body.access_token }),
        "403 mfa_required",
      );
    });
    await t.step("a factor that was set up lets in at once, and is asked for from then on", async () => {
      const body = { email: OPERATOR.email, password: NEW_PASSWORD };
      const { access_token: token } = ok(await strict.ask("POST", "/v1/operators/login", { body })).body;
      const start = ok(await strict.ask("POST", "/v1/operators/factors/totp", { token, body: {} })).body;
      const first = { id: start.id, code: totpCode(start.secret) };
      const { signed_in } =
        ok(await strict.ask("POST", "/v1/operators/factors/totp/confirm", { token, body: first })).body;
      assert.equal(signed_in.state, "signed_in");
      ok(await strict.ask("GET", "/v1/tenants", { token: signed_in.access_token }));
      refused(await strict.ask("GET", "/v1/operators/factors", { token }), "401 unauthorized");
      const { mfa_token } = ok(await strict.ask("POST", "/v1/operators/login", { body })).body;
      const second = { mfa_token, code: totpCode(start.secret, Date.now() + STEP) };
      assert.equal(ok(await strict.ask("POST", "/v1/operators/mfa", { body: second })).body.state, "signed_in");
    });
  } finally {
    await strict.stop();
  }
});
