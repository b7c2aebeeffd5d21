// One account in several tenants: what each of them may and may not do with it. The owner of a customer's server can write
// anything into his own placement, and must gain nothing outside his tenant by it.
import { Buffer } from "node:buffer";
import assert from "node:assert/strict";
import { newId } from "../../src/db/ids.ts";
import { firstRefreshToken } from "../../src/identity/refresh_tokens.ts";
import { newSecretToken } from "../../src/identity/secret_tokens.ts";
import type { TestTenant } from "../support/app.ts";
import { openPlace, type Place } from "../support/placement.ts";
import { loose, NEW_PASSWORD, ok, PASSWORD, People, refused } from "./auth_people.ts";

let people: People;
let acme: TestTenant;
let globex: TestTenant;
let own: TestTenant;
let place: Place;
const ida = "ida@many.test";
Deno.test.beforeAll(async () => {
  people = await People.boot();
  [acme, globex, own] = await Promise.all([
    people.app.tenant("many-acme"),
    people.app.tenant("many-globex", "dedicated"),
    people.app.tenant("many-own", "byo"),
  ]);
  place = await openPlace(people.app, own);
  await people.join(acme, ida);
});
Deno.test.afterAll(async () => {
  await place.end();
  await people.end();
});

const slugs = async (token: string) =>
  (ok(await people.app.ask("GET", "/v1/auth/tenants", { token })).body.items as { slug: string; current: boolean }[])
    .map(({ slug, current }) => current ? `${slug}*` : slug);

Deno.test("a setup link for somebody who has an account asks for that account's password", loose, async () => {
  const token = await people.invite(globex, ida);
  const redeem = (password: string) =>
    people.post("/v1/auth/setup-password", undefined, { token, password }, globex.slug);
  refused(await redeem(NEW_PASSWORD), "401 invalid_credentials");
  refused(await people.login(globex.slug, ida), "401 invalid_credentials");
  ok(await redeem(PASSWORD), 204);
  await people.enter(globex.slug, ida);
  await people.enter(acme.slug, ida);
  refused(await people.login(globex.slug, ida, NEW_PASSWORD), "401 invalid_credentials");
});

Deno.test("whoever holds such a link cannot guess the password with it without end", loose, async () => {
  const token = await people.invite(own, ida);
  const redeem = (password: string) => people.post("/v1/auth/setup-password", undefined, { token, password }, own.slug);
  for (let i = 0; i < 4; i++) refused(await redeem(NEW_PASSWORD), "401 invalid_credentials");
  await redeem(NEW_PASSWORD);
  refused(await redeem(PASSWORD), "429 too_many_attempts");
  await people.forgetFailures();
  ok(await redeem(PASSWORD), 204);
});

Deno.test("auth.tenants lists them, auth.switch gives a new session there and ends the one here", loose, async () => {
  const first = await people.enter(acme.slug, ida);
  assert.deepEqual(await slugs(first.access_token), ["many-acme*", "many-globex", "many-own"]);
  const there = ok(await people.post("/v1/auth/switch", first.access_token, { tenant: globex.slug })).body;
  const sid = (token: string) => JSON.parse(atob(token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/"))).sid;
  assert.notEqual(sid(there.access_token), sid(first.access_token));
  assert.deepEqual(await slugs(there.access_token), ["many-acme", "many-globex*", "many-own"]);
  const { body: me } = await people.app.ask("GET", "/v1/auth/me", { token: there.access_token });
  assert.deepEqual([me.tenant.slug, me.member.email], [globex.slug, ida]);
  assert.equal(await people.works(first.access_token), false);
  refused(await people.refresh(acme.slug, first.refresh_token), "401 invalid_token");
  const back = ok(await people.refresh(globex.slug, there.refresh_token)).body;
  ok(await people.post("/v1/auth/switch", back.access_token, { tenant: acme.slug.toUpperCase() }));
  refused(await people.post("/v1/auth/switch", first.access_token, { tenant: globex.slug }), "401 unauthorized");
});

Deno.test("auth.switch leads only to where the account is a member", loose, async () => {
  const stranger = await people.enter(globex.slug, globex.adminEmail);
  assert.deepEqual(await slugs(stranger.access_token), ["many-globex*"]);
  for (const tenant of [acme.slug, "no-such-tenant"]) {
    refused(await people.post("/v1/auth/switch", stranger.access_token, { tenant }), "404 not_found");
  }
});

Deno.test("a token of one tenant is refused in another, also where its owner is a member", loose, async () => {
  const { access_token: token } = await people.enter(acme.slug, ida);
  for (const path of [`/t/${globex.slug}/v1/auth/me`, `/t/${own.slug}/v1/buildings`]) {
    refused(await people.app.ask("GET", path, { token }), "403 tenant_mismatch");
  }
  const { refresh_token } = await people.enter(acme.slug, ida);
  refused(await people.refresh(globex.slug, refresh_token), "401 invalid_token");
});

Deno.test(
  "a switch goes by the tenant's own rules: a suspended member and a closed tenant are refused",
  loose,
  async () => {
    const { access_token: token } = await people.enter(acme.slug, ida);
    const set = async (status: string) => {
      ok(
        await people.post(`/v1/tenants/${globex.id}/status`, await people.app.operator(), { status, reason: "A test" }),
      );
    };
    await set("suspended");
    refused(await people.post("/v1/auth/switch", token, { tenant: globex.slug }), "403 tenant_unavailable");
    await set("active");
    await place.admin`update tenant.members set status = 'suspended' where email = ${ida}`;
    refused(await people.post("/v1/auth/switch", token, { tenant: own.slug }), "403 forbidden");
    await place.admin`update tenant.members set status = 'active' where email = ${ida}`;
    assert.equal(await people.works(token), true, "the session here stays when the switch fails");
  },
);

/** A token as only the platform makes one: what holds even if its owner had got one. */
const provenToken = (sessionId: string) =>
  firstRefreshToken(people.app.services.servers.sessionKey, { tenantId: own.id, sessionId });

/** What the owner of a customer's server writes into his own placement: a session of his making. */
async function forgedSession(memberId: string, kind: string, made = provenToken): Promise<string> {
  const id = newId();
  const { token, hash } = made(id);
  await place.admin`insert into tenant.sessions (tenant_id, id, member_id, refresh_hash, expires_at, kind, mfa)
    values (${own.id}, ${id}, ${memberId}, ${Buffer.from(hash)}, now() + interval '1 day', ${kind}, true)`;
  return `${id}.${token}`;
}

Deno.test("who owns a placement gains no other tenant by what he writes there", loose, async (t) => {
  const [{ id: victim }] = await people
    .platform`select account_id as id from platform.memberships where tenant_id = ${acme.id}
    order by created_at desc limit 1`;
  const [mine] = await place.admin`select id, account_id from tenant.members where email = ${own.adminEmail}`;
  await place.admin`update tenant.members set account_id = ${victim} where id = ${mine.id}`;
  try {
    await t.step(
      "a session row of a kind that an account opens is worth nothing without the platform's proof",
      async () => {
        for (const kind of ["password", "passkey", "switch"]) {
          refused(await people.refresh(own.slug, await forgedSession(mine.id, kind)), "401 invalid_token");
        }
      },
    );
    await t.step("nor is one of any kind whose token the platform did not make", async () => {
      for (const kind of ["password", "external"]) {
        const forged = await forgedSession(mine.id, kind, () => newSecretToken("bhr"));
        refused(await people.refresh(own.slug, forged), "401 invalid_token");
      }
    });
    await t.step("one of his own issuer's gives his own tenant and nothing more", async () => {
      const { access_token: token } = ok(await people.refresh(own.slug, await forgedSession(mine.id, "external"))).body;
      assert.equal(await people.works(token), true);
      refused(await people.app.ask("GET", "/v1/auth/tenants", { token }), "403 forbidden");
      refused(await people.post("/v1/auth/switch", token, { tenant: acme.slug }), "403 forbidden");
      refused(await people.app.ask("GET", "/v1/auth/factors", { token }), "403 forbidden");
      const change = { current_password: PASSWORD, new_password: NEW_PASSWORD };
      refused(await people.post("/v1/auth/change-password", token, change), "403 forbidden");
    });
    await t.step("his own proof does not go with another's session, nor a victim's with his", async () => {
      await place.admin`update tenant.members set account_id = ${mine.account_id} where id = ${mine.id}`;
      const { refresh_token } = await people.enter(own.slug, own.adminEmail);
      const proof = refresh_token.split(".").slice(2).join(".");
      const forged = await forgedSession(mine.id, "password");
      refused(await people.refresh(own.slug, `${forged}.${proof}`), "401 invalid_token");
      const [sessionId, secret] = refresh_token.split(".");
      const [account, seconds, mfa, mac] = proof.split(".");
      for (const text of [`${victim}.${seconds}.${mfa}.${mac}`, `${account}.${seconds}.1.${mac}`, proof.slice(0, -2)]) {
        refused(await people.refresh(own.slug, `${sessionId}.${secret}.${text}`), "401 invalid_token");
      }
      refused(await people.refresh(own.slug, `${sessionId}.${secret}`), "401 invalid_token");
      ok(await people.refresh(own.slug, refresh_token));
    });
  } finally {
    await place.admin`update tenant.members set account_id = ${mine.account_id} where id = ${mine.id}`;
  }
});

Deno.test(
  "a disabled account is out everywhere: at once at the next refresh or switch, within seconds with its token",
  loose,
  async () => {
    const [here, there] = [await people.enter(acme.slug, ida), await people.enter(own.slug, ida)];
    const operator = await people.app.operator();
    ok(await people.post("/v1/accounts/disable", operator, { email: ida }));
    refused(await people.refresh(acme.slug, here.refresh_token), "401 invalid_token");
    refused(await people.login(acme.slug, ida), "401 invalid_credentials");
    for (const { access_token } of [here, there]) {
      await people.app.until("the sessions' end", async () => !await people.works(access_token));
    }
    ok(await people.post("/v1/accounts/enable", operator, { email: ida }));
    refused(await people.refresh(own.slug, there.refresh_token), "401 invalid_token");
    await people.enter(own.slug, ida);
    refused(await people.post("/v1/accounts/disable", acme.admin, { email: ida }), "403 forbidden");
    refused(await people.post("/v1/accounts/show", operator, { email: "nobody@many.test" }), "404 not_found");
  },
);
