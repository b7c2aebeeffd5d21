// What a program with an API key may do: its scopes and no more, nothing that is for people, nothing in another tenant's name;
// and that what it does is told in its name.
import assert from "node:assert/strict";
import type { TestProcess } from "../support/app.ts";
import { billed, importFile, madeMeter, sampleFile } from "../support/metering.ts";
import { sendValid, tenantOperations } from "../support/operations.ts";
import { addPerson } from "../support/people.ts";
import { adminSql } from "../support/postgres.ts";
import { BUILDING, byHeader, Keyed, LOOK, loose, refused } from "./keyed.ts";

let keyed: Keyed;
let { app, other, tenant, foreign, make, list } = {} as Keyed;
Deno.test.beforeAll(async () => {
  keyed = await Keyed.boot();
  ({ app, other, tenant, foreign, make, list } = keyed);
});
Deno.test.afterAll(() => keyed.end());

Deno.test(
  "a key does what its scopes say and no more, and a change of them holds at its next request",
  loose,
  async () => {
    const { id, key } = await make();
    const create = (at: TestProcess = app) =>
      at.ask("POST", "/v1/buildings", { headers: byHeader(key), body: BUILDING });
    refused(await create(), "403 forbidden");
    refused(await create(other), "403 forbidden");
    const change = (permissions: unknown) =>
      app.ask("PATCH", `/v1/api-keys/${id}`, { token: tenant.admin, body: { permissions } });
    assert.equal((await change({ buildings: ["view", "create"] })).status, 200);
    for (const at of [other, app]) assert.equal((await create(at)).status, 201);
    assert.equal((await change({ renters: ["view"] })).status, 200);
    for (const at of [app, other]) {
      refused(await create(at), "403 forbidden");
      refused(await list(byHeader(key), at), "403 forbidden");
    }
    refused(await change({ castles: ["view"] }), "400 invalid_request");
  },
);

Deno.test(
  "nobody gives a key more than they hold, nor changes, extends or rotates one that holds more",
  loose,
  async () => {
    const role = { key: "key_maker", name: "Makes keys", permissions: { api_keys: ["*"], buildings: ["view"] } };
    assert.equal((await app.ask("POST", "/v1/roles", { token: tenant.admin, body: role })).status, 201);
    const { token } = await addPerson(app, tenant, "key_maker");
    const create = (permissions: unknown) =>
      app.ask("POST", "/v1/api-keys", { token, body: { name: "Mine", permissions } });
    for (const more of [{ "*": ["*"] }, { buildings: ["*"] }, { buildings: ["view", "edit"] }, { renters: ["view"] }]) {
      refused(await create(more), "403 forbidden");
    }
    const mine = await create(LOOK);
    assert.equal(mine.status, 201, JSON.stringify(mine.body));
    refused(
      await app.ask("PATCH", `/v1/api-keys/${mine.body.id}`, { token, body: { permissions: { renters: ["view"] } } }),
      "403 forbidden",
    );
    const { id } = await make({ permissions: { buildings: ["*"] } });
    for (const body of [{ expires_at: null }, { name: "Ours" }, { permissions: LOOK }]) {
      refused(await app.ask("PATCH", `/v1/api-keys/${id}`, { token, body }), "403 forbidden");
    }
    refused(await app.ask("POST", `/v1/api-keys/${id}/rotate`, { token, body: {} }), "403 forbidden");
    assert.equal(
      (await app.ask("DELETE", `/v1/api-keys/${id}`, { token })).status,
      204,
      "to take away is always allowed",
    );
  },
);

/** A key of every permission that this process knows and that was revoked since. */
async function endedKey(): Promise<string> {
  const { id, key } = await make({ permissions: { "*": ["*"] } });
  assert.equal((await list(byHeader(key))).status, 200);
  assert.equal((await app.ask("DELETE", `/v1/api-keys/${id}`, { token: tenant.admin })).status, 204);
  return key;
}

Deno.test("a key holds only what is in its scopes, over all operations of the document", loose, async (t) => {
  const { key: none } = await make({ permissions: {} });
  const operations = await tenantOperations(app);
  assert.ok(operations.length > 50);
  for (const operation of operations) {
    await t.step(operation.id, async () => {
      refused(await sendValid(app, operation, byHeader(none)), "403 forbidden");
      refused(await sendValid(app, operation, byHeader(await endedKey())), "401 unauthorized");
    });
  }
});

Deno.test("a key of every permission calls nothing that is for people", loose, async () => {
  const { key } = await make({ permissions: { "*": ["*"] } });
  const forPeople: [string, string, unknown?][] = [
    ["GET", "/v1/auth/me"],
    ["POST", "/v1/auth/logout"],
    ["GET", "/v1/auth/tenants"],
    ["GET", "/v1/auth/sessions"],
    ["GET", "/v1/auth/factors"],
    ["POST", "/v1/auth/switch", { tenant: foreign.slug }],
    ["POST", "/v1/auth/change-password", { current_password: "a", new_password: "b" }],
    ["POST", "/v1/api-keys", { name: "Child", permissions: LOOK }],
    ["POST", "/v1/visits/leave"],
  ];
  for (const [method, path, body] of forPeople) {
    refused(await app.ask(method, path, { headers: byHeader(key), body }), "403 forbidden");
  }
  const { body } = await app.ask("GET", "/v1/api-keys?limit=1", { headers: byHeader(key) });
  const [{ id }] = body.items;
  const change = { headers: byHeader(key), body: { name: "Other" } };
  refused(await app.ask("PATCH", `/v1/api-keys/${id}`, change), "403 forbidden");
  refused(await app.ask("POST", `/v1/api-keys/${id}/rotate`, { headers: byHeader(key), body: {} }), "403 forbidden");
  refused(await app.ask("GET", "/v1/tenants", { headers: byHeader(key) }), "403 forbidden");
});

Deno.test("a placement that gives its own key another tenant's id gives that one nothing", loose, async () => {
  const { id, key } = await make();
  const mine = await make({ permissions: { "*": ["*"] } }, foreign.admin);
  const sql = await adminSql(app.services.servers.settings.sharedDatabase);
  const bump = async (tenantId: string) =>
    void await sql`update tenant.api_keys set access_version = 2 where tenant_id = ${tenantId} and id = ${id}`;
  await sql`update tenant.api_keys set id = ${id} where tenant_id = ${foreign.id} and id = ${mine.id}`;
  assert.equal((await list(byHeader(mine.key))).status, 200);
  await bump(foreign.id);
  assert.equal((await list(byHeader(mine.key))).status, 200, "read anew, with every permission");
  refused(await list(byHeader(key), app, "/v1/buildings?limit=0"), "400 invalid_request"); // known from here on
  await bump(tenant.id);
  refused(await app.ask("POST", "/v1/buildings", { headers: byHeader(key), body: BUILDING }), "403 forbidden");
  await sql.end();
});

Deno.test("a program with a key creates, imports, bills and reports, and the audit names the key", loose, async () => {
  const { id, key } = await make({ permissions: { "*": ["*"] } });
  const meter = await madeMeter(app, key);
  const imported = await importFile(app, key, meter.id, await sampleFile());
  assert.equal(imported.status, 200, JSON.stringify(imported.body));
  const result = await billed(app, key, { month: "2011-12", meter_id: meter.id });
  assert.ok(result);
  const report = await app.ask("POST", "/v1/reports", {
    headers: { ...byHeader(key), "idempotency-key": "once" },
    body: { kind: "usage", month: "2011-12" },
  });
  assert.ok(report.status === 201 || report.status === 202, JSON.stringify(report.body));
  assert.equal((await app.job(key, report.body.job_id)).status, "succeeded");
  const again = await app.ask("POST", "/v1/reports", {
    headers: { ...byHeader(key), "idempotency-key": "once" },
    body: { kind: "usage", month: "2011-12" },
  });
  assert.equal(again.headers.get("idempotent-replayed"), "true");
  const { body } = await app.ask("GET", `/v1/audit?actor=key:${id}&limit=200`, { token: tenant.admin });
  const operations = new Set(body.items.map((entry: { operation: string }) => entry.operation));
  for (const one of ["buildings.create", "meters.create", "readings.import"]) assert.ok(operations.has(one), one);
  const jobs = body.items.filter((entry: { operation: string }) => entry.operation === "jobs.run");
  const written = new Set(jobs.map((entry: { resource: string }) => entry.resource));
  for (const one of ["invoices", "invoice_items", "report_files"]) {
    assert.ok(written.has(one), `${one}: ${[...written]}`);
  }
});
