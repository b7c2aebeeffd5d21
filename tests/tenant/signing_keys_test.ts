// Each tenant's own signing key: others verify its tokens by its public keys, another tenant's key is worth nothing, and a
// renewal signs nobody out, or everybody at once.
import assert from "node:assert/strict";
import { createLocalJWKSet, decodeProtectedHeader, type JSONWebKeySet, jwtVerify } from "jose";
import type { TestProcess, TestTenant } from "../support/app.ts";
import { loose, ok, People, refused } from "./auth_people.ts";

let people: People;
let second: TestProcess;
let acme: TestTenant;
let globex: TestTenant;
const ida = "ida@signing.test";
Deno.test.beforeAll(async () => {
  people = await People.boot();
  [acme, globex] = await Promise.all([people.app.tenant("sign-acme"), people.app.tenant("sign-globex")]);
  second = await people.app.secondProcess();
  await people.join(acme, ida);
});
Deno.test.afterAll(async () => {
  await second.stop();
  await people.end();
});

async function published(tenant: TestTenant): Promise<JSONWebKeySet> {
  return ok(await people.app.ask("GET", `/t/${tenant.slug}/.well-known/jwks.json`)).body;
}

/** As a program outside would: by the published keys alone. */
async function verifies(token: string, keys: JSONWebKeySet): Promise<boolean> {
  const options = { issuer: "bulkhead", audience: "tenant", algorithms: ["EdDSA"] };
  return await jwtVerify(token, createLocalJWKSet(keys), options).then(() => true, () => false);
}

const renew = (token: string, at_once?: boolean) => people.post("/v1/signing-key/renew", token, { at_once });

/** Another process hears of a renewal within a moment. */
async function soon(holds: () => Promise<boolean>): Promise<void> {
  for (const until = Date.now() + 5_000; !await holds();) {
    assert.ok(Date.now() < until, "it did not come true");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

Deno.test("signing_keys.publish lets others verify a tenant's tokens, and no other tenant's", loose, async () => {
  const { access_token } = await people.enter(acme.slug, ida);
  assert.equal(await verifies(access_token, await published(acme)), true);
  assert.equal(await verifies(access_token, await published(globex)), false);
  for (const key of (await published(acme)).keys) {
    assert.deepEqual(Object.keys(key).sort(), ["alg", "crv", "kid", "kty", "use", "x"]);
  }
  refused(await people.app.ask("GET", "/.well-known/jwks.json"), "400 tenant_required");
  refused(await people.app.ask("GET", "/t/no-such-tenant/.well-known/jwks.json"), "404 not_found");
});

Deno.test("signing_keys.renew signs nobody out, and the new key was published before", loose, async () => {
  const before = await people.enter(acme.slug, ida);
  const known = await published(acme);
  const { version } = ok(await people.app.ask("GET", "/v1/signing-key", { token: acme.admin })).body;
  const renewed = ok(await renew(acme.admin)).body;
  assert.equal(renewed.version, version + 1);
  assert.ok(Date.parse(renewed.previous_until) > Date.now() + 60 * 60_000);
  const after = await people.enter(acme.slug, ida);
  assert.equal(decodeProtectedHeader(after.access_token).kid, renewed.kid);
  assert.equal(await verifies(after.access_token, known), true);
  assert.equal(await verifies(before.access_token, await published(acme)), true);
  for (const process of [people.app, second]) {
    assert.equal(await people.works(before.access_token, process), true);
    assert.equal(await people.works(after.access_token, process), true);
  }
  const refreshed = ok(await people.refresh(acme.slug, before.refresh_token)).body;
  assert.equal(decodeProtectedHeader(refreshed.access_token).kid, renewed.kid);
});

Deno.test(
  "signing_keys.renew waits for the last renewal, unless earlier tokens are refused at once",
  loose,
  async () => {
    const held = await people.enter(acme.slug, ida);
    const keys = await published(acme);
    const answer = await renew(acme.admin);
    refused(answer, "409 conflict");
    assert.match(JSON.stringify(answer.body.fields), /at_once/);
    const renewed = ok(await renew(acme.admin, true)).body;
    assert.equal(renewed.previous_until, null);
    refused(await people.app.ask("GET", "/v1/auth/me", { token: held.access_token }), "401 token_expired");
    await soon(async () => !await people.works(held.access_token, second));
    const next = ok(await people.refresh(acme.slug, held.refresh_token)).body;
    assert.equal(await people.works(next.access_token), true);
    assert.equal(await people.works(next.access_token, second), true);
    const kept = (await published(acme)).keys.map(({ kid }) => kid);
    assert.ok(!kept.includes(decodeProtectedHeader(held.access_token).kid!));
    assert.equal(keys.keys.some(({ kid }) => kid === renewed.kid), true, "it was the next one");
  },
);

Deno.test("A renewal is one tenant's own", loose, async () => {
  const token = globex.admin;
  const { kid, version } = ok(await people.app.ask("GET", "/v1/signing-key", { token })).body;
  assert.equal(kid, `${globex.id}.${version}`);
  assert.equal(version, 1);
  assert.equal(await people.works(token), true);
});

Deno.test(
  "signing_keys.renew wants a right, is told to operators and stands in the tenant's audit",
  loose,
  async () => {
    const { access_token: token } = await people.enter(acme.slug, ida);
    refused(await renew(token), "403 forbidden");
    ok(await renew(globex.admin));
    refused(await renew(globex.admin), "409 conflict"); // and is told to nobody
    const [event] = await people.platform`select type, actor, data from platform.events
    where tenant_id = ${globex.id} and type = 'tenant.signing_key_renewed'`;
    assert.deepEqual(event.data, { version: 2, at_once: false });
    assert.match(event.actor, /^member:/);
    const entries = ok(await people.app.ask("GET", "/v1/audit?action=outside", { token: globex.admin })).body.items;
    assert.deepEqual(
      entries.map(({ resource, changes, operation }: Record<string, unknown>) => [resource, changes, operation]),
      [
        ["signing_key", { version: [1, 2], at_once: [null, false] }, "signing_keys.renew"],
      ],
    );
  },
);
