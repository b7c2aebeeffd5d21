// The whole platform with a transaction pooler between it and its server: rollouts, provisioning and the queue go past it,
// requests and jobs through it.
import assert from "node:assert/strict";
import { bootApp, type TestApp } from "../support/app.ts";
import { billed, importFile, madeMeter, sampleFile } from "../support/metering.ts";
import { type Pooler, poolerIsThere, startPooler } from "./pgbouncer.ts";

const loose = { sanitizeOps: false, sanitizeResources: false };

/** A tenant's life in short; gives the id of its building. */
async function live(app: TestApp, slug: string, tier: "shared" | "dedicated") {
  const tenant = await app.tenant(slug, tier);
  const body = { name: `Of ${slug}`, address: "1 King St", city: "Toronto", country: "CA" };
  const made = await app.ask("POST", "/v1/buildings", { token: tenant.admin, body });
  assert.equal(made.status, 201, JSON.stringify(made.body));
  const bad = await app.ask("POST", "/v1/buildings", { token: tenant.admin, body: { ...body, country: "nowhere" } });
  assert.equal(bad.status, 400);
  const listed = await app.ask("GET", "/v1/buildings", { token: tenant.admin });
  assert.deepEqual(listed.body.items.map((item: { name: string }) => item.name), [`Of ${slug}`]);
  return { token: tenant.admin, building: made.body.id as string };
}

/** The logins that the pooler has seen. */
function logins(pooler: Pooler): Set<string> {
  const found = [...pooler.log().matchAll(/login attempt: db=\S+ user=(\S+)/g)];
  return new Set(found.map(([, user]) => user.replace(/[0-9a-f]{32}$/, "…")));
}

if (poolerIsThere()) {
  const pooler = await startPooler();
  const app = await bootApp({ env: { POOLER_HOST: pooler.host, POOLER_PORT: String(pooler.port) } });
  Deno.test.afterAll(async () => {
    await app.stop();
    await pooler.stop();
  });

  Deno.test("the platform serves tenants of both tiers through a transaction pooler", loose, async () => {
    const shared = await live(app, "pooled-shared", "shared");
    const other = await live(app, "pooled-other", "shared");
    const dedicated = await live(app, "pooled-dedicated", "dedicated");
    for (const [mine, theirs] of [[shared, other], [other, shared], [shared, dedicated], [dedicated, shared]]) {
      const foreign = await app.ask("GET", `/v1/buildings/${theirs.building}`, { token: mine.token });
      assert.equal(foreign.status, 404);
    }
    const meter = await madeMeter(app, shared.token);
    const imported = await importFile(app, shared.token, meter.id, await sampleFile());
    assert.ok([200, 201].includes(imported.status), JSON.stringify(imported.body));
    const result = await billed(app, shared.token, { month: "2011-12", meter_id: meter.id });
    assert.equal(result.invoices, 1, JSON.stringify(result));
    const requests = Array.from({ length: 200 }, (_, i) => {
      const [who, name] = i % 2 ? [other, "Of pooled-other"] : [dedicated, "Of pooled-dedicated"];
      return app.ask("GET", "/v1/buildings", { token: who.token }).then(({ status, body }) => {
        assert.equal(status, 200);
        assert.deepEqual(body.items.map((item: { name: string }) => item.name), [name]);
      });
    });
    await Promise.all(requests);
    assert.ok(!app.lines.some((line) => line.includes('"alarm"')), "There were alarms");
  });

  Deno.test("Servers send only run-time logins through the pooler", loose, () => {
    assert.deepEqual([...logins(pooler)].sort(), ["bh_l_…", "bulkhead_platform", "bulkhead_tenant"]);
    const { servers } = app.services;
    for (const target of [servers.queue(), servers.migrator("x"), servers.admin("x")]) {
      assert.deepEqual([target.pooler, target.port], [undefined, servers.settings.port]);
    }
  });
}
