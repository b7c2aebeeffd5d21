// The API as a stranger's program sees it, from outside: the same story in each of the three tiers, the control plane, and
// the documentation. One platform serves them all at once.
import assert from "node:assert/strict";
import { join } from "node:path";
import postgres from "postgres";
import { billing } from "./billing.ts";
import { Client } from "./client.ts";
import { checkDocument } from "./openapi.ts";
import { type Platform, removeHome, start, temporaryHome } from "./platform.ts";
import { records } from "./records.ts";
import { signingIn } from "./signing_in.ts";
import { application, becomeTenant, signInOperator, type Tenant } from "./tenants.ts";

const loose = { sanitizeOps: false, sanitizeResources: false };
const home = temporaryHome();
const tenants: Tenant[] = [];
let platform: Platform;
let client: Client;

Deno.test.beforeAll(async () => {
  // One address signs in more often here than people do.
  platform = await start(home, ["dev"], { LIMIT_STRICT_PER_MINUTE: "1000", LIMIT_ANONYMOUS_PER_MINUTE: "10000" });
  client = new Client(platform.run.url);
});
Deno.test.afterAll(async () => {
  const { code, stderr } = await platform.stop();
  await removeHome(home);
  assert.equal(code, 0, stderr);
});

for (const tier of ["shared", "dedicated", "byo"]) {
  Deno.test(`a ${tier} tenant goes from application to invoice`, loose, async (t) => {
    let tenant!: Tenant;
    await t.step("it applies, is approved and provisioned, its administrator signs in", async () => {
      tenant = await becomeTenant(client, platform.run, `story-${tier}`, tier);
      tenants.push(tenant);
      const token = await signInOperator(client, platform.run);
      const shown = await client.expect(200, "GET", `/v1/tenants/${tenant.id}`, { token });
      assert.deepEqual([shown.slug, shown.status, shown.tier, shown.placement.kind], [
        tenant.slug,
        "active",
        tier,
        tier,
      ]);
      const { items } = await client.expect(200, "GET", `/v1/tenants?search=story-${tier}`, { token });
      assert.deepEqual(items.map((item: { id: string }) => item.id), [tenant.id]);
    });
    await signingIn(t, client, tenant);
    const made = await records(t, client, tenant);
    await billing(t, client, tenant, made["/v1/properties"].id);
  });
}

Deno.test("tenants see nothing of each other by id, header, path or host", loose, async () => {
  const lists = ["members", "buildings", "properties", "renters", "meters", "invoices", "reports", "jobs"];
  for (const mine of tenants) {
    for (const theirs of tenants) {
      if (mine === theirs) continue;
      const { token } = mine;
      await client.refused(403, "tenant_mismatch", "GET", "/v1/buildings", { token, tenant: theirs.slug });
      await client.refused(403, "tenant_mismatch", "GET", "/v1/buildings", { token, tenant: theirs.id });
      await client.refused(403, "tenant_mismatch", "GET", `/t/${theirs.slug}/v1/buildings`, { token });
      for (const list of lists) {
        const { items: [row] } = await client.expect(200, "GET", `/v1/${list}?limit=1`, { token: theirs.token });
        await client.refused(404, "not_found", "GET", `/v1/${list}/${row.id}`, { token });
      }
    }
  }
  assert.equal(tenants.length, 3);
});

Deno.test("an application keeps its slug from others until it is rejected", loose, async () => {
  const token = await signInOperator(client, platform.run);
  const submit = (slug: string) => ({ body: application(slug, "shared") });
  const refused = (code: string, slug: string) => client.refused(409, code, "POST", "/v1/applications", submit(slug));
  const { id } = await client.expect(201, "POST", "/v1/applications", submit("contested"));
  await refused("slug_taken", "contested");
  await refused("slug_taken", "ConTested");
  await refused("slug_taken", "STORY-shared");
  await refused("slug_reserved", "Admin");
  for (const slug of ["a", "-a", "a-", "a b", "ünï", "xn--abc", "a".repeat(64), crypto.randomUUID(), ""]) {
    await client.refused(400, "invalid_request", "POST", "/v1/applications", submit(slug));
  }
  const path = `/v1/applications/${id}`;
  await client.refused(400, "invalid_request", "POST", `${path}/reject`, { token, body: {} });
  const rejected = await client.expect(200, "POST", `${path}/reject`, { token, body: { notes: "Not this time" } });
  assert.deepEqual([rejected.status, rejected.review_notes], ["rejected", "Not this time"]);
  await client.refused(409, "invalid_state", "POST", `${path}/approve`, { token, body: { tier: "shared" } });
  await client.refused(409, "invalid_state", "POST", `${path}/reject`, { token, body: { notes: "Again" } });
  const second = await client.expect(201, "POST", "/v1/applications", submit("CONTESTED"));
  assert.equal(second.slug, "contested");
  await refused("slug_taken", "contested");
  const events = await client.walk(`/v1/events?application_id=${id}`, token, 1);
  assert.deepEqual(events.rows.map((event) => event.type), ["application.rejected", "application.submitted"]);
});

Deno.test("operators and members cannot take each other's place", loose, async () => {
  const operator = await signInOperator(client, platform.run);
  const [{ token, slug }] = tenants;
  await client.refused(403, "forbidden", "GET", "/v1/tenants", { token });
  await client.refused(403, "forbidden", "GET", "/v1/buildings", { token: operator, tenant: slug });
  for (const path of ["/v1/applications", "/v1/tenants", "/v1/events", `/t/${slug}/v1/buildings`]) {
    await client.refused(401, "unauthorized", "GET", path);
  }
  const body = { email: platform.run.operator.email, password: "not the operator's password" };
  await client.refused(401, "invalid_credentials", "POST", "/v1/operators/login", { body });
});

Deno.test("with DATABASE_URL that server is used, and no embedded one is started for it", loose, async () => {
  const { databases } = platform.run;
  const outside = new URL(databases.admin);
  const sql = postgres(outside.href, { max: 1 });
  await sql`create database outside`;
  await sql.end();
  outside.pathname = "/outside";
  // The logins of a server are one platform's: who shares the server shares the key that their passwords come from.
  const { master_key } = JSON.parse(Deno.readTextFileSync(join(home, "secrets.json")));
  const elsewhere = temporaryHome();
  const env = { DATABASE_URL: outside.href, BULKHEAD_MASTER_KEY: master_key };
  const second = await start(elsewhere, ["dev"], env);
  const at = (url: string) => `${new URL(url).host}${new URL(url).pathname}`;
  assert.equal(at(second.run.databases.platform), `${outside.host}/outside`);
  assert.equal(at(second.run.databases.tenant), `${outside.host}/outside_shared`);
  assert.throws(() => Deno.statSync(join(elsewhere, "postgres", "main")), Deno.errors.NotFound);
  await becomeTenant(new Client(second.run.url), second.run, "outsider", "dedicated");
  const { items } = await client.expect(200, "GET", "/v1/tenants?search=outsider", {
    token: await signInOperator(client, platform.run),
  });
  assert.deepEqual(items, []);
  const { code, stderr } = await second.stop();
  assert.equal(code, 0, stderr);
  await client.expect(200, "GET", "/ready");
  await removeHome(elsewhere);
});

Deno.test("/openapi.json is a valid OpenAPI 3.1 document with every operation that was promised", loose, async () => {
  checkDocument(await client.expect(200, "GET", "/openapi.json"));
});

Deno.test("/docs needs nothing from elsewhere", loose, async () => {
  const page = await client.ask("GET", "/docs");
  assert.equal(page.status, 200);
  assert.doesNotMatch(page.text, /(?:src|href)="(?:https?:)?\/\//);
  assert.match(page.headers.get("content-security-policy") ?? "", /default-src 'none'/);
  const assets = [...page.text.matchAll(/(?:src|href)="((?!data:)[^"]+)"/g)].map((match) => match[1]);
  assert.ok(assets.length >= 2);
  for (const asset of assets) {
    const { status, text } = await client.ask("GET", asset);
    assert.equal(status, 200, asset);
    assert.ok(text.length > 50, asset);
    assert.doesNotMatch(text, /@import\s+url\(\s*["']?https?:/);
  }
});
