// What operators may do on a visit, and that the tenant sees it: act by act in its own audit, and in a header of every answer
// (X6, K130).
import assert from "node:assert/strict";
import { BoundCall } from "../../src/http/call.ts";
import { route } from "../../src/http/route.ts";
import type { Principal } from "../../src/identity/principal.ts";
import { refusalsOf } from "../../src/tenancy/refusals.ts";
import type { Answer } from "../support/app.ts";
import { sendValid, tenantOperations } from "../support/operations.ts";
import { asSystem } from "../support/people.ts";
import { loose, ok, refused } from "./auth_people.ts";
import { REASON, Visits } from "./visits.ts";

let visits: Visits;
let { people, acme, globex, support, superadmin, visit, look, build, audit } = {} as Visits;
Deno.test.beforeAll(async () => {
  visits = await Visits.boot();
  ({ people, acme, globex, support, superadmin, visit, look, build, audit } = visits);
});
Deno.test.afterAll(() => visits.end());

Deno.test("a visit that may only look changes nothing, over all operations of the document", loose, async (t) => {
  const { id: visitId, token } = await visit();
  const headers = { authorization: `Bearer ${token}` };
  const operations = await tenantOperations(people.app);
  const writes = operations.filter(({ method, id }) => method !== "GET" && id !== "visits.leave");
  assert.ok(writes.length > 30);
  const before = await people.shared`select seq from tenant.audit where tenant_id = ${acme.id} and action <> 'refused'`;
  for (const operation of writes) {
    await t.step(operation.id, async () => {
      const answer = refused(await sendValid(people.app, operation, headers), "403 forbidden");
      assert.match(answer.headers.get("x-impersonation")!, /; read-only; until=/);
    });
  }
  const after = await people.shared`select seq from tenant.audit where tenant_id = ${acme.id} and action <> 'refused'`;
  assert.equal(after.length, before.length);
  await refusalsOf(people.app.services).flush();
  const told = (await audit(`&action=refused&actor=operator:${support.id}`))
    .filter(({ impersonating }: { impersonating: string }) => impersonating === visitId);
  assert.ok(told.length > 0, "the tenant does not see what the visitor was refused");
  const members = /^auth\./;
  for (const operation of operations.filter(({ method, id }) => method === "GET" && !members.test(id))) {
    const { status, body } = await sendValid(people.app, operation, headers);
    assert.ok([200, 404].includes(status), `${operation.id}: ${JSON.stringify(body)}`);
  }
  for (const operation of operations.filter(({ method, id }) => method === "GET" && members.test(id))) {
    refused(await sendValid(people.app, operation, headers), "403 forbidden");
  }
});

Deno.test("where a route forgot to refuse it, the database refuses a visit that may only look", loose, async () => {
  const { services } = people.app;
  const { token } = await visit();
  const principal = await services.tokens.verify(token);
  const tenant = await services.directory.byId(acme.id);
  const forgot = route({
    operation: "test.forgot",
    method: "post",
    path: "/v1/test",
    summary: "A route that forgot",
    tag: "Test",
    leaves: false,
    handler: async () => {},
    answer: null,
  });
  const call = (readOnly: boolean) =>
    new BoundCall({
      route: forgot,
      request: new Request("http://localhost/v1/test", { method: "POST" }),
      requestId: "test",
      principal: { ...principal, readOnly } as Principal,
      tenant,
      services,
      origin: { address: null, agent: null },
    });
  const write = (readOnly: boolean) =>
    call(readOnly).asTenant((tx) => tx`update tenant.buildings set name = name where id = ${crypto.randomUUID()}`);
  await assert.rejects(write(true), { code: "25006" });
  await write(false);
  await assert.rejects(
    call(true).asPlatform((tx) => tx`update platform.impersonations set ended_at = now() where false`),
    { code: "25006" },
  );
});

Deno.test("a visit that may write stays a visit: it lets nobody in and takes no one's place", loose, async () => {
  const { token } = await visit(superadmin, { read_only: false });
  assert.equal((await build(token)).status, 201);
  const id = crypto.randomUUID();
  const staying: [string, string, unknown?][] = [
    ["POST", "/v1/api-keys", { name: "Back door", permissions: { "*": ["*"] } }],
    ["PATCH", `/v1/api-keys/${id}`, { expires_at: null }],
    ["POST", `/v1/api-keys/${id}/rotate`, {}],
    ["POST", "/v1/members", { first_name: "A", last_name: "B", email: "a@b.test", role: "admin" }],
    ["POST", `/v1/members/${id}/send-link`],
    ["POST", "/v1/invitations", { email: "a@b.test", role: "admin" }],
    ["POST", `/v1/invitations/${id}/resend`],
    ["POST", "/v1/auth/change-password", { current_password: "a", new_password: "b" }],
    ["POST", "/v1/auth/switch", { tenant: globex.slug }],
    ["GET", "/v1/auth/me"],
    ["GET", "/v1/auth/factors"],
    ["POST", "/v1/auth/sessions/revoke-all"],
    ["POST", `/v1/visits/${id}/end`],
  ];
  for (const [method, path, body] of staying) {
    refused(await people.app.ask(method, path, { token, body }), "403 forbidden");
  }
});

Deno.test("every act of a visit is in the tenant's own audit, with its operator", loose, async () => {
  const { id, token } = await visit(superadmin, { read_only: false });
  const building = (await build(token)).body;
  ok(await people.app.ask("GET", `/v1/buildings/${building.id}`, { token }));
  const actor = `operator:${superadmin.id}`;
  const entries = (await audit(`&actor=${actor}`)).filter((entry: { impersonating: string }) =>
    entry.impersonating === id
  );
  const told = entries.map((entry: { operation: string; action: string; resource: string }) =>
    `${entry.operation} ${entry.action} ${entry.resource}`
  ).reverse();
  assert.deepEqual(told, [
    "auth.impersonate insert impersonations",
    "buildings.create visited POST /v1/buildings",
    "buildings.create insert buildings",
    "buildings.get visited GET /v1/buildings/{id}",
  ]);
  assert.equal(entries[0].changes.path, `/v1/buildings/${building.id}`);
  assert.equal(entries[3].changes.reason, REASON);
  assert.equal(ok(await people.app.ask("GET", "/v1/audit/verify", { token: acme.admin })).body.ok, true);
  const chatter = await people
    .shared`select from tenant.audit where tenant_id = ${globex.id} and actor like 'operator:%'`;
  assert.equal(chatter.length, 0);
});

Deno.test("what a visit has a job do is in the audit in its operator's name", loose, async () => {
  const { token } = await visit(superadmin, { read_only: false });
  const report = { kind: "usage", month: "2011-12" };
  const { job_id } = ok(await people.app.ask("POST", "/v1/reports", { token, body: report }), 202).body;
  assert.equal((await people.app.job(token, job_id)).status, "succeeded");
  const entries = await audit(`&operation=jobs.run&actor=operator:${superadmin.id}`);
  assert.ok(entries.length > 0);
  await assert.rejects(
    asSystem(
      people.app.services,
      acme.id,
      (tx) => tx`insert into tenant.jobs (kind, actor) values ('reports.usage', 'operator:' || gen_random_uuid())`,
    ),
    { code: "forbidden" },
  );
});

Deno.test("only an operator's context enters visits in the audit", loose, async () => {
  await assert.rejects(
    asSystem(people.app.services, acme.id, (tx) => tx`select tenant.audit_visited('GET /v1/members', '/v1/members')`),
    { code: "context_refused" },
  );
});

Deno.test("every answer to a visitor says so, refusals and downloads too, and nobody else's does", loose, async () => {
  const { token, begun } = await visit();
  const banner = `${support.email}; read-only; until=${
    new Date(begun.visit.expires_at).toISOString().slice(0, 19)
  }.000Z`;
  const answers: Answer[] = [
    await look(token),
    await people.app.ask("GET", `/v1/buildings/${crypto.randomUUID()}`, { token }),
    await people.app.ask("GET", "/v1/audit/export", { token }),
    await people.app.ask("GET", "/v1/buildings?limit=0", { token }),
    await people.app.ask("GET", "/v1/buildings", { token, tenant: globex.slug }),
    await build(token),
  ];
  for (const { headers } of answers) assert.equal(headers.get("x-impersonation"), banner);
  const writing = await visit(superadmin, { read_only: false });
  assert.match((await look(writing.token)).headers.get("x-impersonation")!, /; read-write; until=/);
  for (const plain of [acme.admin, superadmin.token]) {
    assert.equal((await look(plain)).headers.get("x-impersonation"), null);
  }
});

Deno.test("the audit shows that somebody switched from one tenant to another, in both", loose, async () => {
  const email = "switcher@visit-acme.test";
  for (const tenant of [acme, globex]) await people.join(tenant, email);
  const { access_token } = await people.enter(acme.slug, email);
  ok(await people.post("/v1/auth/switch", access_token, { tenant: globex.slug }));
  const [left] = await audit("&operation=auth.switch&resource=sessions", acme);
  const [entered] = await audit("&operation=auth.switch&resource=sessions", globex);
  assert.deepEqual(left.changes.revoked_reason, [null, "switch"]);
  assert.deepEqual([entered.action, entered.changes.kind], ["insert", "switch"]);
  for (const entry of [left, entered]) assert.match(entry.actor, /^member:/);
});
