// Provisioning as a whole, with a real worker: the three tiers, what operators see of them, what goes wrong and how it
// is taken up again.
import assert from "node:assert/strict";
import { bootApp, type TestApp } from "../support/app.ts";
import { adminSql, secondTestServer } from "../support/postgres.ts";
import { approve, approveUnqueued, asPlatform, customerDatabase, read, runSaga, submit } from "./setup.ts";

let app: TestApp;
Deno.test.beforeAll(async () => {
  app = await bootApp();
});
Deno.test.afterAll(() => app.stop());

const loose = { sanitizeOps: false, sanitizeResources: false };
const STEPS = ["record", "placement", "roles", "migrations", "policies", "proof", "seed", "admin", "open", "mail"];

interface StepAnswer {
  step: string;
  state: string;
  duration_ms: number;
  error: string | null;
}

/** Waits until the application has one of these states and its last step ended; gives it. */
function settled(id: string, ...states: string[]) {
  return app.until(`application ${id} to be ${states}`, async () => {
    const found = await read(app, `/v1/applications/${id}`);
    const ended = found.steps.every((step: StepAnswer) => step.state !== "running");
    const mailed = found.status !== "provisioned" || found.steps.at(-1)?.state !== "pending";
    return states.includes(found.status) && ended && mailed && found;
  });
}

Deno.test("tenants.provision puts each tier where it belongs, with every step on record", loose, async () => {
  for (const tier of ["shared", "dedicated", "byo"] as const) {
    const tenant = await app.tenant(`tier-${tier}`, tier);
    const application = await settled(tenant.applicationId, "provisioned");
    assert.deepEqual(
      application.steps.map((step: StepAnswer) => [step.step, step.state]),
      STEPS.map((s) => [s, "done"]),
    );
    const opened = Date.parse(application.steps.find((step: StepAnswer) => step.step === "open").finished_at);
    assert.ok(opened - Date.parse(application.reviewed_at) < 30_000, `${tier}: how fast it is says "bench main"`);
    const shown = await read(app, `/v1/tenants/${tenant.id}`);
    assert.deepEqual([shown.status, shown.tier, shown.placement.kind, shown.placement.state], [
      "active",
      tier,
      tier,
      "ready",
    ]);
    assert.deepEqual([shown.time_zone, shown.currency, shown.contact_name], ["America/Toronto", "CAD", "Ada Admin"]);
    if (tier === "dedicated") assert.match(shown.placement.database, /^bh_d_[0-9a-f]{32}$/);
    const types = (await read(app, `/v1/events?tenant_id=${tenant.id}&limit=50`)).items.map((e: { type: string }) =>
      e.type
    );
    const made = ["tenant.setup_mail_sent", "application.provisioned", "tenant.activated", "tenant.created"];
    assert.deepEqual(types.sort(), made.sort());
  }
});

Deno.test("tenants.provision gives the reference data and a working first admin to the tenant", loose, async () => {
  const tenant = await app.tenant("seeded", "dedicated");
  const tariffs = await app.ask("GET", "/v1/tariffs", { token: tenant.admin });
  assert.deepEqual(tariffs.body.items.map((tariff: { name: string }) => tariff.name), [
    "Residential time-of-use, winter 2011/12",
  ]);
  const members = await app.ask("GET", "/v1/members", { token: tenant.admin });
  const [admin] = members.body.items;
  assert.deepEqual([admin.role, admin.email, members.body.items.length], ["admin", tenant.adminEmail, 1]);
});

Deno.test("tenants.provision mails one link that works once, with the tenant's own time", loose, async () => {
  await app.tenant("mailed");
  const { body } = await app.ask("GET", "/dev/mail", { headers: { accept: "application/json" } });
  const [mail, ...more] = body.items.filter((item: { to: string }) => item.to === "admin@mailed.test");
  assert.equal(more.length, 0);
  assert.match(mail.text, /until .+ \(America\/Toronto\)/);
  const [, token] = /setup-password#token=([\w-]+)/.exec(mail.text)!;
  const again = await app.ask("POST", "/v1/auth/setup-password", {
    tenant: "mailed",
    body: { token, password: "another long passphrase" },
  });
  assert.ok([401, 404, 409, 422].includes(again.status), String(again.status));
});

Deno.test("tenants.provision shows no tenant before it is open", loose, async () => {
  const id = await submit(app, "half-way");
  await approveUnqueued(app, id, "shared");
  const stop = new Error("cut off here");
  const checkpoint = (point: string) => point === "admin: written" ? Promise.reject(stop) : Promise.resolve();
  await assert.rejects(runSaga(app.services, id, { checkpoint }));
  const login = { email: "ada@half-way.test", password: "whatever it may be" };
  const hidden = await app.ask("POST", "/v1/auth/login", { tenant: "half-way", body: login });
  const unknown = await app.ask("POST", "/v1/auth/login", { tenant: "never-was", body: login });
  assert.deepEqual([hidden.status, hidden.body.code], [unknown.status, unknown.body.code]);
  await runSaga(app.services, id);
  assert.equal((await settled(id, "provisioned")).status, "provisioned");
});

Deno.test(
  "tenants.provision fails for good when the customer changed the password, and says so without it",
  loose,
  async () => {
    const customer = await customerDatabase();
    const id = await submit(app, "locked-out", { tier: "byo", byo: customer.byo });
    await approveUnqueued(app, id, "byo");
    const { user: name } = customer.byo;
    const sql = await adminSql("postgres", await secondTestServer());
    await sql.unsafe(`alter role ${name} password 'changed'`);
    await runSaga(app.services, id); // not thrown: another try would not help
    const failed = await read(app, `/v1/applications/${id}`);
    assert.equal(failed.status, "failed");
    assert.equal(failed.failure, "byo_auth_failed: The server refused the user or the password");
    assert.equal(failed.steps.find((step: StepAnswer) => step.step === "placement").state, "failed");
    assert.equal((await read(app, `/v1/tenants/${failed.tenant_id}`)).status, "provisioning");
    const events = await read(app, `/v1/events?tenant_id=${failed.tenant_id}&type=tenant.provisioning_failed`);
    assert.equal(events.items.length, 1);
    assert.ok(!JSON.stringify([failed, events, app.lines]).includes(customer.byo.password));

    await sql.unsafe(`alter role ${name} password '${customer.byo.password}'`);
    await sql.end();
    const retried = await app.ask("POST", `/v1/applications/${id}/retry`, { token: await app.operator() });
    assert.deepEqual([retried.status, retried.body.status, retried.body.failure], [202, "approved", null]);
    const done = await settled(id, "provisioned");
    assert.equal(done.tenant_id, failed.tenant_id);
    assert.equal(
      (await asPlatform(app.services, (tx) =>
        tx`select from platform.applications
    where id = ${id} and byo_password_sealed is not null`)).length,
      0,
    );
  },
);

Deno.test("tenants.provision never puts two tenants into one customer's database", loose, async () => {
  const customer = await customerDatabase();
  const ids = [];
  for (const slug of ["first-in", "second-in"]) {
    const id = await submit(app, slug, { tier: "byo", byo: customer.byo });
    await approveUnqueued(app, id, "byo");
    ids.push(id);
  }
  await runSaga(app.services, ids[0]);
  await runSaga(app.services, ids[1]);
  assert.equal((await read(app, `/v1/applications/${ids[0]}`)).status, "provisioned");
  const second = await read(app, `/v1/applications/${ids[1]}`);
  assert.deepEqual([second.status, second.failure], [
    "failed",
    "conflict: Another tenant lives in the customer's database",
  ]);
});

Deno.test("tenants.provision is tried again after a passing fault and gives up after the last try", loose, async () => {
  const id = await submit(app, "waiting");
  await approveUnqueued(app, id, "shared");
  await asPlatform(app.services, (tx) => tx`update platform.placements set state = 'preparing' where kind = 'shared'`);
  await assert.rejects(runSaga(app.services, id), /tried again/);
  const waiting = await read(app, `/v1/applications/${id}`);
  assert.deepEqual([waiting.status, waiting.failure], ["provisioning", null]);
  assert.match(waiting.steps[1].error, /No shared placement is ready/);
  await runSaga(app.services, id, { lastAttempt: true });
  const failed = await read(app, `/v1/applications/${id}`);
  assert.equal(failed.status, "failed");
  assert.equal(failed.steps[1].attempts, 2);
  await asPlatform(app.services, (tx) => tx`update platform.placements set state = 'ready' where kind = 'shared'`);
  await app.ask("POST", `/v1/applications/${id}/retry`, { token: await app.operator() });
  await settled(id, "provisioned");
});

Deno.test(
  "tenants.provision keeps a tenant whose mail failed, and applications.retry sends it again",
  loose,
  async () => {
    const id = await submit(app, "unmailed");
    await approveUnqueued(app, id, "shared");
    const mail = { send: () => Promise.reject(new Error("550 the relay says secret things")) };
    await runSaga({ ...app.services, mail }, id, { lastAttempt: true });
    const open = await read(app, `/v1/applications/${id}`);
    assert.deepEqual([open.status, open.steps.at(-1).state], ["provisioned", "failed"]);
    assert.ok(!open.steps.at(-1).error.includes("secret"));
    const retried = await app.ask("POST", `/v1/applications/${id}/retry`, { token: await app.operator() });
    assert.deepEqual([retried.status, retried.body.status], [202, "provisioned"]);
    await app.until(
      "the mail step",
      async () => (await read(app, `/v1/applications/${id}`)).steps.at(-1).state === "done",
    );
    const again = await app.ask("POST", `/v1/applications/${id}/retry`, { token: await app.operator() });
    assert.equal(again.status, 409);
  },
);

Deno.test("tenants.provision does nothing for applications that are not approved, and for none", loose, async () => {
  const id = await submit(app, "untouched");
  await runSaga(app.services, id);
  await runSaga(app.services, crypto.randomUUID());
  const found = await read(app, `/v1/applications/${id}`);
  assert.deepEqual([found.status, found.tenant_id], ["submitted", null]);
});

Deno.test("applications.retry takes up a provisioning that no worker carries out any more", loose, async () => {
  const id = await submit(app, "stranded");
  await approveUnqueued(app, id, "shared");
  const token = await app.operator();
  assert.equal((await app.ask("POST", `/v1/applications/${id}/retry`, { token })).status, 409);
  const sql = await adminSql(app.services.servers.settings.platformDatabase);
  await sql.begin(async (tx) => { // only a superuser can turn the clock back: the trigger keeps updated_at
    await tx`set local session_replication_role = replica`;
    await tx`update platform.applications set updated_at = now() - interval '2 minutes' where id = ${id}`;
  });
  await sql.end();
  assert.equal((await app.ask("POST", `/v1/applications/${id}/retry`, { token })).status, 202);
  await settled(id, "provisioned");
});

Deno.test("tenants.list shows tiers and finds by slug", loose, async () => {
  await approve(app, await submit(app, "listed-tenant"), "shared");
  await app.until(
    "the tenant",
    async () => (await read(app, "/v1/tenants?search=listed")).items[0]?.status === "active",
  );
  assert.equal((await read(app, "/v1/tenants?search=listed&tier=byo")).items.length, 0);
  assert.equal((await read(app, "/v1/tenants?limit=1&sort=slug")).items.length, 1);
  const token = await app.operator();
  assert.equal((await app.ask("GET", `/v1/tenants/${crypto.randomUUID()}`, { token })).status, 404);
});
