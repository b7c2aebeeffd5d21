// Operators' API keys: for the platform only, never more than their operator, gone at the next request in every process when
// they are revoked or their operator is disabled.
import assert from "node:assert/strict";
import { type Answer, bootApp, type TestApp, type TestProcess, type TestTenant } from "../support/app.ts";
import { addOperator, signInOperator, type TestOperator } from "../support/operators.ts";
import { tenantOperations } from "../support/operations.ts";
import { adminSql } from "../support/postgres.ts";
import { sendValid } from "../support/operations.ts";

const loose = { sanitizeOps: false, sanitizeResources: false };
let app: TestApp;
let other: TestProcess;
let tenant: TestTenant;
let support: TestOperator;
Deno.test.beforeAll(async () => {
  app = await bootApp();
  other = await app.secondProcess();
  tenant = await app.tenant("op-keys");
  support = await addOperator(app, "support");
});
Deno.test.afterAll(async () => {
  await other.stop();
  await app.stop();
});

interface Made {
  id: string;
  key: string;
  role: string;
  [field: string]: unknown;
}

async function make(token: string, body: Record<string, unknown> = {}): Promise<Made> {
  const answer = await app.ask("POST", "/v1/operator-keys", { token, body: { name: "Test", ...body } });
  assert.equal(answer.status, 201, JSON.stringify(answer.body));
  return answer.body;
}

const shown = (key: string) => ({ "x-api-key": key });
const tenants = (key: string, at: TestProcess = app) => at.ask("GET", "/v1/tenants", { headers: shown(key) });

function refused(answer: Answer, expected: string): void {
  assert.equal(`${answer.status} ${answer.body?.code}`, expected, JSON.stringify(answer.body));
}

Deno.test("an operator's key opens the platform in both headers, as its operator", loose, async () => {
  const { key, id } = await make(support.token);
  for (const headers of [shown(key), { authorization: `Bearer ${key}` }]) {
    const { status, body } = await app.ask("GET", "/v1/operators/me", { headers });
    assert.deepEqual([status, body.id], [200, support.id]);
  }
  const answer = await app.ask("GET", "/v1/tenants", {
    headers: { ...shown(key), authorization: `Bearer ${support.token}` },
  });
  refused(answer, "400 invalid_request");
  refused(await tenants(`${key.slice(0, -1)}${key.endsWith("x") ? "y" : "x"}`), "401 unauthorized");
  const used = await app.until("the use to be noted", async () => {
    const { body } = await app.ask("GET", "/v1/operator-keys", { token: support.token });
    assert.ok(!JSON.stringify(body).includes(key));
    return body.items.find((one: Made) => one.id === id).last_used_at;
  });
  assert.ok(used);
});

Deno.test("an operator's key opens no tenant: every operation there refuses it", loose, async (t) => {
  const { key } = await make(await app.operator());
  for (const operation of await tenantOperations(app)) {
    await t.step(operation.id, async () => {
      const answer = await sendValid(app, operation, { ...shown(key), "x-tenant": tenant.slug });
      refused(answer, "403 forbidden");
      assert.match(answer.body.detail, /keys of the tenant/);
    });
  }
});

Deno.test("a key has no role above its operator's, and calls nothing that is for people", loose, async () => {
  for (const role of ["superadmin", "auditor", "billing"]) {
    const answer = await app.ask("POST", "/v1/operator-keys", { token: support.token, body: { name: "More", role } });
    refused(answer, "403 forbidden");
  }
  assert.equal((await make(support.token, { role: "support" })).role, "support");
  const { key } = await make(await app.operator(), { role: "billing" });
  assert.equal((await tenants(key)).status, 200);
  refused(await app.ask("GET", "/v1/events", { headers: shown(key) }), "403 forbidden");
  const { key: powerful } = await make(await app.operator());
  const visit = { reason: "A program wants to look", minutes: 5 };
  const id = crypto.randomUUID();
  const forPeople: [string, string, unknown][] = [
    ["POST", `/v1/tenants/${tenant.id}/impersonations`, visit],
    ["POST", "/v1/operator-keys", { name: "Child" }],
    ["POST", `/v1/operator-keys/${id}/rotate`, {}],
    ["POST", "/v1/operators", { email: "x@x.test", first_name: "X", last_name: "Y", role: "support" }],
    ["PATCH", `/v1/operators/${support.id}`, { role: "superadmin" }],
    ["POST", "/v1/operators/change-password", { current_password: "a", new_password: "b" }],
  ];
  for (const [method, path, body] of forPeople) {
    refused(await app.ask(method, path, { headers: shown(powerful), body }), "403 forbidden");
  }
});

Deno.test("a revoked or expired key stops at its next request, also in a process that knows it", loose, async () => {
  const sql = await adminSql(app.services.servers.settings.platformDatabase);
  const [revoked, expired] = [await make(support.token), await make(support.token)];
  for (const at of [app, other]) {
    for (const { key } of [revoked, expired]) assert.equal((await tenants(key, at)).status, 200);
  }
  const revoke = (id: string, token: string) => app.ask("DELETE", `/v1/operator-keys/${id}`, { token });
  assert.equal((await revoke(revoked.id, support.token)).status, 204);
  await sql`update platform.operator_keys set expires_at = now() - interval '1 s' where id = ${expired.id}`;
  for (const at of [other, app, other]) {
    for (const { key } of [revoked, expired]) refused(await tenants(key, at), "401 unauthorized");
  }
  await sql.end();
});

Deno.test("nobody sees, rotates or revokes another's key, but superadmins revoke all", loose, async () => {
  const superadmin = await app.operator();
  const auditor = await addOperator(app, "auditor");
  const [mine, theirs] = [await make(support.token), await make(auditor.token)];
  const ids = async (token: string, query = "") =>
    (await app.ask("GET", `/v1/operator-keys?limit=200${query}`, { token })).body.items.map(({ id }: Made) => id);
  assert.ok((await ids(support.token)).includes(mine.id) && !(await ids(support.token)).includes(theirs.id));
  assert.ok(!(await ids(support.token, `&operator_id=${auditor.id}`)).includes(theirs.id));
  for (const token of [superadmin, auditor.token]) {
    const seen = await ids(token);
    assert.ok(seen.includes(mine.id) && seen.includes(theirs.id));
    assert.deepEqual(await ids(token, `&operator_id=${auditor.id}`), [theirs.id]);
  }
  const rotate = (id: string, token: string) => app.ask("POST", `/v1/operator-keys/${id}/rotate`, { token, body: {} });
  const revoke = (id: string, token: string) => app.ask("DELETE", `/v1/operator-keys/${id}`, { token });
  refused(await revoke(theirs.id, support.token), "404 not_found");
  refused(await revoke(mine.id, auditor.token), "404 not_found");
  for (const token of [superadmin, auditor.token]) refused(await rotate(mine.id, token), "404 not_found");
  assert.equal((await tenants(mine.key)).status, 200);
  assert.equal((await revoke(mine.id, superadmin)).status, 204);
  refused(await tenants(mine.key, other), "401 unauthorized");
});

Deno.test("a rotated key works beside the new one until it runs out", loose, async () => {
  const old = await make(support.token, { name: "Rotated" });
  const rotate = (id: string, overlap_hours: number) =>
    app.ask("POST", `/v1/operator-keys/${id}/rotate`, { token: support.token, body: { overlap_hours } });
  const { body: next } = await rotate(old.id, 2);
  assert.deepEqual([next.replaces, next.name, next.role], [old.id, "Rotated", "support"]);
  for (const key of [old.key, next.key]) assert.equal((await tenants(key, other)).status, 200);
  const { body: last } = await rotate(next.id, 0);
  refused(await tenants(next.key, other), "401 unauthorized");
  for (const key of [old.key, last.key]) assert.equal((await tenants(key, other)).status, 200);
});

Deno.test("the key in another's place keeps its end, and rotations that come at once make one key", loose, async () => {
  const old = await make(support.token, { name: "Ends", expires_at: "2199-11-29T19:00:00Z" });
  const rotate = (at: TestProcess, id = old.id, body = {}) =>
    at.ask("POST", `/v1/operator-keys/${id}/rotate`, { token: support.token, body });
  const answers = await Promise.all([app, other, app, other, app, other].map((at) => rotate(at)));
  assert.deepEqual(answers.map(({ status }) => status).sort(), [201, 409, 409, 409, 409, 409]);
  refused(answers.find(({ status }) => status === 409)!, "409 invalid_state");
  const { body: next } = answers.find(({ status }) => status === 201)!;
  assert.equal(Date.parse(next.expires_at), Date.parse("2199-11-29T19:00:00Z"));
  const { body: last } = await rotate(app, next.id, { expires_at: null });
  assert.equal(last.expires_at, null);
  assert.equal((await app.ask("DELETE", `/v1/operator-keys/${next.id}`, { token: support.token })).status, 204);
  assert.equal((await rotate(app)).status, 201);
});

Deno.test("a key ends with its operator, and follows what the operator may do", loose, async () => {
  const superadmin = await app.operator();
  const { id, email, token } = await addOperator(app, "superadmin");
  const [all, looks] = [await make(token), await make(token, { role: "support" })];
  const ask = async (at: TestProcess) => [(await tenants(all.key, at)).status, (await tenants(looks.key, at)).status];
  const update = async (body: unknown) =>
    assert.equal((await app.ask("PATCH", `/v1/operators/${id}`, { token: superadmin, body })).status, 200);
  for (const at of [app, other]) assert.deepEqual(await ask(at), [200, 200]);
  await update({ role: "support" });
  for (const at of [other, app]) assert.deepEqual(await ask(at), [401, 200]);
  await update({ role: "billing" });
  for (const at of [other, app]) assert.deepEqual(await ask(at), [401, 401]);
  await update({ role: "superadmin" });
  const own = await make(await signInOperator(app, email));
  for (const at of [app, other]) assert.equal((await tenants(own.key, at)).status, 200);
  await update({ status: "disabled" });
  for (const at of [app, other]) refused(await tenants(own.key, at), "401 unauthorized");
});

Deno.test("no operator's key is in a log line or an event", loose, async () => {
  const { key } = await make(await app.operator());
  await tenants(key);
  await app.ask("GET", `/v1/tenants/${key}`, { headers: shown(key) });
  const events = await app.ask("GET", "/v1/events?limit=200", { token: await app.operator() });
  assert.ok(events.body.items.some(({ type }: { type: string }) => type === "operator.key_made"));
  const secret = key.slice(-40, -8);
  assert.ok(!JSON.stringify(events.body).includes(secret));
  for (const line of [...app.lines, ...other.lines]) assert.ok(!line.includes(secret), line);
});
