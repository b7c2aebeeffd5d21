// Refused access decisions in the audit: in that of the tenant that was asked, and where a token was used on another tenant, in
// both, neither of which learns anything of the other. A flood of refusals is no flood of entries.
import assert from "node:assert/strict";
import { Refusals, refusalsOf } from "../../src/tenancy/refusals.ts";
import { freshTenant, type TestTenant } from "../../src/testing/mod.ts";
import { testPlatform } from "../../src/testing/platform.ts";
import { bootApp } from "../support/app.ts";

const loose = { sanitizeOps: false, sanitizeResources: false };

interface Refused {
  actor: string;
  operation: string;
  resource: string;
  address: string | null;
  agent: string | null;
  changes: { reason: string; times: number };
}

/** The refusals in a tenant's audit, once all that is under way is written. */
async function refusals(tenant: TestTenant): Promise<Refused[]> {
  await refusalsOf((await testPlatform()).services).flush();
  const { items } = await (await tenant.fetch("/v1/audit?action=refused&sort=seq")).json();
  return items;
}

async function ask(tenant: TestTenant, path: string, status: number, init: Parameters<TestTenant["fetch"]>[1] = {}) {
  const response = await tenant.fetch(path, init);
  assert.equal(response.status, status, await response.text());
}

Deno.test("a request that is refused for its permission is entered with its actor", loose, async () => {
  const tenant = await freshTenant();
  const member = await tenant.member("member");
  await ask(tenant, "/v1/audit/export", 403, { role: "member", headers: { "user-agent": "prober/2" } });
  const [entry, ...more] = await refusals(tenant);
  assert.equal(more.length, 0);
  assert.equal(entry.actor, `member:${member.id}`);
  assert.equal(entry.operation, "audit.export");
  assert.equal(entry.resource, "GET /v1/audit/export");
  assert.equal(entry.agent, "prober/2");
  assert.deepEqual(entry.changes, { reason: "forbidden", times: 1 });
  const verified = await (await tenant.fetch("/v1/audit/verify")).json();
  assert.equal(verified.ok, true);
});

Deno.test("a request without a valid token that names a tenant is entered there, by nobody", loose, async () => {
  const tenant = await freshTenant();
  await ask(tenant, `/t/${tenant.slug}/v1/buildings`, 401, { role: null });
  await ask(tenant, "/v1/buildings", 401, {
    role: null,
    headers: { "x-tenant": tenant.slug, authorization: "Bearer nonsense.nonsense.nonsense" },
  });
  const entries = await refusals(tenant);
  assert.ok(entries.length >= 1);
  for (const entry of entries) {
    assert.equal(entry.actor, "-");
    assert.equal(entry.operation, "buildings.list");
    assert.match(entry.changes.reason, /^(unauthorized|invalid_token)$/);
  }
});

Deno.test(
  "a token used on another tenant is entered in both audits, which say nothing of each other",
  loose,
  async () => {
    const [thief, victim] = [await freshTenant(), await freshTenant()];
    await ask(thief, `/t/${victim.slug}/v1/buildings`, 403, { headers: { "user-agent": "prober/3" } });
    const [home] = await refusals(thief);
    const [attacked] = await refusals(victim);
    assert.equal(home.actor, `member:${thief.admin.id}`);
    assert.equal(attacked.actor, "-");
    assert.equal(attacked.agent, null);
    assert.deepEqual([home.changes.reason, attacked.changes.reason], ["tenant_mismatch", "tenant_mismatch"]);
    const foreign = (entry: Refused, other: TestTenant) =>
      [other.id, other.slug, other.admin.id].some((secret) => JSON.stringify(entry).includes(secret));
    assert.ok(!foreign(home, victim) && !foreign(attacked, thief));
  },
);

Deno.test("a flood of like refusals is two entries, and the second counts them", loose, async () => {
  const tenant = await freshTenant();
  for (let i = 0; i < 30; i++) await ask(tenant, `/t/${tenant.slug}/v1/renters`, 401, { role: null });
  const entries = await refusals(tenant);
  assert.deepEqual(entries.map(({ changes }) => changes.times), [1, 29]);
});

Deno.test("a process that stops enters what it has counted", loose, async () => {
  const app = await bootApp();
  try {
    const tenant = await app.tenant("refused-at-the-end");
    const second = await app.secondProcess();
    for (let i = 0; i < 3; i++) assert.equal((await second.ask("GET", `/t/${tenant.slug}/v1/renters`)).status, 401);
    await second.stop();
    const { body } = await app.ask("GET", "/v1/audit?action=refused&sort=seq", { token: tenant.admin });
    assert.deepEqual(body.items.map(({ changes }: Refused) => changes.times), [1, 2]);
  } finally {
    await app.stop();
  }
});

Deno.test("Refusals.record() survives a tenant that cannot be entered", loose, async () => {
  const tenant = await freshTenant();
  const { services } = await testPlatform();
  const record = (await services.directory.byId(tenant.id))!;
  const refusals = new Refusals(services);
  refusals.record({ ...record, id: crypto.randomUUID() }, {
    operation: "made.up",
    resource: "GET /",
    reason: "forbidden",
    requestId: "r",
  });
  await refusals.flush();
  refusals.record(record, { operation: "made.up", resource: "GET /", reason: "forbidden", requestId: "r" });
  await refusals.flush();
  const rows = await tenant.asTenant((tx) => tx`select seq from tenant.audit where action = 'refused'`);
  assert.equal(rows.length, 1);
});
