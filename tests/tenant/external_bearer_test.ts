// Bearer tokens of an issuer that a tenant trusts: signed by a real provider's keys, mapped to members, refused in every other
// tenant and in every bent form, and bound to what the member may do at this moment.
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { createHmac, createPublicKey } from "node:crypto";
import { readOperations } from "../../src/prove/operations.ts";
import { startOidcProvider } from "../support/oidc_provider.ts";
import { addPerson, asSystem } from "../support/people.ts";
import { ok, refused } from "./auth_people.ts";
import { Outside } from "./external_people.ts";

const outside = await Outside.boot("bearer");
const { app, provider, tenant, other } = outside;
const second = await app.secondProcess({ listen: false });
Deno.test.afterAll(async () => {
  await second.stop();
  await outside.end();
});

const loose = { sanitizeOps: false, sanitizeResources: false };
const row = await outside.trust(tenant, {
  algorithms: ["RS256", "ES256"],
  email_domains: ["corp.test"],
  joins: true,
  claims: { role: "app.role", tenant: "org" },
  roles: ["manager"],
});

const claimsOf = (sub: string, more: Record<string, unknown> = {}) => ({
  sub,
  email: `${sub}@corp.test`,
  email_verified: true,
  given_name: "Given",
  family_name: sub,
  org: tenant.slug,
  ...more,
});
const tokenOf = (sub: string, more: Record<string, unknown> = {}) =>
  provider.issueToken({ claims: claimsOf(sub, more) });
const memberOf = async (token: string) => ok(await outside.me(tenant, token)).body.member;

Deno.test(
  "a token makes its person a member with the mapped names and role, once, whichever algorithm signed it",
  loose,
  async () => {
    const wanted = { app: { role: ["boss", "manager"] } };
    const token = await tokenOf("mia", wanted);
    const parallel = await Promise.all([1, 2, 3, 4, 5].map((i) => outside.me(tenant, i % 2 ? token : token)));
    parallel.forEach((answer) => ok(answer));
    const member = await memberOf(token);
    assert.deepEqual([member.first_name, member.last_name, member.role], ["Given", "mia", "manager"]);
    const es256 = await provider.issueToken({ alg: "ES256", claims: claimsOf("mia", wanted) });
    assert.equal((await memberOf(es256)).id, member.id);
    assert.equal((await outside.members(tenant, "mia@corp.test")).length, 1);
    // A role that is not in the list is nobody's to give.
    assert.equal((await memberOf(await tokenOf("max", { app: { role: "admin" } }))).role, "member");
    const list = await app.ask("GET", "/v1/buildings", { token, headers: { "x-tenant": tenant.id } });
    ok(list);
    ok(await app.ask("GET", `/t/${tenant.slug}/v1/buildings`, { token }));
  },
);

Deno.test("who was removed does not join again, by whatever subject, until somebody asks for it", loose, async () => {
  const body = { first_name: "Zoe", last_name: "Corp", email: "Zoe@corp.test" };
  const { id } = ok(await app.ask("POST", "/v1/members", { token: tenant.admin, body }), 201).body;
  ok(await app.ask("DELETE", `/v1/members/${id}`, { token: tenant.admin }), 204);
  refused(await outside.me(tenant, await tokenOf("zoe")), "403 forbidden");
  refused(await outside.me(tenant, await tokenOf("zoe-2", { email: "ZOE@corp.test" })), "403 forbidden");
  assert.deepEqual(await outside.members(tenant, "zoe@corp.test"), []);
  ok(await app.ask("POST", "/v1/members", { token: tenant.admin, body }), 201);
  ok(await outside.me(tenant, await tokenOf("zoe")));
});

Deno.test("a token counts only where its issuer is trusted, and the refusal is recorded there", loose, async () => {
  const token = await tokenOf("mia");
  refused(await outside.me(other, token), "401 unauthorized");
  const entry = await app.until("the refusal in the audit", async () => {
    const { body } = await app.ask("GET", "/v1/audit?action=refused&limit=50", { token: other.admin });
    return body.items?.find((one: { changes: unknown }) => JSON.stringify(one).includes("auth.me"));
  });
  assert.ok(!JSON.stringify(entry).includes(tenant.id));
  refused(await outside.me(null, token), "400 tenant_required");
  refused(await app.ask("GET", "/v1/tenants", { token }), "403 forbidden");
  // The other tenant trusts the same issuer: the person is somebody of its own there, or nobody.
  const theirs = await outside.trust(other, {});
  refused(await outside.me(other, token), "403 forbidden");
  await outside.change(other, theirs.id, { joins: true });
  const there = ok(await outside.me(other, token)).body.member;
  assert.notEqual(there.id, (await memberOf(token)).id);
  ok(await app.ask("DELETE", `/v1/identity-providers/${theirs.id}`, { token: other.admin }), 204);
  refused(await outside.me(other, token), "401 unauthorized");
});

const base64 = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");

Deno.test("bent tokens are refused with 401 and never with a fault of ours", loose, async () => {
  const good = await tokenOf("mia");
  const [head, body, signature] = good.split(".");
  const { kid } = JSON.parse(Buffer.from(head, "base64url").toString());
  const claims = JSON.parse(Buffer.from(body, "base64url").toString());
  const jwk = provider.publicKeys().find((key) => key.kid === kid)!;
  const pem = createPublicKey({ key: jwk as never, format: "jwk" }).export({ type: "spki", format: "pem" })
    .toString();
  const hs256 = (key: string) => {
    const signed = `${base64({ alg: "HS256", typ: "JWT", kid })}.${body}`;
    return `${signed}.${createHmac("sha256", key).update(signed).digest("base64url")}`;
  };
  const sign = (more: Parameters<typeof provider.issueToken>[0]) =>
    provider.issueToken({ ...more, claims: claimsOf("mia", more?.claims) });
  const bent: Record<string, [string, string]> = {
    "signed with the public key": [hs256(pem), "401 unauthorized"],
    "signed with the key's modulus": [hs256(jwk.n!), "401 unauthorized"],
    "not signed": [`${base64({ alg: "none", typ: "JWT" })}.${body}.`, "401 unauthorized"],
    "not signed, with a signature": [`${base64({ alg: "none", kid })}.${body}.${signature}`, "401 unauthorized"],
    "somebody else's claims": [`${head}.${base64({ ...claims, sub: "max" })}.${signature}`, "401 unauthorized"],
    "cut": [good.slice(0, -4), "401 unauthorized"],
    "expired": [await sign({ expiresIn: -60 }), "401 token_expired"],
    "not yet good": [await sign({ claims: { nbf: Math.floor(Date.now() / 1000) + 600 } }), "401 unauthorized"],
    "another audience": [await sign({ claims: { aud: "elsewhere" } }), "401 unauthorized"],
    "no audience": [await sign({ claims: { aud: undefined } }), "401 unauthorized"],
    "another issuer": [await sign({ claims: { iss: `${provider.issuer}/` } }), "401 unauthorized"],
    "an unknown key": [await sign({ header: { kid: "unknown" } }), "401 unauthorized"],
    "a key of its own": [await sign({ header: { jku: "https://evil.test/keys", jwk: jwk as never } }), "200 undefined"],
    "another type": [await sign({ header: { typ: "logout+jwt" } }), "401 unauthorized"],
    "an algorithm that is not ours": [await sign({ alg: "EdDSA" }), "401 unauthorized"],
    "no subject": [await sign({ claims: { sub: undefined } }), "401 unauthorized"],
    "a subject that is no text": [await sign({ claims: { sub: 7 as never } }), "401 unauthorized"],
    "no such text": [await sign({ claims: { sub: "x".repeat(256) } }), "401 unauthorized"],
    "a subject with a zero byte": [
      await sign({ claims: { sub: "a\u0000b", email: "zero@corp.test" } }),
      "400 invalid_value",
    ],
    "another tenant's": [await sign({ claims: { org: other.slug } }), "403 forbidden"],
    "no tenant's": [await sign({ claims: { org: undefined } }), "403 forbidden"],
    "a list as tenant": [await sign({ claims: { org: [tenant.slug] } }), "403 forbidden"],
    "an address that is none": [await sign({ claims: { sub: "odd", email: "x y@corp.test\n" } }), "403 forbidden"],
    "an address that is not verified": [await sign({ claims: { sub: "un", email_verified: false } }), "403 forbidden"],
  };
  for (const [name, [token, expected]] of Object.entries(bent)) {
    const answer = await outside.me(tenant, token);
    assert.equal(`${answer.status} ${answer.body.code}`, expected, `${name}: ${JSON.stringify(answer.body)}`);
  }
  ok(await outside.me(tenant, good));
  assert.ok(app.lines.every((line) => !line.includes(good)));
});

Deno.test("what the member may do holds at the next request with the same token, in every process", loose, async () => {
  const token = await tokenOf("nina", { app: { role: "manager" } });
  const { id } = await memberOf(token);
  const create = (at: Pick<typeof app, "ask">, key: string) => {
    const body = { name: `House ${key}`, address: "1 Main St", city: "Toronto", country: "CA" };
    return at.ask("POST", "/v1/buildings", { token, tenant: tenant.slug, body });
  };
  const before = await create(second, "before");
  assert.ok(![401, 403].includes(before.status), JSON.stringify(before.body));
  const change = (body: unknown) => app.ask("PATCH", `/v1/members/${id}`, { token: tenant.admin, body });
  ok(await change({ role: "member" }));
  for (const at of [second, app]) refused(await create(at, "after"), "403 forbidden");
  ok(await change({ status: "suspended" }));
  for (const at of [second, app]) {
    const answer = await at.ask("GET", "/v1/auth/me", { token, tenant: tenant.slug });
    assert.ok(["401 unauthorized", "403 forbidden"].includes(`${answer.status} ${answer.body.code}`));
  }
  ok(await change({ status: "active" }));
  ok(await app.ask("DELETE", `/v1/members/${id}`, { token: tenant.admin }), 204);
  for (const at of [second, app]) {
    const answer = await at.ask("GET", "/v1/auth/me", { token, tenant: tenant.slug });
    assert.ok(["401 unauthorized", "403 forbidden"].includes(`${answer.status} ${answer.body.code}`));
  }
});

Deno.test(
  "a provider that is turned off, or wants another audience, is out at once for who was let in, in every process",
  loose,
  async () => {
    const token = await tokenOf("mia");
    const ask = (at: Pick<typeof app, "ask">) => at.ask("GET", "/v1/auth/me", { token, tenant: tenant.slug });
    for (const at of [app, second]) ok(await ask(at));
    await outside.change(tenant, row.id, { enabled: false });
    for (const at of [second, app]) refused(await ask(at), "401 unauthorized");
    await outside.change(tenant, row.id, { enabled: true });
    ok(await ask(app));
  },
);

Deno.test("an issuer that cannot be reached is told as such, and as nothing else", loose, async () => {
  const gone = await startOidcProvider({ clients: [], accounts: [] });
  const token = await gone.issueToken({ claims: claimsOf("mia") });
  await gone.stop();
  await outside.trust(tenant, { issuer: gone.issuer, client_id: null, client_secret: null });
  const answer = refused(await outside.me(tenant, token), "503 issuer_unavailable");
  assert.ok(Number(answer.headers.get("retry-after")) > 0);
  assert.ok(!JSON.stringify(answer.body).includes("ECONN"));
});

Deno.test("where a second factor is wanted, a token must say that one was shown", loose, async () => {
  const want = (wanted: boolean) =>
    asSystem(
      app.services,
      tenant.id,
      (tx) =>
        tx`insert into tenant.access_settings (mfa_required) values (${wanted})
        on conflict (tenant_id) do update set mfa_required = ${wanted}`,
    );
  await want(true);
  try {
    refused(await outside.me(tenant, await tokenOf("una")), "403 mfa_required");
    refused(await outside.me(tenant, await tokenOf("una", { amr: "mfa", aal: "aal1" })), "403 mfa_required");
    for (const shown of [{ amr: ["pwd", "mfa"] }, { aal: "aal2" }]) {
      ok(await outside.me(tenant, await tokenOf("una", shown)));
    }
  } finally {
    await want(false);
  }
});

Deno.test("a token of an external issuer opens no sessions and no other tenants", loose, async () => {
  const token = await tokenOf("mia");
  const at = { token, tenant: tenant.slug };
  refused(await app.ask("GET", "/v1/auth/tenants", at), "403 forbidden");
  refused(await app.ask("POST", "/v1/auth/switch", { ...at, body: { tenant: other.slug } }), "403 forbidden");
  const password = { current_password: "whatever it is", new_password: "another whatever it is" };
  refused(await app.ask("POST", "/v1/auth/change-password", { ...at, body: password }), "403 forbidden");
  ok(await app.ask("POST", "/v1/auth/logout", at), 204);
  const person = await addPerson(app, tenant, "member");
  // Two tokens in one request are one too many.
  const both = await app.ask("GET", "/v1/auth/me", { ...at, headers: { "x-api-key": person.token } });
  refused(both, "400 invalid_request");
});

Deno.test("no operation answers a token of an external issuer with a fault of ours", loose, async () => {
  const token = await tokenOf("zoe", { app: { role: "manager" } });
  await memberOf(token);
  const operations = readOperations((await app.ask("GET", "/openapi.json")).body).filter(({ inTenant }) => inTenant);
  assert.ok(operations.length > 50);
  for (const { id, method, path, query, body } of operations) {
    const where = path.replaceAll(/\{\w+\}/g, () => crypto.randomUUID()) + query;
    const asking = body && (body.type === "application/json" ? { body: body.value } : { raw: String(body.value) });
    const headers: Record<string, string> = { "x-tenant": tenant.slug };
    if (body && body.type !== "application/json") headers["content-type"] = body.type;
    const answer = await app.ask(method, where, { token, headers, ...asking });
    assert.ok(answer.status < 500, `${id}: ${JSON.stringify(answer.body)}`);
  }
});
