// Operators: logging in, and that a failed login says nothing about who exists; links, passwords, and that there is always a
// superadmin. What changes bites at the next request, in every process.
import assert from "node:assert/strict";
import { ensureFirstOperator } from "../../src/platform/operators/queries.ts";
import { type Answer, bootApp, OPERATOR, type TestApp, type TestProcess } from "../support/app.ts";
import { adminSql } from "../support/postgres.ts";
import { addOperator, mailedLink, OPERATOR_PASSWORD, signInOperator } from "../support/operators.ts";
import { asPlatform, read } from "./setup.ts";

let app: TestApp;
let other: TestProcess;
let sql: Awaited<ReturnType<typeof adminSql>>;
Deno.test.beforeAll(async () => {
  app = await bootApp({ worker: false });
  other = await app.secondProcess();
  sql = await adminSql(app.services.servers.settings.platformDatabase);
});
Deno.test.afterAll(async () => {
  await sql.end();
  await other.stop();
  await app.stop();
});

const loose = { sanitizeOps: false, sanitizeResources: false };
const WRONG = "not the password at all";
const login = (email: string, password: string, at: TestProcess = app) =>
  at.ask("POST", "/v1/operators/login", { body: { email, password } });
const me = (token: string, at: TestProcess = app) => at.ask("GET", "/v1/operators/me", { token });

function refused(answer: Answer, expected: string): void {
  assert.equal(`${answer.status} ${answer.body?.code}`, expected, JSON.stringify(answer.body));
}

Deno.test("operators.login gives a token for the platform, in any case of the address", loose, async () => {
  const body = { email: ` ${OPERATOR.email.toUpperCase()}`, password: OPERATOR.password };
  const answer = await app.ask("POST", "/v1/operators/login", { body });
  assert.equal(answer.status, 200, JSON.stringify(answer.body));
  assert.deepEqual([answer.body.token_type, answer.body.expires_in], ["Bearer", 900]);
  assert.equal(answer.body.operator.role, "superadmin");
  const shown = await me(answer.body.access_token);
  assert.equal(shown.body.email, OPERATOR.email);
  assert.ok(shown.body.last_login_at);
});

Deno.test(
  "operators.login answers alike for a wrong password, an unknown address and a disabled operator, waiting or not",
  loose,
  async () => {
    const disabled = await addOperator(app, "support");
    const waiting = await addOperator(app, "support", { sets: false });
    const token = await app.operator();
    await app.ask("PATCH", `/v1/operators/${disabled.id}`, { token, body: { status: "disabled" } });
    const cases = [
      [OPERATOR.email, WRONG],
      ["nobody@bulkhead.test", OPERATOR.password],
      [disabled.email, OPERATOR_PASSWORD],
      [disabled.email, WRONG],
      [waiting.email, OPERATOR_PASSWORD],
    ];
    const told = async () => {
      const answers = [];
      for (const [email, password] of cases) {
        const { status, body: { request_id: _, ...rest } } = await login(email, password);
        answers.push({ status, ...rest });
      }
      for (const answer of answers.slice(1)) assert.deepEqual(answer, answers[0]);
      return answers[0];
    };
    const first = await told();
    assert.deepEqual([first.status, first.code], [401, "invalid_credentials"]);
    for (const [email] of cases) {
      for (let i = 0; i < 5; i++) {
        await login(email, WRONG);
        await sql`update platform.login_failures set locked_until = now()`;
      }
    }
    await sql`update platform.login_failures set locked_until = now() + interval '90 s'`;
    const locked = await told();
    assert.deepEqual([locked.status, locked.code], [429, "too_many_attempts"]);
    await sql`delete from platform.login_failures`;
  },
);

Deno.test("a right password does not get through while the operator waits, in any process", loose, async () => {
  const { email } = await addOperator(app, "auditor");
  for (let i = 0; i < 5; i++) refused(await login(email, WRONG, i % 2 ? app : other), "401 invalid_credentials");
  for (const at of [app, other]) {
    const locked = await login(email, OPERATOR_PASSWORD, at);
    refused(locked, "429 too_many_attempts");
    assert.ok(Number(locked.headers.get("retry-after")) >= 1);
  }
  refused(await login("nobody.else@bulkhead.test", WRONG), "401 invalid_credentials");
  await sql`update platform.login_failures set locked_until = now()`;
  assert.equal((await login(email, OPERATOR_PASSWORD)).status, 200);
  await sql`delete from platform.login_failures`;
});

Deno.test("operators.login refuses malformed bodies with 400", loose, async () => {
  for (
    const body of [{}, { email: OPERATOR.email }, { ...OPERATOR, role: "superadmin" }, { email: "a\0b", password: "x" }]
  ) {
    assert.equal((await app.ask("POST", "/v1/operators/login", { body })).status, 400, JSON.stringify(body));
  }
});

Deno.test("ensureFirstOperator() makes no second one", loose, async () => {
  const second = { email: "second@bulkhead.test", passwordHash: "$argon2id$x" };
  assert.equal(await asPlatform(app.services, (tx) => ensureFirstOperator(tx, second)), false);
  assert.equal((await read(app, "/v1/operators/me")).email, OPERATOR.email);
});

Deno.test("operators.create mails a link that sets the password once", loose, async () => {
  const operator = await addOperator(app, "billing", { sets: false });
  const token = await app.operator();
  refused(
    await app.ask("POST", "/v1/operators", {
      token,
      body: { email: operator.email.toUpperCase(), first_name: "A", last_name: "B", role: "billing" },
    }),
    "409 already_exists",
  );
  const link = await mailedLink(app, operator.email);
  const set = (token: string, password = OPERATOR_PASSWORD) =>
    app.ask("POST", "/v1/operators/set-password", { body: { token, password } });
  refused(await set(link, "short"), "422 unprocessable");
  refused(await set(`${link.slice(0, -1)}${link.endsWith("A") ? "B" : "A"}`), "401 invalid_token");
  const many = await Promise.all(Array.from({ length: 8 }, () => set(link)));
  assert.equal(many.filter(({ status }) => status === 204).length, 1);
  many.filter(({ status }) => status !== 204).forEach((answer) => refused(answer, "401 invalid_token"));
  const session = await signInOperator(app, operator.email);
  assert.equal((await me(session)).body.role, "billing");
});

Deno.test(
  "operators.sendLink: the link before stops working, and the new password ends all tokens",
  loose,
  async () => {
    const operator = await addOperator(app, "support", { sets: false });
    const first = await mailedLink(app, operator.email);
    const token = await app.operator();
    const send = () => app.ask("POST", `/v1/operators/${operator.id}/send-link`, { token });
    assert.equal((await send()).status, 204);
    const second = await app.until("another link", async () => {
      const link = await mailedLink(app, operator.email);
      return link !== first && link;
    });
    const set = (token: string) =>
      app.ask("POST", "/v1/operators/set-password", { body: { token, password: OPERATOR_PASSWORD } });
    refused(await set(first), "401 invalid_token");
    assert.equal((await set(second)).status, 204);
    const session = await signInOperator(app, operator.email);
    assert.equal((await me(session, other)).status, 200);
    assert.equal((await send()).status, 204);
    assert.equal((await me(session)).status, 200, "asking for a link ends nothing");
    const third = await app.until("a third link", async () => {
      const link = await mailedLink(app, operator.email);
      return link !== second && link;
    });
    assert.equal((await set(third)).status, 204);
    for (const at of [app, other]) refused(await me(session, at), "401 unauthorized");
  },
);

Deno.test("operators.changePassword asks for the current one and ends all other tokens", loose, async () => {
  const { email, token } = await addOperator(app, "auditor");
  const change = (current_password: string, new_password: string) =>
    app.ask("POST", "/v1/operators/change-password", { token, body: { current_password, new_password } });
  refused(await change(WRONG, "eleven brown bears asleep"), "401 invalid_credentials");
  refused(await change(OPERATOR_PASSWORD, "short"), "422 unprocessable");
  refused(await change(OPERATOR_PASSWORD, OPERATOR_PASSWORD), "422 unprocessable");
  const changed = await change(OPERATOR_PASSWORD, "eleven brown bears asleep");
  assert.equal(changed.status, 200, JSON.stringify(changed.body));
  for (const at of [app, other]) {
    refused(await me(token, at), "401 unauthorized");
    assert.equal((await me(changed.body.access_token, at)).status, 200);
  }
  refused(await login(email, OPERATOR_PASSWORD), "401 invalid_credentials");
  assert.equal((await login(email, "eleven brown bears asleep")).status, 200);
  await sql`delete from platform.login_failures`;
});

Deno.test("another role or status ends an operator's tokens at once, another name does not", loose, async () => {
  const token = await app.operator();
  const { id, email, token: old } = await addOperator(app, "support");
  const update = (body: unknown) => app.ask("PATCH", `/v1/operators/${id}`, { token, body });
  for (const at of [app, other]) assert.equal((await me(old, at)).status, 200);
  assert.equal((await update({ first_name: "Nora" })).body.first_name, "Nora");
  assert.equal((await me(old, other)).status, 200);
  assert.equal((await update({ role: "auditor" })).status, 200);
  for (const at of [app, other]) refused(await me(old, at), "401 unauthorized");
  const next = await signInOperator(app, email);
  assert.equal((await other.ask("GET", "/v1/operators", { token: next })).status, 200);
  assert.equal((await update({ status: "disabled" })).status, 200);
  for (const at of [app, other]) refused(await me(next, at), "401 unauthorized");
  assert.equal((await update({ status: "active" })).status, 200);
  for (const session of [old, next]) refused(await me(session), "401 unauthorized");
  const { body } = await app.ask("GET", "/v1/events?type=operator.changed", { token });
  assert.ok(body.items.some(({ data }: { data: { operator: string } }) => data.operator === id));
});

Deno.test("the last superadmin who can log in can neither be demoted nor disabled", loose, async () => {
  const token = await app.operator();
  const first = (await me(token)).body.id as string;
  await addOperator(app, "superadmin", { sets: false });
  const disabled = await addOperator(app, "superadmin");
  await app.ask("PATCH", `/v1/operators/${disabled.id}`, { token, body: { status: "disabled" } });
  for (const body of [{ role: "support" }, { status: "disabled" }, { role: "auditor", status: "disabled" }]) {
    refused(await app.ask("PATCH", `/v1/operators/${first}`, { token, body }), "409 last_admin");
  }
  const same = await app.ask("PATCH", `/v1/operators/${first}`, { token, body: { role: "superadmin" } });
  assert.equal(same.status, 200);
  assert.equal((await me(token)).status, 200);
});

Deno.test("each role reads what is its own and decides nothing", loose, async () => {
  const may: Record<string, string[]> = {
    support: ["/v1/tenants", "/v1/applications", "/v1/events", "/v1/impersonations", "/v1/operator-keys"],
    billing: ["/v1/tenants", "/v1/operator-keys"],
    auditor: [
      "/v1/tenants",
      "/v1/applications",
      "/v1/events",
      "/v1/impersonations",
      "/v1/operator-keys",
      "/v1/operators",
    ],
  };
  const all = may.auditor;
  for (const [role, own] of Object.entries(may)) {
    const { token } = await addOperator(app, role);
    for (const path of all) {
      const { status } = await app.ask("GET", path, { token });
      assert.equal(status, own.includes(path) ? 200 : 403, `${role} ${path}`);
    }
    const id = crypto.randomUUID();
    const decisions: [string, string, unknown][] = [
      ["POST", `/v1/applications/${id}/approve`, { tier: "shared" }],
      ["POST", `/v1/tenants/${id}/status`, { status: "suspended", reason: "Because" }],
      ["POST", "/v1/operators", { email: "n@n.test", first_name: "N", last_name: "N", role: "superadmin" }],
      ["PATCH", `/v1/operators/${id}`, { role: "superadmin" }],
      ["POST", "/v1/accounts/disable", { email: "n@n.test" }],
    ];
    for (const [method, path, body] of decisions) {
      refused(await app.ask(method, path, { token, body }), "403 forbidden");
    }
  }
});

// The last one: it ends the token that the others use.
Deno.test("two superadmins who demote each other, or themselves, at once leave one", loose, async () => {
  await sql`update platform.operators set status = 'disabled' where role = 'superadmin' and email <> ${OPERATOR.email}`;
  const [{ id: first }] = await sql`select id from platform.operators where email = ${OPERATOR.email}`;
  const { id: second, email } = await addOperator(app, "superadmin");
  const fresh = async (at: string) => {
    const [{ access_version }] = await sql`select access_version from platform.operators where id = ${at}`;
    return await app.services.tokens.issueOperator({
      operatorId: at,
      email,
      role: "superadmin",
      accessVersion: access_version,
    });
  };
  for (let round = 0; round < 10; round++) {
    const [a, b] = [await fresh(first), await fresh(second)];
    const crossed = round % 2 === 0;
    const body = round % 4 > 1 ? { status: "disabled" } : { role: "billing" };
    const answers = await Promise.all([
      app.ask("PATCH", `/v1/operators/${crossed ? second : first}`, { token: a, body }),
      other.ask("PATCH", `/v1/operators/${crossed ? first : second}`, { token: b, body }),
    ]);
    assert.equal(answers.filter(({ status }) => status === 200).length, 1, JSON.stringify(answers));
    assert.ok(answers.some(({ body }) => ["last_admin", "unauthorized"].includes(body.code)));
    const [{ n }] = await sql`select count(*)::int as n from platform.operators
      where role = 'superadmin' and status = 'active' and password_hash is not null`;
    assert.equal(n, 1);
    await sql`update platform.operators set role = 'superadmin', status = 'active', access_version = access_version + 1
      where id in (${first}, ${second})`;
  }
});
