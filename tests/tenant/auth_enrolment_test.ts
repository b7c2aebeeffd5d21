// The first second factor of an account: what the password alone had got ends, in every tenant, and the password alone
// neither adds nor removes a factor from then on. Else a stolen password would get round the factor, or take it away.
import assert from "node:assert/strict";
import { totpCode } from "../../src/identity/totp.ts";
import { Authenticator } from "../support/authenticator.ts";
import type { TestTenant } from "../support/app.ts";
import { loose, NEW_PASSWORD, ok, PASSWORD, People, refused } from "./auth_people.ts";

let people: People;
let acme: TestTenant;
let globex: TestTenant;
let strict: TestTenant;
let counter = 0;
Deno.test.beforeAll(async () => {
  people = await People.boot();
  [acme, globex, strict] = await Promise.all([
    people.app.tenant("enrol-acme"),
    people.app.tenant("enrol-globex", "dedicated"),
    people.app.tenant("enrol-strict"),
  ]);
  await people.shared`insert into tenant.access_settings (tenant_id, mfa_required) values (${strict.id}, true)`;
});
Deno.test.afterAll(() => people.end());

async function someone(...tenants: TestTenant[]): Promise<string> {
  const email = `person-${++counter}@enrol.test`;
  for (const tenant of tenants) await people.join(tenant, email);
  return email;
}

const begin = (token: string, body: unknown = { password: PASSWORD }) =>
  people.post("/v1/auth/factors/totp", token, body);
const confirm = (token: string, { id, secret }: { id: string; secret: string }, at = Date.now()) =>
  people.post("/v1/auth/factors/totp/confirm", token, { id, code: totpCode(secret, at) });

/** Sets up an app. */
async function enrol(token: string, body?: unknown) {
  const app: { id: string; secret: string } = ok(await begin(token, body)).body;
  return { app, enrolled: ok(await confirm(token, app)).body };
}

/** Waits until the sessions in other tenants were ended. */
async function settled(): Promise<void> {
  await people.app.until("the sessions' end", async () => {
    const [{ n }] = await people.platform`select count(*)::int as n from pgboss.job
      where name = 'accounts.endSessions' and state <> 'completed'`;
    return n === 0;
  });
}

/** Somebody with an app, and a session that the password alone had got and that was not ended: as if it came too late. */
async function withLateSession() {
  const email = await someone(acme);
  const late = await people.enter(acme.slug, email);
  const { app, enrolled } = await enrol((await people.enter(acme.slug, email)).access_token);
  await settled();
  await people.shared`update tenant.sessions set revoked_at = null, revoked_reason = null
    where member_id in (select id from tenant.members where email = ${email}) and not mfa`;
  assert.ok(await people.works(late.access_token));
  return { email, late, app, token: enrolled.signed_in.access_token as string };
}

const factorsOf = async (email: string) =>
  ok(await people.post("/v1/accounts/show", await people.app.operator(), { email })).body.factors as number;

Deno.test(
  "with the first factor end the sessions that the password alone had got, in every tenant",
  loose,
  async (t) => {
    const email = await someone(acme, globex);
    const [mine, other, there] = [
      await people.enter(acme.slug, email),
      await people.enter(acme.slug, email),
      await people.enter(globex.slug, email),
    ];
    const { enrolled } = await enrol(mine.access_token);
    const { access_token: token, refresh_token, state } = enrolled.signed_in;
    await t.step("the caller goes on with a session that has shown the factor", async () => {
      assert.equal(state, "signed_in");
      const { items } = ok(await people.app.ask("GET", "/v1/auth/sessions", { token })).body;
      assert.deepEqual(items.map(({ mfa, current }: Record<string, boolean>) => [mfa, current]), [[true, true]]);
      ok(await people.refresh(acme.slug, refresh_token));
    });
    await t.step("all others of this tenant end at once, in the transaction that opens the new one", async () => {
      const ended = await people.shared`select s.revoked_reason as why from tenant.sessions s
      join tenant.sessions opened on opened.member_id = s.member_id and opened.mfa and opened.created_at = s.revoked_at
      join tenant.members m on m.id = s.member_id where m.email = ${email}`;
      assert.deepEqual(ended.map(({ why }) => why), ["mfa", "mfa"]);
      for (const { access_token, refresh_token } of [mine, other]) {
        assert.equal(await people.works(access_token), false);
        refused(await people.refresh(acme.slug, refresh_token), "401 invalid_token");
      }
    });
    await t.step("those elsewhere are not refreshed any more, and end within seconds", async () => {
      refused(await people.refresh(globex.slug, there.refresh_token), "401 invalid_token");
      await people.app.until("the session's end", async () => !await people.works(there.access_token));
    });
    await t.step("a second factor ends nothing and brings no tokens", async () => {
      await settled();
      const { enrolled } = await enrol(token);
      assert.deepEqual([enrolled.signed_in, enrolled.recovery_codes], [null, null]);
      assert.ok(await people.works(token));
    });
  },
);

Deno.test("with the first factor end limited tokens, in every tenant", loose, async () => {
  const email = await someone(acme, strict);
  const [mine, copied] = [await people.enter(strict.slug, email), await people.enter(strict.slug, email)];
  assert.deepEqual([mine.duty, copied.duty], ["enrol_factor", "enrol_factor"]);
  const planted = ok(await begin(copied.access_token, {})).body;
  const { enrolled } = await enrol(mine.access_token, {});
  assert.ok(await people.works(enrolled.signed_in.access_token));
  refused(await begin(copied.access_token, {}), "401 unauthorized");
  refused(await confirm(copied.access_token, planted), "401 unauthorized");
  const elsewhere = await someone(acme, strict);
  const { access_token: limited } = await people.enter(strict.slug, elsewhere);
  await enrol((await people.enter(acme.slug, elsewhere)).access_token);
  await people.app.until("the limited token's end", async () => !await people.works(limited));
  assert.deepEqual([await factorsOf(email), await factorsOf(elsewhere)], [1, 1]);
});

Deno.test("a session that came too late is not refreshed while the account has a factor", loose, async () => {
  const { email, late, app, token } = await withLateSession();
  refused(await people.refresh(acme.slug, late.refresh_token), "401 invalid_token");
  ok(await people.post(`/v1/auth/factors/${app.id}/remove`, token, { password: PASSWORD }), 204);
  assert.equal((await people.enter(acme.slug, email)).state, "signed_in");
});

Deno.test("where there is a factor, the password alone changes neither factors nor itself", loose, async (t) => {
  const { email, late: { access_token: late }, app } = await withLateSession();
  const password = { password: PASSWORD };
  const refusals: [string, unknown][] = [
    ["/v1/auth/factors/totp", password],
    ["/v1/auth/factors/totp", {}],
    ["/v1/auth/factors/passkey", password],
    [`/v1/auth/factors/${app.id}/remove`, password],
    ["/v1/auth/recovery-codes", password],
    ["/v1/auth/change-password", { current_password: PASSWORD, new_password: NEW_PASSWORD }],
  ];
  for (const [path, body] of refusals) {
    await t.step(path, async () => void refused(await people.post(path, late, body), "403 mfa_required"));
  }
  assert.equal(await factorsOf(email), 1);
  assert.equal((await people.login(acme.slug, email)).body.state, "second_factor");
  await t.step("a code shows the factor", async () => {
    await people.platform`update platform.account_factors set counter = 0`;
    ok(await people.post(`/v1/auth/factors/${app.id}/remove`, late, { code: totpCode(app.secret) }), 204);
  });
});

Deno.test("what was begun before the first factor is not finished by the password alone", loose, async (t) => {
  const email = await someone(acme);
  const [mine, copied] = [await people.enter(acme.slug, email), await people.enter(acme.slug, email)];
  const key = new Authenticator({ rpId: new URL(people.app.url).hostname, origin: people.app.url });
  const passkey = ok(await people.post("/v1/auth/factors/passkey", copied.access_token, { password: PASSWORD })).body;
  const own = ok(await people.post("/v1/auth/factors/passkey", mine.access_token, { password: PASSWORD })).body;
  const planted = ok(await begin(copied.access_token)).body;
  const mineKey = new Authenticator({ rpId: new URL(people.app.url).hostname, origin: people.app.url });
  const done = { passkey_token: own.passkey_token, passkey: await mineKey.register(own.options) };
  ok(await people.post("/v1/auth/factors/passkey/confirm", mine.access_token, done));
  await settled();
  await people.shared`update tenant.sessions set revoked_at = null
    where member_id in (select id from tenant.members where email = ${email}) and not mfa`;
  await t.step("an app", async () => void refused(await confirm(copied.access_token, planted), "403 mfa_required"));
  await t.step("a passkey", async () => {
    const body = { passkey_token: passkey.passkey_token, passkey: await key.register(passkey.options) };
    refused(await people.post("/v1/auth/factors/passkey/confirm", copied.access_token, body), "403 mfa_required");
  });
  assert.equal(await factorsOf(email), 1);
});

Deno.test("two who set up a first factor at once get one in", loose, async () => {
  const email = await someone(strict);
  const tokens = [await people.enter(strict.slug, email), await people.enter(strict.slug, email)];
  const device = () => new Authenticator({ rpId: new URL(people.app.url).hostname, origin: people.app.url });
  const bodies = await Promise.all(tokens.map(async ({ access_token }) => {
    const { passkey_token, options } = ok(await people.post("/v1/auth/factors/passkey", access_token, {})).body;
    return { passkey_token, passkey: await device().register(options) };
  }));
  const answers = await Promise.all(
    bodies.map((body, i) => people.post("/v1/auth/factors/passkey/confirm", tokens[i].access_token, body)),
  );
  const said = answers.map(({ status }) => status).sort();
  assert.ok(said[0] === 200 && [401, 403].includes(said[1]), said.join(" "));
  assert.equal(await factorsOf(email), 1);
});

Deno.test("a code that confirms an app and comes twice at once is told that the app is set up", loose, async () => {
  const email = await someone(acme);
  const { access_token: token } = await people.enter(acme.slug, email);
  const app = ok(await begin(token)).body;
  const now = Date.now();
  const answers = await Promise.all([1, 2, 3].map(() => confirm(token, app, now)));
  const said = answers.map(({ status, body }) => body?.code ?? status).sort();
  assert.equal(said.filter((one) => one === 200).length, 1, said.join(" "));
  assert.ok(said.every((one) => [200, "not_found", "unauthorized"].includes(one)), said.join(" "));
});

Deno.test("auth.logout ends a limited token, and auth.logout elsewhere does not", loose, async () => {
  const [email, other] = [await someone(strict), await someone(strict)];
  const { access_token: token } = await people.enter(strict.slug, email);
  const { access_token: stranger } = await people.enter(strict.slug, other);
  assert.ok(await people.works(token));
  ok(await people.post("/v1/auth/logout", token), 204);
  assert.equal(await people.works(token), false);
  refused(await begin(token, {}), "401 unauthorized");
  assert.ok(await people.works(stranger));
});
