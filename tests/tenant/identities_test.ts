// Identities of external issuers as their owner and as who looks after members see and unlink them: what came by one stops at
// its next statement in every process, nobody shuts themselves out, and nobody reaches somebody else's.
import assert from "node:assert/strict";
import type { TestProcess, TestTenant } from "../support/app.ts";
import { startOidcProvider } from "../support/oidc_provider.ts";
import { addPerson, asSystem, openSession } from "../support/people.ts";
import { ok, refused } from "./auth_people.ts";
import { Outside } from "./external_people.ts";

const outside = await Outside.boot("identities");
const { app, tenant, other } = outside;
const second = await app.secondProcess({ listen: false });
/** Another issuer, for bearer tokens only: it speaks for nobody's address and nobody joins by it. */
const closed = await startOidcProvider({ clients: [], accounts: [] });
Deno.test.afterAll(async () => {
  await second.stop();
  await closed.stop();
  await outside.end();
});

const loose = { sanitizeOps: false, sanitizeResources: false };
const row = await outside.trust(tenant, { email_domains: ["corp.test"], joins: true });
const closedRow = await outside.trust(tenant, {
  name: "Tokens",
  issuer: closed.issuer,
  client_id: null,
  client_secret: null,
});

type Process = Pick<TestProcess, "ask">;
const PROCESSES: Process[] = [second, app];

// deno-lint-ignore no-explicit-any -- as the API gives them
async function list(token: string, path = "/v1/auth/identities"): Promise<any[]> {
  return ok(await app.ask("GET", path, { token })).body.items;
}

function unlink(token: string, id: string, path = "/v1/auth/identities") {
  return app.ask("DELETE", `${path}/${id}`, { token });
}

const me = (at: Process, token: string) => at.ask("GET", "/v1/auth/me", { token, tenant: tenant.slug });

async function enter(account: string, of: TestTenant = tenant, providerId = row.id) {
  const { access_token: token, refresh_token } = ok(await outside.signIn(of, providerId, account)).body;
  return { token, refresh_token, id: ok(await outside.me(of, token)).body.member.id as string };
}

/** Links somebody of the issuer of bearer tokens, past all rules. */
async function linkClosed(memberId: string, subject: string): Promise<void> {
  await asSystem(
    app.services,
    tenant.id,
    (tx) =>
      tx`insert into tenant.identities (provider_id, subject, member_id) values (${closedRow.id}, ${subject}, ${memberId})`,
  );
}

/** Lets a member sign in by password too. */
async function giveAccount(memberId: string): Promise<string> {
  await asSystem(
    app.services,
    tenant.id,
    (tx) =>
      tx`update tenant.members set account_id = ${crypto.randomUUID()}, access_version = access_version + 1
        where id = ${memberId}`,
  );
  return (await openSession(app.services, tenant.id, memberId)).token;
}

const refreshed = (refresh_token: string) =>
  app.ask("POST", "/v1/auth/refresh", { tenant: tenant.slug, body: { refresh_token } });

Deno.test("auth.identities lists one's own and nothing of others", loose, async () => {
  const [ada, bob] = [await enter("ada"), await enter("bob")];
  const [mine, ...more] = await list(ada.token);
  assert.deepEqual(more, []);
  const { id, created_at, last_login_at, ...rest } = mine;
  assert.deepEqual(rest, { provider_id: row.id, provider_name: "Corporate sign-in", subject: "ada" });
  assert.ok(new Date(last_login_at) >= new Date(created_at));
  const theirs = await list(bob.token);
  assert.deepEqual(theirs.map(({ subject }) => subject), ["bob"]);
  assert.notEqual(theirs[0].id, id);
  await enter("ada");
  assert.equal((await list(ada.token))[0].id, id);
  assert.deepEqual(await list(tenant.admin), []);
});

Deno.test("auth.removeIdentity ends what came by it at the next statement in every process", loose, async () => {
  const cleo = await enter("cleo");
  const password = await giveAccount(cleo.id);
  for (const at of PROCESSES) for (const token of [cleo.token, password]) ok(await me(at, token));
  const [{ id }] = await list(password);
  ok(await unlink(password, id), 204);
  for (const at of PROCESSES) {
    refused(await me(at, cleo.token), "401 unauthorized");
    ok(await me(at, password));
  }
  refused(await refreshed(cleo.refresh_token), "401 invalid_token");
  assert.deepEqual(await list(password), []);
  refused(await unlink(password, id), "404 not_found");
  // Who comes again is the same member.
  assert.equal((await enter("cleo")).id, cleo.id);
  assert.equal((await list(password))[0].id, id);
});

Deno.test("auth.removeIdentity refuses to remove the only way in, also of two at once", loose, async () => {
  const ada = await enter("ada");
  const [{ id }] = await list(ada.token);
  const answer = refused(await unlink(ada.token, id), "409 invalid_state");
  assert.match(answer.body.detail, /only way in: sign in by another identity provider first/);
  await linkClosed(ada.id, "ada-closed");
  // A provider that is not used is no way in.
  await outside.change(tenant, closedRow.id, { enabled: false });
  refused(await unlink((await enter("ada")).token, id), "409 invalid_state");
  await outside.change(tenant, closedRow.id, { enabled: true });
  const { token, refresh_token } = await enter("ada");
  ok(await refreshed(refresh_token));
  const both = await list(token);
  assert.equal(both.length, 2);
  // What unlinks one ends the caller's own session: the other is refused for that, or as the only way in.
  const statuses = (await Promise.all(both.map((one) => unlink(token, one.id)))).map(({ status }) => status);
  assert.ok(statuses.includes(204) && statuses.some((status) => [401, 409].includes(status)), statuses.join());
  assert.equal((await list(tenant.admin, `/v1/members/${ada.id}/identities`)).length, 1);
});

Deno.test("auth.removeIdentity does not reach another member's identity", loose, async () => {
  const bob = await enter("bob");
  const [{ id }] = await list(bob.token);
  const mine = await addPerson(app, tenant, "member");
  refused(await unlink(mine.token, id), "404 not_found");
  refused(await unlink(tenant.admin, id), "404 not_found");
  refused(await unlink(other.admin, id), "404 not_found");
  refused(await unlink(mine.token, crypto.randomUUID()), "404 not_found");
  assert.equal((await list(bob.token))[0].id, id);
  for (const at of PROCESSES) ok(await me(at, bob.token));
});

Deno.test("members.removeIdentity unlinks for who looks after members, also the only way in", loose, async () => {
  const bob = await enter("bob");
  const path = `/v1/members/${bob.id}/identities`;
  const [{ id }] = await list(tenant.admin, path);
  for (const at of PROCESSES) ok(await me(at, bob.token));
  refused(await app.ask("GET", path, { token: bob.token }), "403 forbidden");
  refused(await unlink(bob.token, id, path), "403 forbidden");
  refused(await app.ask("GET", path, { token: other.admin }), "404 not_found");
  refused(await unlink(other.admin, id, path), "404 not_found");
  const nobody = `/v1/members/${crypto.randomUUID()}/identities`;
  refused(await app.ask("GET", nobody, { token: tenant.admin }), "404 not_found");
  refused(await unlink(tenant.admin, id, nobody), "404 not_found");
  const somebody = await addPerson(app, tenant, "member");
  refused(await unlink(tenant.admin, id, `/v1/members/${somebody.id}/identities`), "404 not_found");
  ok(await me(app, bob.token));
  ok(await unlink(tenant.admin, id, path), 204);
  for (const at of PROCESSES) refused(await me(at, bob.token), "401 unauthorized");
  assert.deepEqual(await list(tenant.admin, path), []);
  const audit = ok(await app.ask("GET", "/v1/audit?limit=50", { token: tenant.admin })).body.items;
  assert.ok(audit.some((one: { operation: string }) => one.operation === "members.removeIdentity"));
});

Deno.test("another tenant's identities of the same person are others", loose, async () => {
  const theirs = await outside.trust(other, { email_domains: ["corp.test"], joins: true });
  const [here, there] = [await enter("bob"), await enter("bob", other, theirs.id)];
  const [mine] = await list(here.token);
  const [foreign] = await list(there.token);
  assert.notEqual(mine.id, foreign.id);
  refused(await unlink(here.token, foreign.id), "404 not_found");
  const path = `/v1/members/${here.id}/identities`;
  refused(await unlink(tenant.admin, foreign.id, path), "404 not_found");
  refused(await unlink(tenant.admin, foreign.id, `/v1/members/${there.id}/identities`), "404 not_found");
  ok(await unlink(tenant.admin, mine.id, path), 204);
  ok(await outside.me(other, there.token));
});

Deno.test("bearer tokens of who was unlinked are refused from the next statement on", loose, async () => {
  const { id } = await addPerson(app, tenant, "member");
  await linkClosed(id, "mia");
  const token = await closed.issueToken({ claims: { sub: "mia", email: "mia@corp.test", email_verified: true } });
  for (const at of PROCESSES) assert.equal(ok(await me(at, token)).body.member.id, id);
  const path = `/v1/members/${id}/identities`;
  const [identity] = await list(tenant.admin, path);
  assert.deepEqual([identity.subject, identity.last_login_at], ["mia", null]);
  ok(await unlink(tenant.admin, identity.id, path), 204);
  for (const at of PROCESSES) refused(await me(at, token), "401 unauthorized");
  for (const at of PROCESSES) refused(await me(at, token), "403 forbidden");
});

Deno.test(
  "members.removeIdentity takes nothing from who may do more, nor the last administrator's way in",
  loose,
  async () => {
    const admin = await addPerson(app, tenant, "admin");
    await linkClosed(admin.id, "root");
    const [{ id }] = await list(admin.token);
    const path = `/v1/members/${admin.id}/identities`;
    const role = { key: "desk", name: "Desk", permissions: { sessions: ["view", "revoke"], members: ["view"] } };
    ok(await app.ask("POST", "/v1/roles", { token: tenant.admin, body: role }), 201);
    const desk = await addPerson(app, tenant, "member");
    ok(await app.ask("PATCH", `/v1/members/${desk.id}`, { token: tenant.admin, body: { role: "desk" } }));
    assert.equal((await list(desk.token, path)).length, 1);
    refused(await unlink(desk.token, id, path), "403 forbidden");
    const [first] = await outside.members(tenant, tenant.adminEmail);
    const standing = (memberId: string, change: { role?: string }) =>
      app.ask("PATCH", `/v1/members/${memberId}`, { token: admin.token, body: change });
    ok(await standing(first.id, { role: "member" }));
    await asSystem(
      app.services,
      tenant.id,
      (tx) => tx`update tenant.members set account_id = null where id = ${admin.id}`,
    );
    refused(await unlink(admin.token, id, path), "409 last_admin");
    ok(await standing(first.id, { role: "admin" }));
    ok(await unlink(tenant.admin, id, path), 204);
  },
);
