// Operators inside tenants: by a visit that was asked for with a reason, begun once and within a minute, over by itself or at once
// when either side ends it, and told in the tenant's own audit, act by act (X6, K130).
import assert from "node:assert/strict";
import { BoundCall } from "../../src/http/call.ts";
import { route } from "../../src/http/route.ts";
import type { Principal } from "../../src/identity/principal.ts";
import { refusalsOf } from "../../src/tenancy/refusals.ts";
import type { Answer, TestProcess, TestTenant } from "../support/app.ts";
import { addOperator, type TestOperator } from "../support/operators.ts";
import { sendValid, tenantOperations } from "../support/operations.ts";
import { asSystem } from "../support/people.ts";
import { loose, ok, People, refused } from "./auth_people.ts";

const BUILDING = { name: "Tower", address: "1 King St", city: "Toronto", country: "CA" };
const REASON = "Ticket 4711: invoices look wrong";
let people: People;
let other: TestProcess;
let acme: TestTenant;
let globex: TestTenant;
let support: TestOperator;
let superadmin: TestOperator;
Deno.test.beforeAll(async () => {
  people = await People.boot();
  other = await people.app.secondProcess();
  [acme, globex] = [await people.app.tenant("visit-acme"), await people.app.tenant("visit-globex")];
  support = await addOperator(people.app, "support");
  superadmin = await addOperator(people.app, "superadmin");
});
Deno.test.afterAll(async () => {
  await other.stop();
  await people.end();
});

/** Asks for a visit. */
const request = (operator: TestOperator, body: Record<string, unknown> = {}, tenant = acme) =>
  people.post(`/v1/tenants/${tenant.id}/impersonations`, operator.token, { reason: REASON, ...body });
const begin = (token: string, tenant = acme, at: TestProcess = people.app) =>
  at.ask("POST", `/t/${tenant.slug}/v1/auth/impersonate`, { body: { token } });

interface Visit {
  id: string;
  token: string;
  // deno-lint-ignore no-explicit-any -- an answer's body
  begun: any;
}

/** A visit that has begun. */
async function visit(operator = support, body: Record<string, unknown> = {}): Promise<Visit> {
  const asked = ok(await request(operator, body), 201).body;
  const begun = ok(await begin(asked.token)).body;
  return { id: asked.id, token: begun.access_token, begun };
}

const look = (token: string, at: TestProcess = people.app) => at.ask("GET", "/v1/buildings", { token });
const build = (token: string, at: TestProcess = people.app) =>
  at.ask("POST", "/v1/buildings", { token, body: BUILDING });
const audit = async (query: string, tenant = acme) =>
  ok(await people.app.ask("GET", `/v1/audit?limit=200${query}`, { token: tenant.admin })).body.items;

Deno.test("a token begins one visit, of 20 that use it at once over two processes", loose, async () => {
  const asked = ok(await request(support), 201).body;
  assert.deepEqual([asked.read_only, asked.tenant, asked.used_at], [true, acme.slug, null]);
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, i) => begin(asked.token, acme, i % 2 ? people.app : other)),
  );
  assert.equal(answers.filter(({ status }) => status === 200).length, 1);
  for (const answer of answers.filter(({ status }) => status !== 200)) refused(answer, "401 invalid_token");
  const { body } = answers.find(({ status }) => status === 200)!;
  assert.equal((await look(body.access_token)).status, 200);
  assert.match(body.banner, new RegExp(`${support.email}.*can change nothing.*${REASON}`));
  assert.ok(body.expires_in > 800 && body.expires_in <= 900);
});

Deno.test("a token is good for a minute, in its tenant, and only while its operator may visit", loose, async () => {
  const late = ok(await request(support), 201).body;
  const [{ seconds }] = await people.platform`select extract(epoch from token_expires_at - created_at)::int as seconds
    from platform.impersonations where id = ${late.id}`;
  assert.equal(seconds, 60);
  await people
    .platform`update platform.impersonations set token_expires_at = now() - interval '1 s' where id = ${late.id}`;
  refused(await begin(late.token), "401 invalid_token");
  const strayed = ok(await request(support), 201).body;
  refused(await begin(strayed.token, globex), "401 invalid_token");
  ok(await begin(strayed.token));
  refused(await begin("bhv_" + "A".repeat(43)), "401 invalid_token");
});

Deno.test("who may ask: superadmins and support, with a reason, and support only to look", loose, async () => {
  refused(await request(support, { read_only: false }), "403 forbidden");
  refused(await request(support, { reason: "short" }), "400 invalid_request");
  refused(await request(support, { minutes: 61 }), "400 invalid_request");
  for (const role of ["billing", "auditor"]) {
    refused(await request(await addOperator(people.app, role)), "403 forbidden");
  }
  refused(
    await people.post(`/v1/tenants/${crypto.randomUUID()}/impersonations`, support.token, { reason: REASON }),
    "404 not_found",
  );
  refused(await look(superadmin.token), "403 forbidden");
  refused(await people.app.ask("GET", `/t/${acme.slug}/v1/buildings`, { token: superadmin.token }), "403 forbidden");
  const events = ok(await people.app.ask("GET", "/v1/events?type=impersonation.asked", { token: support.token })).body;
  assert.ok(events.items.some(({ data }: { data: { reason: string } }) => data.reason === REASON));
  assert.ok(!JSON.stringify(events).includes("bhv_"));
});

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

Deno.test("the tenant's admin sees a visit and ends it at once, in every process", loose, async () => {
  const { id, token } = await visit();
  for (const at of [people.app, other]) ok(await look(token, at));
  const { items } = ok(await people.app.ask("GET", "/v1/visits?limit=200", { token: acme.admin })).body;
  const seen = items.find((one: { id: string }) => one.id === id);
  assert.deepEqual([seen.operator_email, seen.reason, seen.read_only, seen.ended_at], [
    support.email,
    REASON,
    true,
    null,
  ]);
  refused(await people.post(`/v1/visits/${id}/end`, globex.admin), "404 not_found");
  ok(await look(token));
  assert.ok(ok(await people.post(`/v1/visits/${id}/end`, acme.admin)).body.ended_at);
  for (const at of [other, people.app, other]) refused(await look(token, at), "401 unauthorized");
  const { body } = await people.app.ask("GET", `/v1/impersonations?tenant_id=${acme.id}&sort=-created_at`, {
    token: support.token,
  });
  assert.ok(body.items.find((one: { id: string }) => one.id === id).ended_at);
});

Deno.test("a visitor leaves, and is out", loose, async () => {
  const { id, token } = await visit();
  assert.equal(ok(await people.post("/v1/visits/leave", token)).body.id, id);
  for (const at of [people.app, other]) refused(await look(token, at), "401 unauthorized");
  refused(await people.post("/v1/visits/leave", token), "401 unauthorized");
  refused(await people.post("/v1/visits/leave", acme.admin), "403 forbidden");
});

Deno.test("operators end their own visits from outside, superadmins everybody's", loose, async () => {
  const end = (id: string, { token }: TestOperator) => people.post(`/v1/impersonations/${id}/end`, token);
  const [mine, theirs] = [await visit(support), await visit(superadmin)];
  refused(await end(theirs.id, support), "404 not_found");
  ok(await look(theirs.token));
  for (const [{ id, token }, by] of [[mine, support], [theirs, superadmin]] as const) {
    assert.ok(ok(await end(id, by)).body.ended_at);
    for (const at of [other, people.app]) refused(await look(token, at), "401 unauthorized");
  }
  const [third, asked] = [await visit(support), ok(await request(support), 201).body];
  for (const { id } of [third, asked]) ok(await end(id, superadmin));
  refused(await look(third.token), "401 unauthorized");
  refused(await begin(asked.token), "401 invalid_token");
});

Deno.test("a visit ends by itself, and no placement can prolong it", loose, async () => {
  const { id, token } = await visit();
  ok(await look(token));
  await people.shared`update tenant.impersonations set expires_at = now() - interval '1 s' where id = ${id}`;
  for (const at of [people.app, other]) refused(await look(token, at), "401 unauthorized");
  const prolonged = await visit();
  await people
    .shared`update tenant.impersonations set expires_at = now() + interval '1 day' where id = ${prolonged.id}`;
  ok(await look(prolonged.token));
  await people
    .platform`update platform.impersonations set expires_at = now() - interval '1 s' where id = ${prolonged.id}`;
  for (const at of [people.app, other]) refused(await look(prolonged.token, at), "401 unauthorized");
  const claims = JSON.parse(atob(token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/")));
  assert.ok(claims.exp - Date.now() / 1000 <= 900);
});

Deno.test("an ended visit opens no operation at all", loose, async (t) => {
  const { id, token } = await visit(superadmin, { read_only: false });
  ok(await people.post(`/v1/visits/${id}/end`, acme.admin));
  for (const operation of await tenantOperations(people.app)) {
    await t.step(operation.id, async () => {
      const { status, body } = await sendValid(people.app, operation, { authorization: `Bearer ${token}` });
      assert.ok(["unauthorized", "forbidden"].includes(body.code), `${status} ${JSON.stringify(body)}`);
    });
  }
});

Deno.test("a visit ends at once when its operator is disabled or may not visit any more", loose, async () => {
  const token = await people.app.operator();
  const update = async ({ id }: TestOperator, body: unknown) =>
    void ok(await people.app.ask("PATCH", `/v1/operators/${id}`, { token, body }));
  const gone = await addOperator(people.app, "support");
  const [asked, running] = [ok(await request(gone), 201).body, await visit(gone)];
  for (const at of [people.app, other]) ok(await look(running.token, at));
  await update(gone, { status: "disabled" });
  for (const at of [other, people.app]) refused(await look(running.token, at), "401 unauthorized");
  refused(await begin(asked.token), "401 invalid_token");
  await update(gone, { status: "active" });
  refused(await look(running.token), "401 unauthorized");
  refused(await begin(asked.token), "401 invalid_token");
  const demoted = await addOperator(people.app, "superadmin");
  const [writing, looking] = [await visit(demoted, { read_only: false }), await visit(demoted)];
  ok(await build(writing.token), 201);
  await update(demoted, { role: "support" });
  for (const visit of [writing, looking]) refused(await look(visit.token, other), "401 unauthorized");
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
