// Members over HTTP: changing and removing them, the last administrator, the plan's limit, links, how people get in.
import assert from "node:assert/strict";
import { bootApp, type TestTenant } from "../support/app.ts";
import { addPerson, asSystem, issueToken, openSession } from "../support/people.ts";
import { adminSql } from "../support/postgres.ts";

const app = await bootApp({ worker: true });
const tenant = await app.tenant("member-keepers");
const other = await app.secondProcess();
Deno.test.afterAll(async () => {
  await other.stop();
  await app.stop();
});

const { admin } = tenant;
const ask = (method: string, path: string, body?: unknown, token = admin) => app.ask(method, path, { token, body });
const me = async (token: string) => (await ask("GET", "/v1/auth/me", undefined, token)).body.member.id as string;

Deno.test("members.update changes names, role, status and metadata, and refuses what is no change of a member", async () => {
  const { id, token } = await addPerson(app, tenant, "member");
  const changed = await ask("PATCH", `/v1/members/${id}`, {
    first_name: "Moritz",
    metadata: { floor: 3 },
    role: "manager",
  });
  assert.equal(changed.status, 200, JSON.stringify(changed.body));
  const { first_name, metadata, role } = (await ask("GET", `/v1/members/${id}`)).body;
  assert.deepEqual([first_name, metadata, role], ["Moritz", { floor: 3 }, "manager"]);
  for (const body of [{}, { email: "x@y.test" }, { status: "pending" }, { role: "no role" }, { access_version: 1 }]) {
    assert.equal((await ask("PATCH", `/v1/members/${id}`, body)).status, 400, JSON.stringify(body));
  }
  assert.equal((await ask("PATCH", `/v1/members/${id}`, { role: "nobody" })).body.code, "reference_not_found");
  assert.equal((await ask("PATCH", `/v1/members/${id}`, { status: "suspended" })).status, 200);
  assert.equal((await other.ask("GET", "/v1/auth/me", { token })).status, 401);
  await ask("PATCH", `/v1/members/${id}`, { status: "active" });
  assert.equal((await other.ask("GET", "/v1/auth/me", { token })).status, 401, "a session that was ended came back");
});

Deno.test("who never signed in becomes pending again and not active", async () => {
  const body = { first_name: "Nora", last_name: "New", email: "nora@new.test" };
  const { id } = (await ask("POST", "/v1/members", body)).body;
  await ask("PATCH", `/v1/members/${id}`, { status: "suspended" });
  assert.equal((await ask("PATCH", `/v1/members/${id}`, { status: "active" })).body.status, "pending");
});

Deno.test("members.delete ends sessions and the membership, and the address can be used again", async () => {
  const { id, token, email } = await addPerson(app, tenant, "manager");
  const account = crypto.randomUUID();
  const platform = await adminSql(app.services.servers.settings.platformDatabase);
  const memberships = async () => (await platform`select 1 from platform.memberships where member_id = ${id}`).length;
  await platform`insert into platform.accounts (id, email_digest) values (${account}, ${
    crypto.getRandomValues(new Uint8Array(32))
  })`;
  await platform`insert into platform.memberships (account_id, tenant_id, member_id) values (${account}, ${tenant.id}, ${id})`;
  assert.equal(await memberships(), 1);
  assert.equal((await ask("DELETE", `/v1/members/${id}`)).status, 204);
  assert.equal((await other.ask("GET", "/v1/buildings", { token })).status, 401);
  assert.equal(await memberships(), 0);
  await platform.end();
  assert.equal((await ask("GET", `/v1/members/${id}`)).status, 404);
  assert.equal((await ask("DELETE", `/v1/members/${id}`)).status, 404);
  assert.equal((await ask("POST", "/v1/members", { first_name: "A", last_name: "B", email })).status, 201);
});

Deno.test("the last active administrator cannot be demoted, deactivated or removed, by nobody", async () => {
  const alone = await app.tenant("lone-admin");
  const id = await me(alone.admin);
  await addPerson(app, alone, "manager");
  const powerful = await ask(
    "POST",
    "/v1/roles",
    { key: "all", name: "All", permissions: { "*": ["*"] } },
    alone.admin,
  );
  assert.equal(powerful.status, 201);
  const { token } = await addPerson(app, alone, "all");
  for (const who of [alone.admin, token]) {
    for (
      const body of [{ role: "member" }, { role: "all" }, { status: "inactive" }, { role: "admin", status: "archived" }]
    ) {
      const refused = await ask("PATCH", `/v1/members/${id}`, body, who);
      assert.deepEqual([refused.status, refused.body.code], [409, "last_admin"], JSON.stringify(body));
    }
    const refused = await ask("DELETE", `/v1/members/${id}`, undefined, who);
    assert.deepEqual([refused.status, refused.body.code], [409, "last_admin"]);
  }
  assert.equal(
    (await ask("PATCH", `/v1/members/${id}`, { role: "admin", first_name: "Eve" }, alone.admin)).status,
    200,
  );
  assert.equal((await ask("GET", "/v1/members", undefined, alone.admin)).status, 200);
});

Deno.test("two administrators who demote each other, or themselves, at once leave one", async () => {
  const pair = await app.tenant("two-admins");
  const first = await me(pair.admin);
  const { id: second } = await addPerson(app, pair, "admin");
  const sessions = [await openSession(app.services, pair.id, first), await openSession(app.services, pair.id, second)];
  const fresh = (i: number) =>
    issueToken(app.services, pair.id, { memberId: [first, second][i], sessionId: sessions[i].sessionId });
  for (let round = 0; round < 12; round++) {
    const [a, b] = [await fresh(0), await fresh(1)];
    const crossed = round % 2 === 0;
    const remove = round % 4 > 1;
    const path = (id: string) => `/v1/members/${id}`;
    const asking = (token: string) => ({ token, body: { role: "member" } });
    const method = remove && crossed ? "DELETE" : "PATCH";
    const withBody = (token: string) => method === "DELETE" ? { token } : asking(token);
    const answers = await Promise.all([
      app.ask(method, path(crossed ? second : first), withBody(a)),
      other.ask(method, path(crossed ? first : second), withBody(b)),
    ]);
    assert.equal(answers.filter(({ status }) => status < 300).length, 1, JSON.stringify(answers));
    // Who was demoted while waiting may not do it any more, and who is left is the last one.
    assert.ok(answers.some(({ body }) => ["last_admin", "forbidden", "unauthorized"].includes(body.code)));
    const [{ n }] = await asSystem(
      app.services,
      pair.id,
      (tx) =>
        tx<{ n: number }>`select count(*)::int as n from tenant.members
        where role = 'admin' and status = 'active' and deleted_at is null`,
    );
    assert.equal(n, 1);
    await asSystem(
      app.services,
      pair.id,
      (tx) =>
        tx`with back as (update tenant.sessions set revoked_at = null, revoked_reason = null)
        update tenant.members set role = 'admin', status = 'active', deleted_at = null, access_version = access_version + 1`,
    );
  }
});

Deno.test("members.create keeps to the plan's limit, also when many come at once", async () => {
  const small = await app.tenant("small-plan");
  await limitTo(small, 3);
  const create = (i: number) => {
    const body = { first_name: "A", last_name: "B", email: `m${i}@small.test` };
    return (i % 2 ? app : other).ask("POST", "/v1/members", { token: small.admin, body });
  };
  const answers = await Promise.all([1, 2, 3, 4, 5, 6].map(create));
  assert.deepEqual(answers.map(({ status }) => status).sort(), [201, 201, 409, 409, 409, 409]);
  const refused = answers.find(({ status }) => status === 409)!;
  assert.equal(refused.body.code, "plan_limit");
  assert.match(refused.body.detail, /allows 3 members/);
  await ask("DELETE", `/v1/members/${answers.find(({ status }) => status === 201)!.body.id}`, undefined, small.admin);
  assert.equal((await create(7)).status, 201);
});

async function limitTo({ id }: TestTenant, members: number): Promise<void> {
  const platform = await adminSql(app.services.servers.settings.platformDatabase);
  await platform`insert into platform.plans (name, title, member_limit, requests_per_minute)
    values ('tiny', 'Tiny', ${members}, 1000)`;
  await platform`update platform.tenants set plan = 'tiny' where id = ${id}`;
  await platform.end();
  for (const process of [app, other]) process.services.directory.forget(id);
}

Deno.test("members.sendLink mails a new link, the one before stops working, and only who waits gets one", async () => {
  const email = "lena@link.test";
  const { id } = (await ask("POST", "/v1/members", { first_name: "Lena", last_name: "Link", email })).body;
  const links = async () => {
    const { body } = await app.ask("GET", "/dev/mail", { headers: { accept: "application/json" } });
    return body.items.filter((one: { to: string }) => one.to === email)
      .map((one: { text: string }) => /token=([\w.-]+)/.exec(one.text)![1]);
  };
  const before = await app.until("a first link", async () => (await links()).length === 1 && await links());
  assert.equal((await ask("POST", `/v1/members/${id}/send-link`)).status, 204);
  const now = await app.until("a second link", async () => (await links()).length === 2 && await links());
  const next = now.find((token: string) => !before.includes(token));
  const set = (token: string, password = "a long passphrase of Lena") =>
    app.ask("POST", "/v1/auth/setup-password", { tenant: tenant.slug, body: { token, password } });
  // Refused as too easy as long as the link works.
  await app.until("the link before ends", async () => (await set(before[0], "password1234")).status === 401);
  assert.equal((await set(before[0])).body.code, "invalid_token");
  assert.equal((await set(next)).status, 204);
  const refused = await ask("POST", `/v1/members/${id}/send-link`);
  assert.deepEqual([refused.status, refused.body.code], [409, "invalid_state"]);
});

Deno.test("settings: the default role is what new members get, and mfa_required ends sessions without a second factor", async () => {
  const strict = await app.tenant("strict-ones");
  const as = (method: string, path: string, body?: unknown, token = strict.admin) => ask(method, path, body, token);
  assert.deepEqual((await as("GET", "/v1/settings/access")).body, { default_role: "member", mfa_required: false });
  assert.equal((await as("PATCH", "/v1/settings/access", { default_role: "nobody" })).body.code, "reference_not_found");
  assert.equal((await as("PATCH", "/v1/settings/access", { default_role: "manager" })).status, 200);
  const made = await as("POST", "/v1/members", { first_name: "D", last_name: "E", email: "d@e.test" });
  assert.equal(made.body.role, "manager");
  const refused = await as("PATCH", "/v1/settings/access", { mfa_required: true });
  assert.deepEqual([refused.status, refused.body.code], [403, "mfa_required"]);
  assert.equal((await as("GET", "/v1/members")).status, 200);
  const { token: plain } = await addPerson(app, strict, "member");
  const { token: factor } = await openSession(app.services, strict.id, await me(strict.admin), true);
  assert.equal((await as("PATCH", "/v1/settings/access", { mfa_required: true }, factor)).status, 200);
  assert.equal((await other.ask("GET", "/v1/buildings", { token: plain })).status, 401);
  assert.equal((await other.ask("GET", "/v1/buildings", { token: strict.admin })).status, 401);
  assert.equal((await other.ask("GET", "/v1/buildings", { token: factor })).status, 200);
  assert.deepEqual((await as("GET", "/v1/settings/access", undefined, factor)).body, {
    default_role: "manager",
    mfa_required: true,
  });
});
