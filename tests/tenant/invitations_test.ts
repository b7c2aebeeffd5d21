// Invitations over HTTP and real mail: who may invite to what, whose link it is, that it makes one member once, and that a
// link which broke off half way finishes what it began.
import assert from "node:assert/strict";
import { invitationMail } from "../../src/tenant/invitations/mail.ts";
import { addPerson, asSystem } from "../support/people.ts";
import { NEW_PASSWORD, ok, PASSWORD, People, refused } from "./auth_people.ts";

const people = await People.boot();
const { app } = people;
const tenant = await app.tenant("inviters");
const other = await app.tenant("other-inviters");
const second = await app.secondProcess();
Deno.test.afterAll(async () => {
  await second.stop();
  await people.end();
});

const admin = (method: string, path: string, body?: unknown, of = tenant) =>
  app.ask(method, path, { token: of.admin, body });
const open = (path: string, body: unknown, of = tenant, at: Pick<typeof app, "ask"> = app) =>
  at.ask("POST", `/v1/invitations/${path}`, { tenant: of.slug, body });
const accept = (token: string, password = PASSWORD, of = tenant, at: Pick<typeof app, "ask"> = app) =>
  open("accept", { token, first_name: "Ina", last_name: "Invited", password }, of, at);
const newAddress = () => `ina-${crypto.randomUUID().slice(0, 8)}@guests.test`;

async function invite(email: string, more: Record<string, unknown> = {}, of = tenant) {
  const before = (await people.mails(email)).length;
  const { body } = ok(await admin("POST", "/v1/invitations", { email, ...more }, of), 201);
  return { id: body.id as string, token: await people.mailedToken(email, before), body };
}

const membersWith = async (email: string, of = tenant) =>
  (await admin("GET", `/v1/members?search=${encodeURIComponent(email)}`, undefined, of)).body.items;

Deno.test("an invitation makes its person a member with role and units, who can sign in; the link works once", async () => {
  const unit = ok(await admin("POST", "/v1/units", { name: "North" }), 201).body.id;
  const email = newAddress();
  const { id, token, body } = await invite(email, { role: "manager", unit_ids: [unit], message: "Welcome\nto us" });
  assert.deepEqual([body.status, body.sends, body.role, body.unit_ids], ["pending", 1, "manager", [unit]]);
  const shown = ok(await open("show", { token })).body;
  assert.deepEqual([shown.email, shown.role, shown.has_account, shown.tenant.slug], [
    email,
    "Manager",
    false,
    tenant.slug,
  ]);
  refused(await people.login(tenant.slug, email), "401 invalid_credentials");
  refused(await accept(token, email), "422 unprocessable");
  ok(await accept(token), 204);
  const { access_token } = await people.enter(tenant.slug, email);
  const me = ok(await app.ask("GET", "/v1/auth/me", { token: access_token })).body;
  assert.deepEqual([me.member.role, me.member.first_name], ["manager", "Ina"]);
  const [member] = await membersWith(email);
  assert.deepEqual([member.status, member.unit_ids], ["active", [unit]]);
  const after = ok(await admin("GET", `/v1/invitations/${id}`)).body;
  assert.deepEqual([after.status, after.member_id], ["accepted", member.id]);
  for (const again of [await accept(token), await open("show", { token })]) refused(again, "401 invalid_token");
  const { body: history } = ok(await admin("GET", "/v1/audit?resource=invitations&limit=200"));
  assert.ok(!JSON.stringify(history).includes(token));
});

Deno.test("invitations.create gives nobody what the inviter lacks, and refuses members, open invitations and ghosts", async () => {
  const key = `inviter_${crypto.randomUUID().slice(0, 6)}`;
  const permissions = { invitations: ["view", "create"], buildings: ["view"] };
  ok(await admin("POST", "/v1/roles", { key, name: "Inviter", permissions }), 201);
  const inviter = await addPerson(app, tenant, key);
  const by = (body: unknown) => app.ask("POST", "/v1/invitations", { token: inviter.token, body });
  refused(await by({ email: newAddress(), role: "admin" }), "403 forbidden");
  refused(await by({ email: newAddress() }), "403 forbidden"); // the default role may look at more
  ok(await by({ email: newAddress(), role: key }), 201);
  const plain = await addPerson(app, tenant, "member");
  const asked = { token: plain.token, body: { email: newAddress(), role: "member" } };
  refused(await app.ask("POST", "/v1/invitations", asked), "403 forbidden");
  const email = newAddress();
  const { id } = await invite(email);
  refused(await admin("POST", "/v1/invitations", { email: email.toUpperCase() }), "409 already_exists");
  refused(await admin("POST", "/v1/invitations", { email: tenant.adminEmail }), "409 already_exists");
  refused(await admin("POST", "/v1/invitations", { email: newAddress(), role: "ghost" }), "422 reference_not_found");
  const [ghost] = [crypto.randomUUID()];
  refused(
    await admin("POST", "/v1/invitations", { email: newAddress(), unit_ids: [ghost] }),
    "422 reference_not_found",
  );
  refused(await admin("POST", "/v1/invitations", { email: newAddress(), locale: "no_such!" }), "400 invalid_request");
  refused(await admin("GET", `/v1/invitations/${id}`, undefined, other), "404 not_found");
  // A role that somebody is invited to stays.
  refused(await admin("DELETE", `/v1/roles/${key}`), "409 still_referenced");
});

Deno.test("invitations.create with an Idempotency-Key invites once", async () => {
  const email = newAddress();
  const headers = { "idempotency-key": crypto.randomUUID() };
  const ask = () => app.ask("POST", "/v1/invitations", { token: tenant.admin, body: { email }, headers });
  const [first, again] = [ok(await ask(), 201), ok(await ask(), 201)];
  assert.equal(again.body.id, first.body.id);
  await people.mailedToken(email);
  assert.equal((await people.mails(email)).length, 1);
});

Deno.test("invitations.resend ends the link before, invitations.revoke every link, and the list tells them apart", async () => {
  const email = newAddress();
  const { id, token } = await invite(email);
  const resent = ok(await admin("POST", `/v1/invitations/${id}/resend`)).body;
  assert.equal(resent.sends, 2);
  const newer = await people.mailedToken(email, 1);
  assert.notEqual(newer, token);
  await app.until("the link before ends", async () => (await open("show", { token })).status === 401);
  refused(await accept(token), "401 invalid_token");
  ok(await open("show", { token: newer }));
  ok(await admin("POST", `/v1/invitations/${id}/revoke`));
  refused(await accept(newer), "401 invalid_token");
  refused(await admin("POST", `/v1/invitations/${id}/resend`), "409 invalid_state");
  const late = await invite(newAddress());
  await asSystem(
    app.services,
    tenant.id,
    (tx) => tx`update tenant.invitations set expires_at = now() - interval '1 s' where id = ${late.id}`,
  );
  refused(await accept(late.token), "401 invalid_token");
  for (const [status, expected] of [["revoked", id], ["expired", late.id]]) {
    const { items } = ok(await admin("GET", `/v1/invitations?status=${status}&limit=200`)).body;
    assert.ok(items.some((one: { id: string }) => one.id === expected), status);
    assert.ok(items.every((one: { status: string }) => one.status === status), status);
  }
  // Who was invited too long ago can be invited again; the old one is over.
  const again = await invite(late.body.email);
  assert.equal(ok(await admin("GET", `/v1/invitations/${late.id}`)).body.status, "revoked");
  const { body } = ok(
    await admin("GET", `/v1/invitations?search=${late.body.email.slice(0, 9).toUpperCase()}&limit=1`),
  );
  assert.deepEqual([body.items[0].id, body.items.length], [again.id, 1]);
});

Deno.test("a link opens nothing in another tenant, for another address, or as another kind of link", async () => {
  const email = newAddress();
  const { id, token } = await invite(email);
  refused(await accept(token, PASSWORD, other), "401 invalid_token");
  refused(await open("show", { token }, other), "401 invalid_token");
  const asPassword = { token, password: PASSWORD };
  refused(await people.post("/v1/auth/setup-password", undefined, asPassword, tenant.slug), "401 invalid_token");
  refused(await people.post("/v1/auth/reset-password", undefined, asPassword, tenant.slug), "401 invalid_token");
  const setup = await people.invite(tenant, newAddress());
  refused(await accept(setup), "401 invalid_token");
  // Whoever owns the placement writes somebody else's address into the row: the platform knows whose the link is.
  await people.shared`alter table tenant.invitations disable trigger all`;
  await people.shared`update tenant.invitations set email = ${other.adminEmail} where id = ${id}`;
  await people.shared`alter table tenant.invitations enable trigger all`;
  refused(await accept(token), "401 invalid_token");
  // Or he says that it was accepted, and by somebody who is a member already.
  const taken = await invite(newAddress());
  const [admin] = await membersWith(tenant.adminEmail);
  await people.shared`alter table tenant.invitations disable trigger all`;
  await people
    .shared`update tenant.invitations set status = 'accepted', member_id = ${admin.id} where id = ${taken.id}`;
  await people.shared`alter table tenant.invitations enable trigger all`;
  refused(await accept(taken.token), "401 invalid_token");
  assert.deepEqual(await membersWith(other.adminEmail), []);
});

Deno.test("who has an account gives its password: no other one is set, and wrong ones count", async () => {
  const email = newAddress();
  await people.join(other, email, NEW_PASSWORD);
  const { token } = await invite(email);
  assert.equal(ok(await open("show", { token })).body.has_account, true);
  refused(await accept(token, PASSWORD), "401 invalid_credentials");
  for (let i = 0; i < 6; i++) await accept(token, PASSWORD);
  refused(await accept(token, NEW_PASSWORD), "429 too_many_attempts");
  await people.waitIsOver();
  ok(await accept(token, NEW_PASSWORD), 204);
  for (const slug of [tenant.slug, other.slug]) await people.enter(slug, email, NEW_PASSWORD);
  await people.forgetFailures();
});

Deno.test("20 acceptances at once of one link, in two processes, make one member", async () => {
  const email = newAddress();
  const { token } = await invite(email);
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, i) => accept(token, `${PASSWORD} ${i}`, tenant, i % 2 ? app : second)),
  );
  const accepted = answers.flatMap(({ status }, i) => status === 204 ? [i] : []);
  assert.equal(accepted.length, 1, JSON.stringify(answers.map(({ status, body }) => [status, body.code])));
  assert.ok(answers.every(({ status, body }) => status === 204 || ["invalid_token", "overloaded"].includes(body.code)));
  assert.equal((await membersWith(email)).length, 1);
  await people.enter(tenant.slug, email, `${PASSWORD} ${accepted[0]}`);
});

Deno.test("the plan's number of members holds when many accept at once; the link works when there is room", async () => {
  const small = await app.tenant("small-inviters");
  await people.platform`insert into platform.plans (name, title, member_limit, requests_per_minute)
    values ('two', 'Two', 2, 100000)`;
  await people.platform`update platform.tenants set plan = 'two' where id = ${small.id}`;
  app.services.directory.forget(small.id);
  second.services.directory.forget(small.id);
  const invited = await Promise.all([1, 2, 3].map(async () => await invite(newAddress(), {}, small)));
  const answers = await Promise.all(
    invited.map(({ token }, i) => accept(token, PASSWORD, small, i % 2 ? app : second)),
  );
  assert.deepEqual(answers.map(({ status, body }) => body.code ?? status).sort(), [204, "plan_limit", "plan_limit"]);
  const won = answers.findIndex(({ status }) => status === 204);
  const [member] = await membersWith(invited[won].body.email, small);
  ok(await admin("DELETE", `/v1/members/${member.id}`, undefined, small), 204);
  const next = invited[(won + 1) % 3];
  ok(await accept(next.token, NEW_PASSWORD, small), 204);
  await people.enter(small.slug, next.body.email, NEW_PASSWORD);
});

Deno.test("a link that broke off at the platform is finished by the same link, and until then nobody gets in", async () => {
  const email = newAddress();
  const { token } = await invite(email);
  await people.platform.unsafe(`create function platform.fail() returns trigger language plpgsql as
    $$ begin raise exception using errcode = '57P01', message = 'gone'; end $$`);
  await people.platform.unsafe(
    "create trigger fail before insert on platform.memberships for each row execute function platform.fail()",
  );
  try {
    refused(await accept(token, PASSWORD), "503 database_unavailable");
    refused(await people.login(tenant.slug, email), "401 invalid_credentials");
    refused(await accept(token, NEW_PASSWORD, tenant, second), "503 database_unavailable");
  } finally {
    await people.platform.unsafe("drop trigger fail on platform.memberships; drop function platform.fail()");
  }
  assert.equal((await membersWith(email)).length, 1);
  ok(await accept(token, NEW_PASSWORD), 204);
  assert.equal((await membersWith(email)).length, 1);
  await people.enter(tenant.slug, email, NEW_PASSWORD);
});

Deno.test("invitationMail speaks the invitee's language or else English, and one line stays one line", () => {
  const mail = {
    tenant: { name: "Haus\r\nBcc: x@y.test", time_zone: "Europe/Berlin" },
    inviter: "Ada\nAdmin",
    message: "one\ntwo",
    url: "https://x.test/t/haus/accept-invitation#token=t",
    expiresAt: new Date("2011-12-31T23:30:00Z"),
  };
  const said = (locale: string) => invitationMail({ ...mail, locale });
  assert.match(
    said("de-CH-1996").text,
    /^Ada Admin lädt Sie ein[^]*> one\n> two\n[^]*1\. Januar 2012[^]*Europe\/Berlin/,
  );
  assert.match(said("fr-CA").text, /1 janvier 2012/);
  assert.match(said("en-GB").text, /1 January 2012/);
  assert.match(said("hsb").text, /^Ada Admin invites you[^]*January 1, 2012/);
  assert.equal(said("fr").subject, "Invitation à rejoindre Haus Bcc: x@y.test");
  assert.ok(!invitationMail({ ...mail, inviter: null, message: null, locale: "en" }).text.includes("null"));
});

Deno.test("the page of the link loads nothing from elsewhere and runs no inline script", async () => {
  const page = await app.ask("GET", "/t/inviters/accept-invitation");
  assert.match(page.headers.get("content-security-policy")!, /default-src 'none'.*frame-ancestors 'none'/);
  assert.ok(!/<script(?! src="\/assets\/accept\.js">)|style=| on\w+=/.test(page.body));
  assert.equal((await app.ask("GET", "/assets/accept.js")).status, 200);
});
