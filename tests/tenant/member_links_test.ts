// Links that were mailed to members for the first password: whom they still let in after the person was removed, shut out or
// added again, and how many there are.
import assert from "node:assert/strict";
import { keepAccountToken } from "../../src/tenancy/accounts.ts";
import type { TestApp, TestProcess, TestTenant } from "../support/app.ts";
import { asPlatform } from "../platform/setup.ts";
import { loose, NEW_PASSWORD, ok, PASSWORD, People, refused } from "./auth_people.ts";

let people: People;
let acme: TestTenant;
let globex: TestTenant;
let second: TestProcess;
Deno.test.beforeAll(async () => {
  people = await People.boot();
  [acme, globex] = await Promise.all([people.app.tenant("link-acme"), people.app.tenant("link-globex")]);
  second = await people.app.secondProcess();
});
Deno.test.afterAll(async () => {
  await second.stop();
  await people.end();
});

const redeem = (token: string, password = PASSWORD, { slug }: TestTenant = acme) =>
  people.post("/v1/auth/setup-password", undefined, { token, password }, slug);
const admin = (method: string, path: string, body?: unknown, { admin: token }: TestTenant = acme) =>
  people.app.ask(method, path, { token, body });

async function memberId(email: string, tenant = acme): Promise<string> {
  return ok(await admin("GET", `/v1/members?search=${email}`, undefined, tenant)).body.items[0].id;
}

const remove = async (email: string, tenant = acme) =>
  ok(await admin("DELETE", `/v1/members/${await memberId(email, tenant)}`, undefined, tenant), 204);

/** Puts the links back as if what follows the commit had failed. */
async function revive(id: string): Promise<void> {
  const { count } = await people.platform`update platform.account_tokens set used_at = null where member_id = ${id}`;
  assert.ok(count > 0);
}

const liveLinks = async (id: string) =>
  (await people.platform`select 1 from platform.account_tokens where member_id = ${id} and used_at is null`).length;

Deno.test("a link of a member who was removed lets nobody in, and the person added again stays in", loose, async () => {
  const email = "rita@links.test";
  const first = await people.invite(acme, email);
  const id = await memberId(email);
  await remove(email);
  assert.equal(await liveLinks(id), 0);
  refused(await redeem(first), "401 invalid_token");
  ok(await redeem(await people.invite(acme, email)), 204);
  await people.enter(acme.slug, email);
  await revive(id);
  refused(await redeem(first), "401 invalid_token");
  await people.enter(acme.slug, email);
});

Deno.test(
  "a first password ends every other link of the address in the tenant, and none elsewhere",
  loose,
  async () => {
    const email = "olga@links.test";
    const before = (await people.mails(email)).length;
    ok(await admin("POST", "/v1/invitations", { email }), 201);
    const invitation = await people.mailedToken(email, before);
    const older = await people.invite(acme, email);
    const elsewhere = await people.invite(globex, email);
    const olderId = await memberId(email);
    await remove(email);
    const newer = await people.invite(acme, email);
    await revive(olderId);
    ok(await redeem(newer), 204);
    assert.equal(await liveLinks(olderId), 0);
    for (const token of [older, newer]) refused(await redeem(token), "401 invalid_token");
    const acceptance = { token: invitation, first_name: "O", last_name: "O", password: PASSWORD };
    refused(await people.post("/v1/invitations/accept", undefined, acceptance, acme.slug), "401 invalid_token");
    await people.enter(acme.slug, email);
    ok(await redeem(elsewhere, PASSWORD, globex), 204);
    await people.enter(globex.slug, email);
  },
);

Deno.test("who was removed and has an account elsewhere is not listed as a member again", loose, async () => {
  const email = "elsa@links.test";
  await people.join(globex, email);
  const token = await people.invite(acme, email);
  const id = await memberId(email);
  await remove(email);
  for (const prepare of [() => Promise.resolve(), () => revive(id)]) {
    await prepare();
    refused(await redeem(token), "401 invalid_token");
    const { access_token } = await people.enter(globex.slug, email);
    const { items } = ok(await people.app.ask("GET", "/v1/auth/tenants", { token: access_token })).body;
    assert.deepEqual(items.map(({ slug }: { slug: string }) => slug), [globex.slug]);
  }
});

Deno.test("a link of a member who is shut out waits for nothing: another one is mailed later", loose, async (t) => {
  for (const status of ["suspended", "inactive", "archived"]) {
    await t.step(status, async () => {
      const email = `${status}@links.test`;
      const token = await people.invite(acme, email);
      const id = await memberId(email);
      ok(await admin("PATCH", `/v1/members/${id}`, { status }));
      assert.equal(await liveLinks(id), 0);
      await revive(id);
      refused(await redeem(token), "401 invalid_token");
      ok(await admin("PATCH", `/v1/members/${id}`, { status }));
      assert.equal(ok(await admin("PATCH", `/v1/members/${id}`, { status: "active" })).body.status, "pending");
      refused(await redeem(token), "401 invalid_token");
      const before = (await people.mails(email)).length;
      ok(await admin("POST", `/v1/members/${id}/send-link`), 204);
      ok(await redeem(await people.mailedToken(email, before), NEW_PASSWORD), 204);
      await people.enter(acme.slug, email, NEW_PASSWORD);
    });
  }
});

Deno.test("a change of names or role ends no link", loose, async () => {
  const email = "nina@links.test";
  const token = await people.invite(acme, email);
  ok(await admin("PATCH", `/v1/members/${await memberId(email)}`, { first_name: "Nina", role: "manager" }));
  ok(await redeem(token), 204);
});

Deno.test("of many links that are mailed at once one works, and a member is mailed ten at most", loose, async () => {
  const email = "mina@links.test";
  await people.invite(acme, email);
  const id = await memberId(email);
  const send = (at: Pick<TestApp, "ask">) => at.ask("POST", `/v1/members/${id}/send-link`, { token: acme.admin });
  const answers = await Promise.all(Array.from({ length: 12 }, (_, i) => send(i % 2 ? second : people.app)));
  const told = answers.map(({ status, body }) => `${status} ${body?.code ?? ""}`.trim()).sort();
  assert.deepEqual(told, [...Array(9).fill("204"), ...Array(3).fill("409 invalid_state")]);
  await people.app.until("ten mails", async () => (await people.mails(email)).length === 10);
  assert.equal(await liveLinks(id), 1);
  refused(await send(people.app), "409 invalid_state");
  const tokens = (await people.mails(email)).map((mail) => /token=([\w.-]+)/.exec(mail)![1]);
  const used = [];
  for (const token of tokens) used.push((await redeem(token)).status);
  assert.deepEqual(used.sort(), [204, ...Array(9).fill(401)]);
  const { items } = ok(await admin("GET", `/v1/audit?operation=members.sendLink&resource_id=${id}&limit=100`)).body;
  assert.equal(items.length, 9);
});

Deno.test("keepAccountToken() leaves one live link, however many are kept at once", loose, async () => {
  const member = { purpose: "setup" as const, tenantId: acme.id, memberId: crypto.randomUUID() };
  const keep = () =>
    asPlatform(people.app.services, (tx) =>
      keepAccountToken(tx, {
        ...member,
        digest: crypto.getRandomValues(new Uint8Array(32)),
        hash: crypto.getRandomValues(new Uint8Array(32)),
        expiresAt: new Date(Date.now() + 60_000),
      }));
  for (let round = 0; round < 5; round++) {
    await Promise.all(Array.from({ length: 8 }, keep));
    assert.equal(await liveLinks(member.memberId), 1);
  }
});
