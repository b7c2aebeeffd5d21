// Signing in by redirect at a real OpenID provider: who becomes which member, that an answer is worth nothing without the page
// that began, and that the session counts in its own tenant only.
import assert from "node:assert/strict";
import { newSecretToken } from "../../src/identity/secret_tokens.ts";
import { keepSignIn, takeSignIn } from "../../src/tenancy/external/sign_ins.ts";
import { addPerson, asSystem } from "../support/people.ts";
import { adminSql } from "../support/postgres.ts";
import { ok, refused } from "./auth_people.ts";
import { Outside, SECRET } from "./external_people.ts";

const outside = await Outside.boot("login");
const { app, provider, tenant, other } = outside;
Deno.test.afterAll(() => outside.end());

const row = await outside.trust(tenant, { email_domains: ["corp.test"], joins: true, join_role: "member" });
const loose = { sanitizeOps: false, sanitizeResources: false };

Deno.test(
  "somebody unknown joins where the tenant allows it, is known again, and counts in this tenant only",
  loose,
  async () => {
    const first = ok(await outside.signIn(tenant, row.id, "ada")).body;
    assert.equal(first.state, "signed_in");
    const me = ok(await outside.me(null, first.access_token)).body;
    assert.deepEqual([me.member.first_name, me.member.last_name, me.member.role], ["Ada von", "Lovelace", "member"]);
    const again = ok(await outside.signIn(tenant, row.id, "ada")).body;
    assert.equal((await outside.members(tenant, "ada@corp.test")).length, 1);
    assert.equal(ok(await outside.me(null, again.access_token)).body.member.id, me.member.id);
    const next = await app.ask("POST", "/v1/auth/refresh", {
      tenant: tenant.slug,
      body: { refresh_token: again.refresh_token },
    });
    ok(next);
    const to = { token: again.access_token, body: { tenant: other.slug } };
    refused(await app.ask("POST", "/v1/auth/switch", to), "403 forbidden");
    refused(await outside.me(other, again.access_token), "403 tenant_mismatch");
  },
);

Deno.test("two first sign-ins at once make one member", loose, async () => {
  const answers = await Promise.all([1, 2, 3, 4].map(() => outside.fetchAnswer(tenant, row.id, "bob")));
  for (const answer of await Promise.all(answers.map((body) => outside.finish(tenant, body)))) ok(answer);
  const [bob, more] = await outside.members(tenant, "bob@corp.test");
  assert.deepEqual([bob.status, bob.first_name, more], ["active", "Bob", undefined]);
});

Deno.test(
  "an address leads to its member only where it is verified, of a domain of the provider, and not taken",
  loose,
  async () => {
    refused(await outside.signIn(tenant, row.id, "eve"), "403 forbidden"); // Ada's address, not verified
    refused(await outside.signIn(tenant, row.id, "fay"), "403 forbidden"); // nobody's address, not verified
    refused(await outside.signIn(tenant, row.id, "ada-2"), "403 forbidden"); // Ada's address, given to somebody else
    refused(await outside.signIn(tenant, row.id, "out"), "403 forbidden"); // another domain
    refused(await outside.signIn(tenant, row.id, "nobody"), "403 forbidden"); // no address
    const body = { first_name: "Cleo", last_name: "Corp", email: "cleo@corp.test", role: "manager" };
    ok(await app.ask("POST", "/v1/members", { token: tenant.admin, body }), 201);
    await outside.change(tenant, row.id, { email_domains: [] });
    refused(await outside.signIn(tenant, row.id, "cleo"), "403 forbidden"); // an empty list speaks for no member
    await outside.change(tenant, row.id, { email_domains: ["corp.test"] });
    const { access_token } = ok(await outside.signIn(tenant, row.id, "cleo")).body;
    assert.equal(ok(await outside.me(null, access_token)).body.member.role, "manager");
  },
);

Deno.test("who was removed does not come back alone, and whoever may not join is told so", loose, async () => {
  const [bob] = await outside.members(tenant, "bob@corp.test");
  ok(await app.ask("DELETE", `/v1/members/${bob.id}`, { token: tenant.admin }), 204);
  refused(await outside.signIn(tenant, row.id, "bob"), "403 forbidden");
  const body = { first_name: "Bob", last_name: "Back", email: "bob@corp.test" };
  ok(await app.ask("POST", "/v1/members", { token: tenant.admin, body }), 201);
  ok(await outside.signIn(tenant, row.id, "bob"));
  const closed = await outside.trust(other, { email_domains: ["corp.test"] });
  const answer = refused(await outside.signIn(other, closed.id, "ada"), "403 forbidden");
  assert.match(answer.body.detail, /You are no member here: ask an administrator/);
  assert.deepEqual(await outside.members(other, "ada@corp.test"), []);
});

Deno.test("an answer is finished once, by the page that began, in its tenant, within its time", loose, async () => {
  const [mine, theirs] = [
    await outside.fetchAnswer(tenant, row.id, "ada"),
    await outside.fetchAnswer(tenant, row.id, "bob"),
  ];
  // A link that signs the victim in as the attacker: the victim's page has another text.
  const crossed = { answer: theirs.answer, sign_in_token: mine.sign_in_token };
  refused(await outside.finish(tenant, crossed), "401 invalid_token");
  refused(await outside.finish(other, theirs), "401 invalid_token");
  const mixed = new URLSearchParams(theirs.answer);
  mixed.set("state", new URLSearchParams(mine.answer).get("state")!);
  // Somebody else's code with one's own state: the provider refuses it, and the state is used up.
  refused(await outside.finish(tenant, { ...mine, answer: mixed.toString() }), "422 oidc_failed");
  refused(await outside.finish(tenant, mine), "401 invalid_token");
  ok(await outside.finish(tenant, theirs));
  refused(await outside.finish(tenant, theirs), "401 invalid_token");
  const answers = await outside.fetchAnswer(tenant, row.id, "ada");
  const parallel = await Promise.all([1, 2, 3, 4, 5].map(() => outside.finish(tenant, answers)));
  assert.equal(parallel.filter(({ status }) => status === 200).length, 1);
  for (const answer of ["state=nonsense&code=x", "code=x", "error=access_denied", "state=a&state=b"]) {
    refused(await outside.finish(tenant, { ...mine, answer }), "401 invalid_token");
  }
  refused(await app.ask("GET", `/t/${tenant.slug}/v1/auth/oidc/callback?state=nonsense&code=x`), "401 invalid_token");
  const given = await outside.fetchAnswer(tenant, row.id, "ada");
  const state = new URLSearchParams(given.answer).get("state");
  const denied = await outside.finish(tenant, {
    ...given,
    answer: `state=${state}&error=access_denied&iss=${provider.issuer}`,
  });
  refused(denied, "422 oidc_failed");
});

Deno.test("takeSignIn() gives what was begun to one of many that ask at once", loose, async () => {
  const { services } = app;
  const context = { actor: "anonymous", operation: "test", requestId: "", readOnly: false };
  const saved = { issuer: provider.issuer, redirectUri: "x", state: crypto.randomUUID(), verifier: "v", nonce: "n" };
  const { token, keep } = await keepSignIn(services, tenant.id, { saved, providerId: row.id, redirect: null });
  await services.doors.asPlatform(context, keep);
  const take = () =>
    takeSignIn(services, (work) => services.doors.asPlatform(context, work), {
      tenantId: tenant.id,
      state: saved.state,
      token,
    });
  const taken = await Promise.allSettled(Array.from({ length: 10 }, take));
  assert.equal(taken.filter(({ status }) => status === "fulfilled").length, 1);
});

Deno.test("the browser comes back to pages of the tenant only, with the answer in the fragment", loose, async () => {
  const origins = { origins: ["https://app.corp.test"] };
  ok(await app.ask("PUT", "/v1/origins", { token: tenant.admin, body: origins }));
  const begin = (redirect: string) =>
    app.ask("POST", "/v1/auth/oidc/start", { tenant: tenant.slug, body: { provider: row.id, redirect } });
  const wrong = [
    "https://app.corp.test.evil.test/in",
    "https://evil.test/https://app.corp.test",
    "https://app.corp.test@evil.test/",
    "https://user@app.corp.test/in",
    "https://app.corp.test/in#x",
    "http://app.corp.test/in",
    "https://app.corp.test:444/in",
  ];
  for (const redirect of wrong) refused(await begin(redirect), "403 origin_refused");
  refused(await begin("javascript:alert(1)"), "400 invalid_request");
  const begun = ok(await begin("https://app.corp.test/in?then=%2Fhome")).body;
  const back = new URL(await provider.login(begun.url, "ada"));
  const sent = await app.ask("GET", `${back.pathname}${back.search}&session_state=abc`);
  assert.equal(sent.status, 303);
  const location = sent.headers.get("location")!;
  assert.ok(location.startsWith("https://app.corp.test/in?then=%2Fhome#"), location);
  const answer = location.slice(location.indexOf("#") + 1);
  ok(await outside.finish(tenant, { answer, sign_in_token: begun.sign_in_token }));
});

Deno.test("an earlier refresh token of such a session ends it as stolen", loose, async () => {
  const refresh = (refresh_token: string) =>
    app.ask("POST", "/v1/auth/refresh", { tenant: tenant.slug, body: { refresh_token } });
  const { refresh_token: first } = ok(await outside.signIn(tenant, row.id, "ada")).body;
  const second = ok(await refresh(first)).body;
  const third = ok(await refresh(second.refresh_token)).body;
  const made = `${first.split(".")[0]}.${newSecretToken("bhr").token}`;
  refused(await refresh(made), "401 invalid_token");
  ok(await outside.me(null, third.access_token));
  refused(await refresh(first), "401 invalid_token");
  refused(await outside.me(null, third.access_token), "401 unauthorized");
  refused(await refresh(third.refresh_token), "401 invalid_token");
});

Deno.test("turning a provider off ends the sessions of its people at once, and no other", loose, async () => {
  const { access_token, refresh_token } = ok(await outside.signIn(tenant, row.id, "ada")).body;
  ok(await outside.me(null, access_token));
  await outside.change(tenant, row.id, { enabled: false });
  refused(await outside.me(null, access_token), "401 unauthorized");
  refused(
    await app.ask("POST", "/v1/auth/refresh", { tenant: tenant.slug, body: { refresh_token } }),
    "401 invalid_token",
  );
  ok(await outside.me(null, tenant.admin));
  const start = { tenant: tenant.slug, body: { provider: row.id } };
  refused(await app.ask("POST", "/v1/auth/oidc/start", start), "404 not_found");
  assert.deepEqual(ok(await app.ask("GET", "/v1/auth/providers", { tenant: tenant.slug })).body.items, []);
  await outside.change(tenant, row.id, { enabled: true });
  const { items } = ok(await app.ask("GET", "/v1/auth/providers", { tenant: tenant.slug })).body;
  assert.deepEqual(items, [{ id: row.id, name: "Corporate sign-in" }]);
});

Deno.test(
  "a tenant that wants a second factor takes the provider's word for one, and nothing less",
  loose,
  async () => {
    const [{ id }] = await outside.members(other, other.adminEmail);
    const settings = (wanted: boolean) =>
      asSystem(
        app.services,
        other.id,
        (tx) =>
          tx`insert into tenant.access_settings (mfa_required) values (${wanted})
        on conflict (tenant_id) do update set mfa_required = ${wanted}`,
      );
    const [mine] = ok(await app.ask("GET", "/v1/identity-providers", { token: other.admin })).body.items;
    await outside.change(other, mine.id, { joins: true });
    await settings(true);
    refused(await outside.signIn(other, mine.id, "ada"), "403 mfa_required");
    await settings(false);
    ok(await outside.signIn(other, mine.id, "ada"));
    assert.ok(id);
  },
);

Deno.test(
  "a sign-in outlasts new keys of the provider; the plan's number of members holds for who joins",
  loose,
  async () => {
    await provider.rotateKeys();
    ok(await outside.signIn(tenant, row.id, "ada"));
    const { platformDatabase } = app.services.servers.settings;
    const platform = await adminSql(platformDatabase);
    await platform`insert into platform.plans (name, title, member_limit, requests_per_minute) values ('one', 'One', 1, 100000)`;
    await platform`update platform.tenants set plan = 'one' where id = ${other.id}`;
    await platform.end();
    app.services.directory.forget(other.id);
    const [mine] = ok(await app.ask("GET", "/v1/identity-providers", { token: other.admin })).body.items;
    refused(await outside.signIn(other, mine.id, "bob"), "409 plan_limit");
    assert.deepEqual(await outside.members(other, "bob@corp.test"), []);
  },
);

Deno.test(
  "identity_providers: never shows the secret, needs somebody who may do everything, and is nobody else's",
  loose,
  async () => {
    const shown = ok(await app.ask("GET", `/v1/identity-providers/${row.id}`, { token: tenant.admin })).body;
    assert.equal(shown.has_secret, true);
    assert.equal(shown.redirect_uri, `${app.services.publicUrl}/t/${tenant.slug}/v1/auth/oidc/callback`);
    const audit = ok(await app.ask("GET", "/v1/audit?limit=200", { token: tenant.admin })).body;
    assert.ok(!JSON.stringify([shown, audit]).includes(SECRET));
    assert.ok(app.lines.every((line) => !line.includes(SECRET)));
    refused(await app.ask("GET", `/v1/identity-providers/${row.id}`, { token: other.admin }), "404 not_found");
    const key = "settings_clerk";
    const role = { key, name: "Clerk", permissions: { settings: ["view", "edit"], buildings: ["*"] } };
    ok(await app.ask("POST", "/v1/roles", { token: tenant.admin, body: role }), 201);
    const clerk = await addPerson(app, tenant, key);
    const body = { name: "Mine", issuer: "https://evil.test", audience: "app", joins: true, join_role: "admin" };
    refused(await app.ask("POST", "/v1/identity-providers", { token: clerk.token, body }), "403 forbidden");
    const change = { token: clerk.token, body: { join_role: "admin" } };
    refused(await app.ask("PATCH", `/v1/identity-providers/${row.id}`, change), "403 forbidden");
    const create = (more: unknown) =>
      app.ask("POST", "/v1/identity-providers", { token: tenant.admin, body: { ...body, ...more as object } });
    refused(await create({ issuer: "http://evil.test" }), "400 invalid_request");
    refused(await create({ audience: null }), "422 unprocessable");
    refused(await create({ join_role: "ghost" }), "422 reference_not_found");
    refused(await create({ roles: ["ghost"] }), "422 reference_not_found");
    refused(await create({ issuer: provider.issuer }), "409 already_exists");
    refused(await create({ algorithms: ["HS256"] }), "400 invalid_request");
  },
);

Deno.test("identity_providers.check says what is wrong, and goes nowhere it may not", loose, async () => {
  const check = async (id: string) =>
    ok(await app.ask("POST", `/v1/identity-providers/${id}/check`, { token: tenant.admin })).body;
  assert.equal((await check(row.id)).ok, true);
  await outside.change(tenant, row.id, { jwks_uri: `${provider.issuer}/no-such` });
  const { ok: fine, findings } = await check(row.id);
  assert.deepEqual([fine, findings.map((one: { ok: boolean }) => one.ok)], [false, [true, false]]);
  await outside.change(tenant, row.id, { jwks_uri: null });
  const create = async (issuer: string) => {
    const body = { name: "Wrong", issuer, client_id: "x" };
    return ok(await app.ask("POST", "/v1/identity-providers", { token: tenant.admin, body }), 201).body.id;
  };
  const closed = await create("http://127.0.0.1:1");
  const metadata = await create("https://169.254.169.254");
  for (const id of [closed, metadata]) {
    const found = await check(id);
    assert.equal(found.ok, false);
    assert.ok(!JSON.stringify(found).includes("ECONN"));
    const begun = await app.ask("POST", "/v1/auth/oidc/start", { tenant: tenant.slug, body: { provider: id } });
    assert.deepEqual([begun.status, ["oidc_failed", "egress_refused"].includes(begun.body.code)], [422, true]);
    ok(await app.ask("DELETE", `/v1/identity-providers/${id}`, { token: tenant.admin }), 204);
  }
});
