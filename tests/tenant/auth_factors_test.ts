// Second factors: authenticator apps, recovery codes, passkeys, and tenants that require one. What counts once counts once, and
// whoever has the password alone gets no session.
import assert from "node:assert/strict";
import { totpCode } from "../../src/identity/totp.ts";
import { Authenticator } from "../support/authenticator.ts";
import type { TestTenant } from "../support/app.ts";
import { loose, NEW_PASSWORD, ok, PASSWORD, People, refused } from "./auth_people.ts";

let people: People;
let acme: TestTenant;
let globex: TestTenant;
let counter = 0;
Deno.test.beforeAll(async () => {
  people = await People.boot();
  [acme, globex] = await Promise.all([people.app.tenant("mfa-acme"), people.app.tenant("mfa-globex", "dedicated")]);
});
Deno.test.afterAll(() => people.end());

/** Somebody with an authenticator app. */
interface Person {
  email: string;
  secret: string;
  factor: string;
  codes: string[];
  token: string;
}

const STEP = 30_000;

/** A code that was not used yet: the last one is forgotten, as if time had passed. */
async function freshCode(secret: string): Promise<string> {
  await people.platform`update platform.account_factors set counter = 0 where kind = 'totp'`;
  return totpCode(secret);
}

async function someone(): Promise<string> {
  const email = `person-${++counter}@mfa.test`;
  await people.join(acme, email);
  return email;
}

async function withApp(whose?: string): Promise<Person> {
  const email = whose ?? await someone();
  const { access_token } = await people.enter(acme.slug, email);
  const body = { name: "Phone", password: PASSWORD };
  const start = ok(await people.post("/v1/auth/factors/totp", access_token, body)).body;
  const confirm = { id: start.id, code: totpCode(start.secret) };
  const { recovery_codes: codes, signed_in } =
    ok(await people.post("/v1/auth/factors/totp/confirm", access_token, confirm)).body;
  assert.deepEqual([codes.length, signed_in.state], [10, "signed_in"]);
  return { email, secret: start.secret, factor: start.id, codes, token: signed_in.access_token };
}

/** Takes back that sessions ended with the first factor, as if they had begun a moment later. */
async function comesTooLate(email: string): Promise<void> {
  await people.app.until("the sessions' end", async () => {
    const [{ n }] = await people.platform`select count(*)::int as n from pgboss.job
      where name = 'accounts.endSessions' and state <> 'completed'`;
    return n === 0;
  });
  await people.shared`update tenant.sessions set revoked_at = null, revoked_reason = null
    where member_id in (select id from tenant.members where email = ${email}) and not mfa`;
}

/** Shows the password; gives the token for the second step. */
async function halfWay(email: string, slug = acme.slug): Promise<string> {
  const { body } = ok(await people.login(slug, email));
  assert.equal(body.state, "second_factor", JSON.stringify(body));
  assert.ok(!("access_token" in body) && !("refresh_token" in body));
  return body.mfa_token;
}

const finish = (mfa_token: string, given: Record<string, unknown>, slug = acme.slug) =>
  people.post("/v1/auth/mfa", undefined, { mfa_token, ...given }, slug);

Deno.test(
  "an authenticator app is set up with the password and a first code, and its secret is kept sealed",
  loose,
  async () => {
    const email = await someone();
    const { access_token: token } = await people.enter(acme.slug, email);
    const begin = (body: unknown) => people.post("/v1/auth/factors/totp", token, body);
    refused(await begin({}), "401 invalid_credentials");
    refused(await begin({ password: NEW_PASSWORD }), "401 invalid_credentials");
    const start = ok(await begin({ password: PASSWORD })).body;
    assert.match(start.uri, /^otpauth:\/\/totp\/Bulkhead:person/);
    assert.equal(
      (await people.enter(acme.slug, email)).state,
      "signed_in",
      "an app that is not confirmed does not count",
    );
    const confirm = (code: string) => people.post("/v1/auth/factors/totp/confirm", token, { id: start.id, code });
    const code = totpCode(start.secret);
    refused(await confirm(String((Number(code) + 1) % 1_000_000).padStart(6, "0")), "422 unprocessable");
    const { signed_in } = ok(await confirm(code)).body;
    const again = { id: start.id, code };
    refused(await people.post("/v1/auth/factors/totp/confirm", signed_in.access_token, again), "404 not_found");
    const { body } = await people.app.ask("GET", "/v1/auth/factors", { token: signed_in.access_token });
    assert.deepEqual(body.items.map((one: { kind: string }) => one.kind), ["totp"]);
    assert.equal(body.recovery_codes_left, 10);
    assert.ok(!JSON.stringify(body).includes("secret"));
    const dump = JSON.stringify(await people.platform`select * from platform.account_factors`);
    assert.ok(!dump.includes(start.secret) && dump.includes(start.id));
  },
);

Deno.test("auth.login asks for the second factor, and auth.secondFactor takes each code once", loose, async (t) => {
  const { email, secret } = await withApp();
  const code = await freshCode(secret);
  const first = await halfWay(email);
  await t.step("in the tenant that was signed in to", async () => {
    refused(await finish(first, { code }, globex.slug), "401 invalid_token");
  });
  const { access_token, refresh_token, state } = ok(await finish(first, { code })).body;
  assert.equal(state, "signed_in");
  assert.ok(await people.works(access_token));
  const next = ok(await people.refresh(acme.slug, refresh_token)).body;
  await t.step("the session says so", async () => {
    const { body } = await people.app.ask("GET", "/v1/auth/sessions", { token: access_token });
    assert.equal(body.items.find((one: { current: boolean }) => one.current).mfa, true);
  });
  await t.step("an earlier refresh token ends it as stolen", async () => {
    ok(await people.refresh(acme.slug, next.refresh_token));
    refused(await people.refresh(acme.slug, refresh_token), "401 invalid_token");
    assert.equal(await people.works(access_token), false);
  });
  await t.step("neither the token nor the code works again", async () => {
    refused(await finish(first, { code: totpCode(secret, Date.now() + STEP) }), "401 invalid_token");
    refused(await finish(await halfWay(email), { code }), "401 invalid_credentials");
  });
  await t.step("nor does a code for many at once", async () => {
    const again = await freshCode(secret);
    const tokens = [await halfWay(email), await halfWay(email), await halfWay(email)];
    const answers = await Promise.all(tokens.map((token) => finish(token, { code: again })));
    assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 401, 401]);
  });
  await people.forgetFailures();
});

Deno.test(
  "auth.secondFactor is given up after five wrong codes and five minutes, and they count like passwords",
  loose,
  async () => {
    const { email, secret } = await withApp();
    const token = await halfWay(email);
    for (let i = 0; i < 4; i++) refused(await finish(token, { code: "000000" }), "401 invalid_credentials");
    refused(await people.login(acme.slug, email, NEW_PASSWORD), "401 invalid_credentials");
    refused(await finish(token, { code: await freshCode(secret) }), "429 too_many_attempts");
    refused(await people.login(acme.slug, email), "429 too_many_attempts");
    await people.waitIsOver();
    refused(await finish(token, { code: await freshCode(secret) }), "401 invalid_token");
    const late = await halfWay(email);
    await people.platform`update platform.sign_in_states set expires_at = now()`;
    refused(await finish(late, { code: await freshCode(secret) }), "401 invalid_token");
    await people.forgetFailures();
  },
);

Deno.test("auth.secondFactor is refused when the password was changed between the two steps", loose, async () => {
  const { email, secret, token } = await withApp();
  const half = await halfWay(email);
  ok(await people.post("/v1/auth/change-password", token, { current_password: PASSWORD, new_password: NEW_PASSWORD }));
  refused(await finish(half, { code: await freshCode(secret) }), "401 invalid_token");
});

Deno.test("a right password alone does not forget wrong codes", loose, async () => {
  const { email } = await withApp();
  for (let i = 0; i < 5; i++) {
    refused(await finish(await halfWay(email), { code: "000000" }), "401 invalid_credentials");
  }
  refused(await people.login(acme.slug, email), "429 too_many_attempts");
  await people.forgetFailures();
});

Deno.test("a recovery code works once, however it is typed, and new ones end the old", loose, async () => {
  const { email, codes, secret } = await withApp();
  const token = await halfWay(email);
  refused(await finish(token, { recovery_code: "00000-00000" }), "401 invalid_credentials");
  const typed = ` ${codes[0].toUpperCase().replace("-", " ")}`;
  const { access_token } = ok(await finish(token, { recovery_code: typed })).body;
  refused(await finish(await halfWay(email), { recovery_code: codes[0] }), "401 invalid_credentials");
  const left = async () =>
    (await people.app.ask("GET", "/v1/auth/factors", { token: access_token })).body.recovery_codes_left;
  assert.equal(await left(), 9);
  const other = await withApp();
  refused(await finish(await halfWay(email), { recovery_code: other.codes[1] }), "401 invalid_credentials");
  refused(
    await people.post("/v1/auth/recovery-codes", access_token, { password: NEW_PASSWORD }),
    "401 invalid_credentials",
  );
  const code = await freshCode(secret);
  const fresh = ok(await people.post("/v1/auth/recovery-codes", access_token, { code })).body.recovery_codes;
  assert.equal(await left(), 10);
  refused(await finish(await halfWay(email), { recovery_code: codes[1] }), "401 invalid_credentials");
  ok(await finish(await halfWay(email), { recovery_code: fresh[0] }));
  const dump = JSON.stringify(await people.platform`select * from platform.recovery_codes`);
  assert.ok(!dump.includes(fresh[1]));
  await people.forgetFailures();
});

Deno.test("a factor is removed with the password or a code, not with a copied token", loose, async () => {
  const { email, factor, token, secret } = await withApp();
  const remove = (body: unknown) => people.post(`/v1/auth/factors/${factor}/remove`, token, body);
  refused(await remove({}), "400 invalid_request");
  refused(await remove({ code: "000000" }), "401 invalid_credentials");
  refused(await remove({ password: NEW_PASSWORD }), "401 invalid_credentials");
  const stranger = await withApp();
  const foreign = await people.post(`/v1/auth/factors/${factor}/remove`, stranger.token, { password: PASSWORD });
  refused(foreign, "404 not_found");
  ok(await remove({ code: await freshCode(secret) }), 204);
  assert.equal((await people.enter(acme.slug, email)).state, "signed_in");
  const [{ n }] = await people.platform`select count(*)::int as n from platform.recovery_codes c
    join platform.memberships m using (account_id) join platform.accounts a on a.id = c.account_id
    where not exists (select from platform.account_factors f where f.account_id = c.account_id)`;
  assert.equal(n, 0, "recovery codes without a factor are gone");
  await people.forgetFailures();
});

async function requireFactor(tenant: TestTenant, mfa_required: boolean): Promise<void> {
  const place = tenant.slug === acme.slug ? people.shared : null;
  assert.ok(place);
  await place`insert into tenant.access_settings (tenant_id, mfa_required) values (${tenant.id}, ${mfa_required})
    on conflict (tenant_id) do update set mfa_required = excluded.mfa_required`;
}

Deno.test(
  "a tenant that requires a second factor lets people in with one, and others only to set one up",
  loose,
  async (t) => {
    const email = await someone();
    const before = await people.enter(acme.slug, email);
    await requireFactor(acme, true);
    try {
      await t.step("sessions without one are not refreshed", async () => {
        refused(await people.refresh(acme.slug, before.refresh_token), "401 invalid_token");
      });
      const limited = await people.enter(acme.slug, email);
      assert.deepEqual([limited.state, limited.duty, limited.refresh_token], ["limited", "enrol_factor", undefined]);
      const { access_token: token } = limited;
      await t.step("the token is good for nothing else", async () => {
        for (const path of ["/v1/buildings", "/v1/auth/tenants", "/v1/auth/sessions", "/v1/members"]) {
          refused(await people.app.ask("GET", path, { token }), "403 mfa_required");
        }
        const change = { current_password: PASSWORD, new_password: NEW_PASSWORD };
        refused(await people.post("/v1/auth/change-password", token, change), "403 mfa_required");
      });
      await t.step("a factor that was set up lets in at once, and is asked for from then on", async () => {
        const start = ok(await people.post("/v1/auth/factors/totp", token, {})).body;
        const confirm = { id: start.id, code: totpCode(start.secret) };
        const { signed_in } = ok(await people.post("/v1/auth/factors/totp/confirm", token, confirm)).body;
        assert.equal(signed_in.state, "signed_in");
        ok(await people.app.ask("GET", "/v1/buildings", { token: signed_in.access_token }));
        ok(await people.refresh(acme.slug, signed_in.refresh_token));
        ok(await finish(await halfWay(email), { code: await freshCode(start.secret) }));
      });
    } finally {
      await requireFactor(acme, false);
    }
  },
);

Deno.test("auth.switch asks for the factor where it was not shown, and carries it where it was", loose, async () => {
  const email = await someone();
  const { access_token: late } = await people.enter(acme.slug, email);
  const { secret } = await withApp(email);
  await people.join(globex, email);
  await comesTooLate(email);
  const asked = ok(await people.post("/v1/auth/switch", late, { tenant: globex.slug })).body;
  assert.equal(asked.state, "second_factor");
  assert.ok(await people.works(late), "the session here goes on until the one there begins");
  const there = ok(await finish(asked.mfa_token, { code: await freshCode(secret) }, globex.slug)).body;
  await people.app.until("the end of the session here", async () => !await people.works(late));
  const [{ reason }] = await people.shared`select revoked_reason as reason from tenant.sessions s
    join tenant.members m on m.id = s.member_id where m.email = ${email} and revoked_at is not null
    order by revoked_at desc limit 1`;
  assert.equal(reason, "switch");
  await comesTooLate(email);
  const headers = { origin: people.app.url, cookie: `bulkhead_access=${late}` };
  const asking = { headers, body: { tenant: globex.slug } };
  const { mfa_token } = ok(await people.app.ask("POST", `/t/${acme.slug}/v1/auth/switch`, asking)).body;
  const code = await freshCode(secret);
  assert.equal(ok(await finish(mfa_token, { code }, globex.slug)).body.state, "cookie", "as the session was");
  const back = ok(await people.post("/v1/auth/switch", there.access_token, { tenant: acme.slug })).body;
  assert.equal(back.state, "signed_in");
});

Deno.test("operators take factors away from who lost them", loose, async () => {
  const { email, codes } = await withApp();
  const answer = ok(await people.post("/v1/accounts/remove-factors", await people.app.operator(), { email }));
  assert.equal(answer.body.factors, 0);
  assert.equal((await people.enter(acme.slug, email)).state, "signed_in");
  assert.equal(codes.length, 10);
});

/** A device for the site that the test's platform is. */
function device(origin = people.app.url): Authenticator {
  return new Authenticator({ rpId: new URL(people.app.url).hostname, origin });
}

async function withPasskey(key = device()): Promise<{ email: string; key: Authenticator; token: string }> {
  const email = await someone();
  const { access_token } = await people.enter(acme.slug, email);
  const start = ok(await people.post("/v1/auth/factors/passkey", access_token, { password: PASSWORD })).body;
  const confirm = { passkey_token: start.passkey_token, passkey: await key.register(start.options) };
  const { recovery_codes, signed_in: { access_token: token } } =
    ok(await people.post("/v1/auth/factors/passkey/confirm", access_token, confirm)).body;
  assert.equal(recovery_codes.length, 10);
  refused(await people.post("/v1/auth/factors/passkey/confirm", token, confirm), "404 not_found");
  return { email, key, token };
}

Deno.test("a passkey is a second factor behind the password", loose, async () => {
  const { email, key } = await withPasskey();
  const { body } = await people.login(acme.slug, email);
  assert.deepEqual([body.state, body.factors], ["second_factor", ["passkey", "recovery_code"]]);
  const wrong = await device().authenticate(body.passkey_options);
  refused(await finish(body.mfa_token, { passkey: wrong }), "401 invalid_credentials");
  const passkey = await key.authenticate(body.passkey_options, { userVerified: false });
  ok(await finish(body.mfa_token, { passkey }));
  refused(await finish(await halfWay(email), { passkey }), "401 invalid_credentials");
  await people.forgetFailures();
});

Deno.test("a passkey alone signs in where the device checked the person, once for each challenge", loose, async (t) => {
  const { key, email } = await withPasskey();
  const begin = async (slug = acme.slug) =>
    ok(await people.post("/v1/auth/passkey/options", undefined, undefined, slug)).body;
  const end = (passkey_token: string, passkey: unknown, slug = acme.slug) =>
    people.post("/v1/auth/passkey", undefined, { passkey_token, passkey }, slug);
  const start = await begin();
  const answer = await key.authenticate(start.options);
  const { access_token } = ok(await end(start.passkey_token, answer)).body;
  const { body } = await people.app.ask("GET", "/v1/auth/sessions", { token: access_token });
  const { kind, mfa } = body.items.find((one: { current: boolean }) => one.current);
  assert.deepEqual([kind, mfa], ["passkey", true]);
  await t.step("not twice", async () => {
    refused(await end(start.passkey_token, answer), "401 invalid_token");
  });
  const faults: [string, (options: { challenge: string }) => Promise<unknown>][] = [
    ["a device that did not check", (options) => key.authenticate(options, { userVerified: false })],
    ["another challenge", (options) => key.authenticate(options, { challenge: "A".repeat(options.challenge.length) })],
    ["another site", (options) => key.authenticate(options, { origin: "https://evil.test" })],
    ["an unknown passkey", (options) => device().authenticate(options)],
    ["a copied device", (options) => key.authenticate(options, { counter: 1 })],
  ];
  for (const [name, make] of faults) {
    await t.step(name, async () => {
      const { passkey_token, options } = await begin();
      refused(await end(passkey_token, await make(options)), "401 invalid_credentials");
    });
  }
  await t.step("not in a tenant that the account is no member of", async () => {
    const { passkey_token, options } = await begin(globex.slug);
    refused(await end(passkey_token, await key.authenticate(options), globex.slug), "401 invalid_credentials");
  });
  await t.step("and a password that must be changed must be changed", async () => {
    const operator = await people.app.operator();
    ok(await people.post("/v1/accounts/require-password-change", operator, { email }));
    const { passkey_token, options } = await begin();
    const { body } = ok(await end(passkey_token, await key.authenticate(options, { counter: 1_000 })));
    assert.deepEqual([body.state, body.duty], ["limited", "change_password"]);
  });
});
