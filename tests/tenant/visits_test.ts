// Operators inside tenants: by a visit that was asked for with a reason, begun once and within a minute, over by itself or at once
// when either side ends it (X6). What a visit may do and how it is told: visits_acts_test.ts.
import assert from "node:assert/strict";
import { addOperator, type TestOperator } from "../support/operators.ts";
import { sendValid, tenantOperations } from "../support/operations.ts";
import { loose, ok, refused } from "./auth_people.ts";
import { REASON, Visits } from "./visits.ts";

let visits: Visits;
let { people, other, acme, globex, support, superadmin, request, begin, visit, look, build } = {} as Visits;
Deno.test.beforeAll(async () => {
  visits = await Visits.boot();
  ({ people, other, acme, globex, support, superadmin, request, begin, visit, look, build } = visits);
});
Deno.test.afterAll(() => visits.end());

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
