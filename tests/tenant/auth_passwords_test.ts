// New passwords: a reset by mail, a change, a change that is required. Each ends the account's sessions in every tenant, and
// nothing on the way tells whether an address has an account.
import assert from "node:assert/strict";
import type { TestProcess, TestTenant } from "../support/app.ts";
import { openPlace, type Place } from "../support/placement.ts";
import { loose, NEW_PASSWORD, ok, PASSWORD, People, refused, told } from "./auth_people.ts";

const OTHER_PASSWORD = "eleven brown otters asleep";
let people: People;
let second: TestProcess;
let acme: TestTenant;
let own: TestTenant;
let place: Place;
let counter = 0;
Deno.test.beforeAll(async () => {
  people = await People.boot();
  [acme, own] = await Promise.all([people.app.tenant("pass-acme"), people.app.tenant("pass-own", "byo")]);
  second = await people.app.secondProcess();
  place = await openPlace(people.app, own);
});
Deno.test.afterAll(async () => {
  await place.end();
  await second.stop();
  await people.end();
});

/** Somebody new, a member of both tenants. */
async function someone(): Promise<string> {
  const email = `person-${++counter}@pass.test`;
  await people.join(acme, email);
  await people.join(own, email);
  return email;
}

const forgot = (email: string, tenant: TestTenant) =>
  people.post("/v1/auth/forgot-password", undefined, { email }, tenant.slug);
const reset = (token: string, password: string, tenant: TestTenant) =>
  people.post("/v1/auth/reset-password", undefined, { token, password }, tenant.slug);

/** Asks for a link and gives its token. */
async function link(email: string, tenant: TestTenant): Promise<string> {
  const before = (await people.mails(email)).length;
  ok(await forgot(email, tenant), 202);
  return await people.mailedToken(email, before);
}

/** Waits until the queue of forgotten passwords is empty. */
const worked = () =>
  people.app.until("the queue", async () => {
    const [{ n }] = await people.platform`select count(*)::int as n from pgboss.job
      where name = 'auth.forgotPassword' and state in ('created', 'active', 'retry')`;
    return n === 0;
  });

Deno.test("a link by mail sets a new password, once, and ends all sessions in all tenants", loose, async (t) => {
  const email = await someone();
  const [here, there] = [await people.enter(acme.slug, email), await people.enter(own.slug, email)];
  assert.ok(await people.works(here.access_token, second) && await people.works(there.access_token, second));
  const token = await link(email, acme);
  assert.match((await people.mails(email))[0], /\/t\/pass-acme\/reset-password#token=bhreset_/);
  await t.step("not in another tenant, not with a password that is too easy", async () => {
    refused(await reset(token, NEW_PASSWORD, own), "401 invalid_token");
    refused(await reset(token, "Butterfly2026", acme), "422 unprocessable");
    refused(await reset(token, email, acme), "422 unprocessable");
  });
  ok(await reset(token, NEW_PASSWORD, acme), 204);
  await t.step("the sessions here ended with it, in every process", async () => {
    assert.equal(await people.works(here.access_token, second), false);
    refused(await people.refresh(acme.slug, here.refresh_token), "401 invalid_token");
  });
  await t.step("those in other tenants cannot be refreshed, and end by a job", async () => {
    refused(await people.refresh(own.slug, there.refresh_token), "401 invalid_token");
    await people.app.until("the sessions' end", async () => !await people.works(there.access_token, second));
    const rows = await place
      .admin`select revoked_reason from tenant.sessions s join tenant.members m on m.id = s.member_id
      where m.email = ${email} and s.revoked_at is not null`;
    assert.deepEqual(rows.map((row) => row.revoked_reason), ["password"]);
  });
  await t.step("the link is used up, the old password is wrong, the new one right everywhere", async () => {
    refused(await reset(token, OTHER_PASSWORD, acme), "401 invalid_token");
    refused(await people.login(acme.slug, email), "401 invalid_credentials");
    const { access_token } = await people.enter(own.slug, email, NEW_PASSWORD);
    ok(await people.post("/v1/auth/switch", access_token, { tenant: acme.slug }));
  });
});

Deno.test("auth.forgotPassword tells nothing, and mails nobody but active members", loose, async () => {
  const email = await someone();
  const suspended = await someone();
  await people.shared`update tenant.members set status = 'suspended' where email = ${suspended}`;
  const elsewhere = own.adminEmail;
  const nobody = "nobody@pass.test";
  const before = await Promise.all([email, suspended, elsewhere, nobody].map((one) => people.mails(one)));
  const answers = [];
  for (const one of [nobody, email, suspended, elsewhere]) {
    answers.push(told(await forgot(one, acme)));
  }
  for (const answer of answers) assert.deepEqual(answer, answers[0]);
  assert.equal(answers[0].status, 202);
  await people.app.until("the mail", async () => (await people.mails(email)).length > before[0].length);
  await worked();
  const after = await Promise.all([email, suspended, elsewhere, nobody].map((one) => people.mails(one)));
  assert.deepEqual(after.map((mails, i) => mails.length - before[i].length), [1, 0, 0, 0]);
});

Deno.test("a link that is replaced, has expired, or was made for something else is refused", loose, async () => {
  const email = await someone();
  const first = await link(email, acme);
  const newer = await link(email, acme);
  refused(await reset(first, NEW_PASSWORD, acme), "401 invalid_token");
  await people
    .platform`update platform.account_tokens set expires_at = now() where used_at is null and purpose = 'reset'`;
  refused(await reset(newer, NEW_PASSWORD, acme), "401 invalid_token");
  const setup = await people.invite(acme, "setup@pass.test");
  refused(await reset(setup, NEW_PASSWORD, acme), "401 invalid_token");
  const good = await link(email, acme);
  refused(
    await people.post("/v1/auth/setup-password", undefined, { token: good, password: NEW_PASSWORD }, acme.slug),
    "401 invalid_token",
  );
  await people.enter(acme.slug, email);
});

Deno.test("of many who use one link at once, one sets the password", loose, async () => {
  const email = await someone();
  const token = await link(email, acme);
  const answers = await Promise.all(
    Array.from({ length: 5 }, (_, i) => reset(token, `a password of number ${i}`, acme)),
  );
  assert.deepEqual(answers.map(({ status }) => status).sort(), [204, 401, 401, 401, 401]);
  const i = answers.findIndex(({ status }) => status === 204);
  await people.enter(acme.slug, email, `a password of number ${i}`);
});

Deno.test("a reset ends the waiting of a locked account, and at most five mails come in an hour", loose, async () => {
  const email = await someone();
  for (let i = 0; i < 6; i++) await people.login(acme.slug, email, "wrong and wrong again");
  refused(await people.login(acme.slug, email), "429 too_many_attempts");
  ok(await reset(await link(email, acme), NEW_PASSWORD, acme), 204);
  await people.enter(acme.slug, email, NEW_PASSWORD);
  for (let i = 0; i < 4; i++) await link(email, i % 2 ? acme : own);
  const links = async () => (await people.mails(email)).filter((mail) => mail.includes("#token=")).length;
  const before = await links();
  ok(await forgot(email, acme), 202);
  await worked();
  assert.equal(await links(), before);
});

Deno.test("the owner of a placement cannot have a member's link sent to himself", loose, async () => {
  const email = await someone();
  const owner = "owner-of-the-server@pass.test";
  await place.admin`update tenant.members set email = ${owner} where email = ${email}`;
  ok(await forgot(owner, own), 202);
  const before = (await people.mails(email)).length;
  ok(await forgot(email, own), 202);
  await people.mailedToken(email, before);
  await worked();
  assert.deepEqual(await people.mails(owner), []);
});

Deno.test(
  "auth.changePassword asks for the old one, gives new tokens, and ends every other session",
  loose,
  async (t) => {
    const email = await someone();
    const [here, beside, there] = [
      await people.enter(acme.slug, email),
      await people.enter(acme.slug, email),
      await people.enter(own.slug, email),
    ];
    const change = (current_password: string, new_password: string) =>
      people.post("/v1/auth/change-password", here.access_token, { current_password, new_password });
    refused(await change(OTHER_PASSWORD, NEW_PASSWORD), "401 invalid_credentials");
    for (const easy of ["short", "Butterfly2026", PASSWORD]) {
      const { body } = refused(await change(PASSWORD, easy), "422 unprocessable");
      assert.equal(body.errors?.[0]?.path ?? body.fields?.[0]?.path, "new_password", JSON.stringify(body));
    }
    const fresh = ok(await change(PASSWORD, NEW_PASSWORD)).body;
    await t.step("at once in this tenant", async () => {
      assert.equal(await people.works(beside.access_token, second), false);
      assert.equal(await people.works(here.access_token, second), false);
      for (const one of [here, beside]) {
        refused(await people.refresh(acme.slug, one.refresh_token), "401 invalid_token");
      }
    });
    await t.step("and in the others", async () => {
      refused(await people.refresh(own.slug, there.refresh_token), "401 invalid_token");
      await people.app.until("the session's end", async () => !await people.works(there.access_token));
    });
    await t.step("the new tokens lead on, to other tenants too", async () => {
      const next = ok(await people.refresh(acme.slug, fresh.refresh_token)).body;
      ok(await people.post("/v1/auth/switch", next.access_token, { tenant: own.slug }));
    });
    await t.step("guessing the old password with a copied token is counted", async () => {
      const { access_token } = await people.enter(acme.slug, email, NEW_PASSWORD);
      const guess = { current_password: "wrong and wrong again", new_password: OTHER_PASSWORD };
      for (let i = 0; i < 5; i++) await people.post("/v1/auth/change-password", access_token, guess);
      const right = { ...guess, current_password: NEW_PASSWORD };
      refused(await people.post("/v1/auth/change-password", access_token, right), "429 too_many_attempts");
    });
    await people.forgetFailures();
  },
);

Deno.test("of several changes at once one counts, and the answers say which", loose, async () => {
  const email = await someone();
  const { access_token } = await people.enter(acme.slug, email);
  const choices = [0, 1, 2, 3].map((i) => `a new passphrase of number ${i}`);
  const answers = await Promise.all(choices.map((new_password, i) => {
    const body = { current_password: PASSWORD, new_password };
    return (i % 2 ? second : people.app).ask("POST", "/v1/auth/change-password", { token: access_token, body });
  }));
  assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 401, 401, 401]);
  for (const [i, { status, body }] of answers.entries()) {
    assert.equal((await people.login(acme.slug, email, choices[i])).status, status, choices[i]);
    if (status === 200) assert.ok(await people.works(body.access_token));
  }
  await people.forgetFailures();
});

Deno.test("who must change the password can do nothing else first", loose, async (t) => {
  const email = await someone();
  const before = await people.enter(acme.slug, email);
  const require = (token: string) => people.post("/v1/accounts/require-password-change", token, { email });
  refused(await require(acme.admin), "403 forbidden");
  assert.equal(ok(await require(await people.app.operator())).body.must_change_password, true);
  await t.step("sessions that were open end", async () => {
    refused(await people.refresh(acme.slug, before.refresh_token), "401 invalid_token");
    await people.app.until("the session's end", async () => !await people.works(before.access_token));
  });
  const limited = await people.enter(acme.slug, email);
  assert.deepEqual(
    [limited.state, limited.duty, limited.must_change_password, limited.refresh_token],
    ["limited", "change_password", true, undefined],
  );
  await t.step("the token is good for nothing else", async () => {
    const { access_token: token } = limited;
    assert.ok(await people.works(token));
    const refusals: [string, string, unknown?][] = [
      ["GET", "/v1/buildings"],
      ["GET", "/v1/auth/tenants"],
      ["GET", "/v1/auth/sessions"],
      ["GET", "/v1/auth/factors"],
      ["POST", "/v1/auth/switch", { tenant: own.slug }],
      ["POST", "/v1/auth/factors/totp", {}],
    ];
    for (const [method, path, body] of refusals) {
      refused(await people.app.ask(method, path, { token, body }), "403 password_change_required");
    }
    const [{ n }] = await people.shared`select count(*)::int as n from tenant.sessions s join tenant.members m
      on m.id = s.member_id where m.email = ${email} and s.revoked_at is null`;
    assert.equal(n, 0, "there is no session that could be refreshed");
  });
  await t.step("a changed password lets in", async () => {
    const change = { current_password: PASSWORD, new_password: NEW_PASSWORD };
    const full = ok(await people.post("/v1/auth/change-password", limited.access_token, change)).body;
    assert.equal(full.state, "signed_in");
    ok(await people.app.ask("GET", "/v1/buildings", { token: full.access_token }));
    ok(await people.post("/v1/auth/switch", full.access_token, { tenant: own.slug }));
    assert.equal(await people.works(limited.access_token), false);
  });
});

Deno.test("sessions in a tenant that is closed meanwhile end when it is opened again", loose, async () => {
  const email = await someone();
  const there = await people.enter(own.slug, email);
  const operator = await people.app.operator();
  const set = async (status: string) =>
    ok(await people.post(`/v1/tenants/${own.id}/status`, operator, { status, reason: "A test" }));
  await set("suspended");
  ok(await reset(await link(email, acme), NEW_PASSWORD, acme), 204);
  await people.app.until("a first try, which fails", async () => {
    const [job] = await people.platform`select from pgboss.job where name = 'accounts.endSessions' and state = 'retry'`;
    return job;
  });
  await set("active");
  refused(await people.refresh(own.slug, there.refresh_token), "401 invalid_token");
  await people.app.until("the session's end", async () => !await people.works(there.access_token));
});

Deno.test("the page that the link opens is served, for a reset as for a first password", loose, async () => {
  for (const action of ["reset-password", "setup-password"]) {
    const { status, body, headers } = await people.app.ask("GET", `/t/${acme.slug}/${action}`);
    assert.equal(status, 200);
    assert.match(body, /<script src="\/assets\/setup.js">/);
    assert.match(headers.get("content-security-policy") ?? "", /script-src 'self'/);
  }
});
