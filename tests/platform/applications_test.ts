// Applications over HTTP: what is taken in, what is refused with which code, who may decide, and that of racing
// decisions exactly one counts. No worker runs here: what is approved stays approved.
import assert from "node:assert/strict";
import { bootApp, type TestApp } from "../support/app.ts";
import { application, approve, asPlatform, customerDatabase, read, submit } from "./setup.ts";

let app: TestApp;
Deno.test.beforeAll(async () => {
  app = await bootApp({ worker: false });
});
Deno.test.afterAll(() => app.stop());

const loose = { sanitizeOps: false, sanitizeResources: false };

async function refuse(body: unknown, status: number, code: string, path?: string): Promise<void> {
  const answer = await app.ask("POST", "/v1/applications", { body });
  assert.deepEqual([answer.status, answer.body.code], [status, code], JSON.stringify(answer.body));
  if (path) {
    assert.ok(answer.body.fields.some((field: { path: string }) => field.path === path), JSON.stringify(answer.body));
  }
}

Deno.test("applications.submit tells the applicant no more than the receipt", loose, async () => {
  const answer = await app.ask("POST", "/v1/applications", { body: application("Receipt") });
  assert.equal(answer.status, 201);
  assert.deepEqual(Object.keys(answer.body).sort(), ["created_at", "id", "requested_tier", "slug", "status"]);
  assert.deepEqual([answer.body.slug, answer.body.status], ["receipt", "submitted"]);
});

Deno.test("applications.submit refuses bad input with its code and field", loose, async () => {
  await refuse(application("-bad-"), 400, "invalid_request", "body.slug");
  await refuse(application("a"), 400, "invalid_request", "body.slug");
  await refuse(application("admin"), 409, "slug_reserved", "body.slug");
  await refuse(application("WWW"), 409, "slug_reserved", "body.slug");
  await refuse(application("ok-1", { tier: "gold" }), 400, "invalid_request", "body.tier");
  await refuse(application("ok-1", { contact_email: "nobody" }), 400, "invalid_request", "body.contact_email");
  await refuse(application("ok-1", { contact_email: "a@b.test\r\nBcc: c@d.test" }), 400, "invalid_request");
  await refuse(
    application("ok-1", { organization_name: "two\nlines" }),
    400,
    "invalid_request",
    "body.organization_name",
  );
  await refuse(application("ok-1", { organization_name: "nul\0" }), 400, "invalid_request");
  await refuse(application("ok-1", { notes: "nul\0" }), 400, "invalid_request");
  await refuse(application("ok-1", { organization_name: "half \ud800" }), 400, "invalid_value");
  await refuse(application("ok-1", { time_zone: "Mars/Olympus" }), 400, "invalid_request", "body.time_zone");
  await refuse(application("ok-1", { time_zone: "+05:00" }), 400, "invalid_request", "body.time_zone");
  await refuse(application("ok-1", { locale: "not a locale" }), 400, "invalid_request", "body.locale");
  await refuse(application("ok-1", { currency: "cad" }), 400, "invalid_request", "body.currency");
  await refuse(application("ok-1", { status: "approved" }), 400, "invalid_request", "body.status");
  await refuse(application("ok-1", { tier: "byo" }), 400, "invalid_request", "body.byo");
  await refuse([], 400, "invalid_request");
  const malformed = await app.ask("POST", "/v1/applications", {
    raw: "{",
    headers: { "content-type": "application/json" },
  });
  assert.deepEqual([malformed.status, malformed.body.code], [400, "invalid_json"]);
});

Deno.test(
  "applications.submit refuses a customer's server that is not needed or not named plainly",
  loose,
  async () => {
    const byo = { host: "db.example.com", port: 5432, database: "d", user: "u", password: "p", tls_mode: "require" };
    await refuse(application("ok-2", { byo }), 400, "invalid_request", "body.byo");
    const hosts = ["a@b.test", "a.test,b.test", "/tmp", "a b", "postgres://x", "a.test?x", ""];
    for (const host of hosts) {
      await refuse(
        application("ok-2", { tier: "byo", byo: { ...byo, host } }),
        400,
        "invalid_request",
        "body.byo.host",
      );
    }
    const modes = { ...byo, tls_mode: "prefer" };
    await refuse(application("ok-2", { tier: "byo", byo: modes }), 400, "invalid_request", "body.byo.tls_mode");
    await refuse(
      application("ok-2", { tier: "byo", byo: { ...byo, port: 70_000 } }),
      400,
      "invalid_request",
      "body.byo.port",
    );
  },
);

Deno.test(
  "applications.submit keeps a slug for one application, in any case, until it is rejected",
  loose,
  async () => {
    const id = await submit(app, "unique");
    await refuse(application("UNIQUE"), 409, "slug_taken", "body.slug");
    const token = await app.operator();
    const rejected = await app.ask("POST", `/v1/applications/${id}/reject`, { token, body: { notes: "Not now" } });
    assert.deepEqual([rejected.status, rejected.body.status], [200, "rejected"]);
    await submit(app, "unique");
  },
);

Deno.test("applications.submit refuses the slug of a deleted tenant", loose, async () => {
  await asPlatform(
    app.services,
    (tx) =>
      tx`insert into platform.tenants (id, slug, name, status, tier, contact_name, contact_email)
      values (${crypto.randomUUID()}, 'long-gone', 'Gone', 'deleted', 'shared', 'A', 'a@gone.test')`,
  );
  await refuse(application("long-gone"), 409, "slug_taken", "body.slug");
  const check = (slug: string) => app.ask("GET", `/v1/slugs/${slug}`).then((answer) => answer.body.available);
  assert.deepEqual([await check("long-gone"), await check("admin"), await check("Never-Used")], [false, false, true]);
});

Deno.test("applications.submit gives a slug to one of many that ask at once", loose, async () => {
  const answers = await Promise.all(
    Array.from({ length: 8 }, () => app.ask("POST", "/v1/applications", { body: application("raced") })),
  );
  const statuses = answers.map((answer) => answer.status).sort();
  assert.deepEqual(statuses, [201, ...Array(7).fill(409)]);
});

Deno.test(
  "applications.submit answers a repeated Idempotency-Key the same and makes one application",
  loose,
  async () => {
    const headers = { "idempotency-key": "key-1" };
    const first = await app.ask("POST", "/v1/applications", { headers, body: application("repeated") });
    const second = await app.ask("POST", "/v1/applications", { headers, body: application("repeated") });
    assert.deepEqual([second.status, second.body], [201, first.body]);
    const other = await app.ask("POST", "/v1/applications", { headers, body: application("other-one") });
    assert.deepEqual([other.status, other.body.code], [422, "idempotency_key_reused"]);
  },
);

Deno.test("applications.list pages, sorts, filters and searches", loose, async () => {
  for (const slug of ["list-c", "list-a", "list-b"]) await submit(app, slug, { organization_name: `Zebra ${slug}` });
  const first = await read(app, "/v1/applications?search=LIST-&sort=slug&limit=2");
  assert.deepEqual(first.items.map((item: { slug: string }) => item.slug), ["list-a", "list-b"]);
  const second = await read(app, `/v1/applications?search=list-&sort=slug&limit=2&cursor=${first.next}`);
  assert.deepEqual([second.items[0].slug, second.items.length, second.next], ["list-c", 1, null]);
  const newest = await read(app, "/v1/applications?search=zebra&sort=-created_at");
  assert.deepEqual(newest.items.map((item: { slug: string }) => item.slug), ["list-b", "list-a", "list-c"]);
  assert.equal((await read(app, "/v1/applications?search=list-&status=approved")).items.length, 0);
  assert.equal((await read(app, "/v1/applications?search=list-&tier=dedicated")).items.length, 0);
  assert.equal((await read(app, "/v1/applications?search=%25")).items.length, 0);
});

Deno.test("applications.list refuses bad queries with 400", loose, async () => {
  const token = await app.operator();
  for (
    const query of ["limit=100000", "limit=0", "sort=contact_email", "cursor=xyz", "status=x", "q=1", "search=%00"]
  ) {
    const answer = await app.ask("GET", `/v1/applications?${query}`, { token });
    assert.equal(answer.status, 400, `${query}: ${JSON.stringify(answer.body)}`);
  }
});

Deno.test("applications.get answers 404 for an unknown id and 400 for none", loose, async () => {
  const token = await app.operator();
  assert.equal((await app.ask("GET", `/v1/applications/${crypto.randomUUID()}`, { token })).status, 404);
  assert.equal((await app.ask("GET", "/v1/applications/1", { token })).status, 400);
});

Deno.test("applications.approve counts once when decided many times at once", loose, async () => {
  const id = await submit(app, "contested");
  const token = await app.operator();
  const approving = Array.from(
    { length: 4 },
    () => app.ask("POST", `/v1/applications/${id}/approve`, { token, body: { tier: "dedicated" } }),
  );
  const rejecting = Array.from(
    { length: 4 },
    () => app.ask("POST", `/v1/applications/${id}/reject`, { token, body: { notes: "No" } }),
  );
  const answers = await Promise.all([...approving, ...rejecting]);
  const won = answers.filter((answer) => answer.status < 300);
  assert.equal(won.length, 1, JSON.stringify(answers.map((answer) => answer.status)));
  assert.ok(answers.every((answer) => answer.status < 300 || answer.body.code === "invalid_state"));
  const events = await read(app, `/v1/events?application_id=${id}`);
  assert.equal(events.items.filter((event: { type: string }) => event.type !== "application.submitted").length, 1);
});

Deno.test("applications.approve names the current and the desired state when it is too late", loose, async () => {
  const id = await submit(app, "decided");
  await approve(app, id, "shared");
  const token = await app.operator();
  for (
    const [move, body] of [["approve", { tier: "shared" }], ["reject", { notes: "No" }], ["retry", undefined]] as const
  ) {
    const answer = await app.ask("POST", `/v1/applications/${id}/${move}`, { token, body });
    assert.deepEqual([answer.status, answer.body.code], [409, "invalid_state"], move);
    assert.match(answer.body.detail, /"approved".*can become/);
  }
});

Deno.test(
  "applications.approve keeps reviewer, notes and a tier that differs from the requested one",
  loose,
  async () => {
    const id = await submit(app, "upgraded");
    const token = await app.operator();
    const body = { tier: "dedicated", notes: "They pay for it" };
    assert.equal((await app.ask("POST", `/v1/applications/${id}/approve`, { token, body })).status, 202);
    const found = await read(app, `/v1/applications/${id}`);
    assert.deepEqual([found.requested_tier, found.tier, found.review_notes], [
      "shared",
      "dedicated",
      "They pay for it",
    ]);
    assert.ok(found.reviewer_id && found.reviewed_at);
  },
);

Deno.test("applications.approve refuses unknown tiers, and byo without a server", loose, async () => {
  const id = await submit(app, "serverless");
  const token = await app.operator();
  const path = `/v1/applications/${id}/approve`;
  const unknown = await app.ask("POST", path, { token, body: { tier: "gold" } });
  assert.deepEqual([unknown.status, unknown.body.code], [400, "invalid_request"]);
  const byo = await app.ask("POST", path, { token, body: { tier: "byo" } });
  assert.deepEqual([byo.status, byo.body.code], [422, "unprocessable"]);
  assert.equal((await read(app, `/v1/applications/${id}`)).status, "submitted");
});

Deno.test(
  "applications.approve is for superadmins, and reading for every operator and no one else",
  loose,
  async () => {
    const id = await submit(app, "guarded");
    const operatorId = (await read(app, "/v1/operators/me")).id;
    const token = await app.services.tokens.issueOperator({
      operatorId,
      email: "auditor@bulkhead.test",
      role: "auditor",
    });
    const body = { tier: "shared" };
    const refused = await app.ask("POST", `/v1/applications/${id}/approve`, { token, body });
    assert.deepEqual([refused.status, refused.body.code], [403, "forbidden"]);
    assert.equal((await app.ask("GET", `/v1/applications/${id}`, { token })).status, 200);
    for (
      const path of ["/v1/applications", `/v1/applications/${id}`, "/v1/tenants", "/v1/events", "/v1/operators/me"]
    ) {
      assert.equal((await app.ask("GET", path)).status, 401, path);
    }
  },
);

Deno.test(
  "applications keep a customer's password only sealed, and forget it when it is not needed",
  loose,
  async () => {
    const customer = await customerDatabase();
    const { password } = customer.byo;
    const [first, second] = [
      await submit(app, "sealed-1", { tier: "byo", byo: customer.byo }),
      await submit(app, "sealed-2", { tier: "byo", byo: customer.byo }),
    ];
    const sealed = (id: string) =>
      asPlatform(app.services, (tx) =>
        tx<
          { byo_password_sealed: string | null }
        >`select byo_password_sealed from platform.applications where id = ${id}`)
        .then((rows) => rows[0].byo_password_sealed);
    const kept = await sealed(first);
    assert.ok(kept && !kept.includes(password));
    const token = await app.operator();
    await app.ask("POST", `/v1/applications/${first}/reject`, { token, body: { notes: "No" } });
    await approve(app, second, "shared");
    assert.deepEqual([await sealed(first), await sealed(second)], [null, null]);
    const shown = await read(app, `/v1/applications/${second}`);
    assert.deepEqual(shown.byo, {
      host: customer.byo.host,
      port: customer.byo.port,
      database: customer.byo.database,
      user: customer.byo.user,
      tls_mode: "disable",
      tls_ca: false,
    });
    const everything = JSON.stringify([
      shown,
      await read(app, "/v1/applications"),
      await read(app, "/v1/events"),
      app.lines,
    ]);
    assert.ok(!everything.includes(password));
    await customer.drop();
  },
);
