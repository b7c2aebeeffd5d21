// A tenant that an operator closes is shut out at its next statement: in the process that was told, in one that hears of
// it, and in one that still believes the tenant open. Several processes over the same databases, three tiers.
import assert from "node:assert/strict";
import { fromDatabase } from "../../src/db/sqlstate.ts";
import { enqueue, runTenantJob, TENANT_QUEUE, tenantJob } from "../../src/tenancy/jobs.ts";
import { type Answer, bootApp, type TestApp, type TestProcess, type TestTenant } from "../support/app.ts";
import { adminSql } from "../support/postgres.ts";
import { asPlatform } from "./setup.ts";
import { z } from "zod";

let app: TestApp;
/** Hears of changes. */
let second: TestProcess;
/** Believes for 10 seconds what it has read. */
let deaf: TestProcess;
let acme: TestTenant;
let globex: TestTenant;
let shared: Awaited<ReturnType<typeof adminSql>>;
Deno.test.beforeAll(async () => {
  app = await bootApp();
  [acme, globex] = [await app.tenant("acme-closed"), await app.tenant("globex-open")];
  second = await app.secondProcess();
  deaf = await app.secondProcess({ listen: false });
  shared = await adminSql(app.services.servers.settings.sharedDatabase);
});
Deno.test.afterAll(async () => {
  await shared.end();
  for (const process of [second, deaf, app]) await process.stop();
});

const loose = { sanitizeOps: false, sanitizeResources: false };
const processes = () => [app, second, deaf];

async function setStatus(tenant: TestTenant, status: string, reason = "Not paid"): Promise<Answer> {
  return await app.ask("POST", `/v1/tenants/${tenant.id}/status`, {
    token: await app.operator(),
    body: { status, reason },
  });
}

async function must(tenant: TestTenant, status: string, gate: string): Promise<Answer["body"]> {
  const { status: http, body } = await setStatus(tenant, status);
  assert.deepEqual([http, body.status, body.gate], [200, status, gate], JSON.stringify(body));
  return body;
}

/** Reads the tenant's members in a process: a table that is never empty. */
const visit = (process: TestProcess, tenant: TestTenant) => process.ask("GET", "/v1/members", { token: tenant.admin });

async function statuses(tenant: TestTenant): Promise<string[]> {
  const answers = await Promise.all(processes().map((process) => visit(process, tenant)));
  return answers.map(({ status, body }) => `${status} ${body.code ?? "ok"}`);
}

async function eventsOf(tenant: TestTenant): Promise<string[]> {
  const { body } = await app.ask("GET", `/v1/events?tenant_id=${tenant.id}&limit=200`, { token: await app.operator() });
  return body.items.map((event: { type: string }) => event.type).reverse();
}

const gateOf = async (tenant: TestTenant) =>
  (await shared`select open, reason from app.gates where tenant_id = ${tenant.id}`)[0];

const OPEN = Array(3).fill("200 ok");
const SHUT = Array(3).fill("403 tenant_unavailable");

Deno.test("tenants.setStatus shuts a tenant out at its next statement in every process", loose, async (t) => {
  await t.step("which all served it, and serve others on", async () => {
    assert.deepEqual([await statuses(acme), await statuses(globex)], [OPEN, OPEN]);
    const body = await must(acme, "suspended", "closed");
    assert.deepEqual(await statuses(acme), SHUT);
    assert.equal((await deaf.services.directory.byId(acme.id))?.status, "active", "it does not know, and cannot enter");
    assert.deepEqual(await statuses(globex), OPEN);
    const operator = (await asPlatform(app.services, (tx) => tx<{ id: string }>`select id from platform.operators`))[0];
    assert.deepEqual([body.status_reason, body.status_actor], ["Not paid", `operator:${operator.id}`]);
    assert.ok(Date.now() - Date.parse(body.status_changed_at) < 10_000);
    assert.deepEqual({ ...await gateOf(acme) }, { open: false, reason: "suspended" });
  });

  await t.step("signing in included", async () => {
    const body = { email: acme.adminEmail, password: "whatever it is, it is long" };
    for (const process of processes()) {
      const { status } = await process.ask("POST", "/v1/auth/login", { tenant: acme.slug, body });
      assert.equal(status, 403);
    }
  });

  await t.step("until it is opened again", async () => {
    await must(acme, "active", "open");
    assert.deepEqual(await statuses(acme), OPEN);
    assert.deepEqual((await eventsOf(acme)).slice(-2), ["tenant.suspended", "tenant.activated"]);
  });
});

Deno.test("tenants.setStatus lets no request in that begins after its answer, under load", loose, async () => {
  const seen: { began: number; ended: number; status: number; of: TestTenant }[] = [];
  let stop = false;
  const load = processes().flatMap((process) =>
    [acme, globex].map(async (tenant) => {
      while (!stop) {
        const began = performance.now();
        const { status } = await visit(process, tenant);
        seen.push({ began, ended: performance.now(), status, of: tenant });
      }
    })
  );
  const more = async (count: number) => {
    const enough = seen.length + count;
    await app.until("more requests", () => Promise.resolve(seen.length >= enough));
  };
  const rounds: [number, number][] = [];
  for (let round = 0; round < 5; round++) {
    await more(100);
    await must(acme, "blocked", "closed");
    const answered = performance.now();
    await more(100);
    rounds.push([answered, performance.now()]);
    await must(acme, "active", "open");
  }
  stop = true;
  await Promise.all(load);
  const within = (began: number, ended: number) => rounds.some(([from, to]) => began > from && ended < to);
  const closed = seen.filter(({ of, began, ended }) => of === acme && within(began, ended));
  const let_in = closed.filter(({ status }) => status !== 403);
  const odd = seen.filter(({ of, status }) => status !== 200 && !(of === acme && status === 403));
  console.log(`    ${closed.length} requests while closed, ${let_in.length} let in, ${seen.length} in all`);
  assert.ok(closed.length > 50);
  assert.deepEqual([let_in, odd], [[], []]);
});

Deno.test("a transaction that is running stops at its next statement, and changes nothing", loose, async () => {
  const { services } = deaf;
  const record = await services.directory.byId(acme.id);
  const entering = { operation: "test", requestId: "", readOnly: false };
  const context = await services.targets.context(record!, entering);
  const before = await visit(app, acme);
  const running = services.doors.asTenant(context, async (tx) => {
    await tx`update tenant.members set first_name = 'Changed'`;
    await must(acme, "maintenance", "closed");
    await tx`select first_name from tenant.members`;
  });
  await assert.rejects(running, { code: "tenant_unavailable", status: 403 });
  await must(acme, "active", "open");
  assert.deepEqual((await visit(app, acme)).body, before.body);
});

Deno.test("tenants.setStatus repeated changes nothing, and completes what was cut off", loose, async (t) => {
  const gate = (open: boolean) => shared`update app.gates set open = ${open} where tenant_id = ${acme.id}`;
  const events = (await eventsOf(acme)).length;

  await t.step("closing: the gate was closed and the platform did not say so yet", async () => {
    await gate(false);
    assert.deepEqual(await statuses(acme), SHUT);
    await must(acme, "suspended", "closed");
    const first = await must(acme, "suspended", "closed");
    assert.deepEqual((await must(acme, "suspended", "closed")).status_changed_at, first.status_changed_at);
    assert.equal((await eventsOf(acme)).length, events + 1);
  });

  await t.step("closing: somebody opened the gate by hand", async () => {
    await gate(true);
    await must(acme, "suspended", "closed");
    assert.equal((await gateOf(acme)).open, false);
  });

  await t.step("opening: the platform says so and the gate was not opened yet", async () => {
    await must(acme, "active", "open");
    await gate(false);
    assert.deepEqual(await statuses(acme), SHUT);
    await must(acme, "active", "open");
    assert.deepEqual(await statuses(acme), OPEN);
    assert.equal((await eventsOf(acme)).length, events + 2);
  });
});

Deno.test("tenants.setStatus allows the moves that exist, to those who may", loose, async (t) => {
  const token = await app.operator();
  const path = `/v1/tenants/${acme.id}/status`;
  const refused = async (expected: string, asking: { body?: unknown; token?: string }, at = path) => {
    const { status, body } = await app.ask("POST", at, { token, ...asking });
    assert.equal(`${status} ${body.code}`, expected, JSON.stringify(body));
  };

  await t.step("no other moves, states, tenants", async () => {
    await must(acme, "inactive", "closed");
    await refused("409 invalid_state", { body: { status: "suspended", reason: "x" } });
    await must(acme, "active", "open");
    for (const status of ["deleted", "erased", "provisioning", "", null]) {
      await refused("400 invalid_request", { body: { status, reason: "x" } });
    }
    for (const reason of ["", "two\nlines", "nul\u0000", "x".repeat(501), undefined]) {
      await refused("400 invalid_request", { body: { status: "suspended", reason } });
    }
    const body = { status: "suspended", reason: "x" };
    await refused("404 not_found", { body }, `/v1/tenants/${crypto.randomUUID()}/status`);
  });

  await t.step("not a tenant that is being made", async () => {
    const id = crypto.randomUUID();
    await asPlatform(
      app.services,
      (tx) =>
        tx`insert into platform.tenants (id, slug, name, tier, placement_id, contact_name, contact_email)
          select ${id}, ${"half-" + id.slice(0, 8)}, 'Half', 'shared', placement_id, 'x', 'x@x.test'
          from platform.tenants where id = ${acme.id}`,
    );
    await refused("409 invalid_state", { body: { status: "active", reason: "x" } }, `/v1/tenants/${id}/status`);
  });

  await t.step("superadmins only", async () => {
    await refused("403 forbidden", { token: acme.admin, body: { status: "suspended", reason: "x" } });
    const { tokens } = app.services;
    const support = { operatorId: crypto.randomUUID(), email: "s@bulkhead.test", role: "support" };
    const other = await tokens.issueOperator(support);
    await refused("403 forbidden", { token: other, body: { status: "suspended", reason: "x" } });
  });
});

Deno.test("tenants.setStatus by many at once leaves gate and platform agreeing", loose, async () => {
  for (let round = 0; round < 3; round++) {
    const wanted = Array.from({ length: 12 }, (_, i) => i % 2 ? "active" : "suspended");
    const answers = await Promise.all(wanted.map((status) => setStatus(acme, status)));
    for (const { status, body } of answers) assert.ok(status === 200 || status === 409, JSON.stringify(body));
    const { body } = await app.ask("GET", `/v1/tenants/${acme.id}`, { token: await app.operator() });
    assert.equal((await gateOf(acme)).open, body.status === "active");
  }
  await must(acme, "active", "open");
});

Deno.test("a customer's server that is away: closing works by the platform alone, opening waits", loose, async () => {
  const byo = await app.tenant("byo-closed", "byo");
  const { id, port } = (await asPlatform(
    app.services,
    (tx) =>
      tx<{ id: string; port: number }>`select s.id, s.port from platform.servers s
        join platform.placements p on p.server_id = s.id join platform.tenants t on t.placement_id = p.id
        where t.id = ${byo.id}`,
  ))[0];
  const move = (to: number) =>
    asPlatform(app.services, (tx) => tx`update platform.servers set port = ${to} where id = ${id}`);
  assert.equal((await visit(second, byo)).status, 200);
  await must(byo, "suspended", "closed");
  await must(byo, "active", "open");

  await move(1);
  await must(byo, "suspended", "unreachable");
  await app.until("the second process", async () => (await visit(second, byo)).body.code === "tenant_unavailable");
  assert.equal((await visit(app, byo)).body.code, "tenant_unavailable");
  assert.ok(app.lines.some((line) => line.includes('"level":"alarm"') && line.includes("could not be closed")));
  const opened = await setStatus(byo, "active");
  assert.equal(`${opened.status} ${opened.body.code}`, "422 byo_unreachable");

  await move(port);
  await must(byo, "suspended", "closed");
  await must(byo, "active", "open");
  assert.equal((await visit(second, byo)).status, 200);
  const told = ["suspended", "activated", "suspended", "gate_unreachable", "activated"].map((name) => `tenant.${name}`);
  assert.deepEqual((await eventsOf(byo)).slice(-5), told);
});

Deno.test("a job of a closed tenant waits, and is done when the tenant is opened", loose, async (t) => {
  const { services } = app;
  const asTenant = async <T>(work: Parameters<typeof services.doors.asTenant<T>>[1]) => {
    const record = await services.directory.byId(acme.id);
    const entering = { operation: "test", requestId: "", readOnly: false };
    return await services.doors.asTenant(await services.targets.context(record!, entering), work);
  };

  await t.step("also one that the queue has given up", async () => {
    const { id } = await asTenant((tx) => enqueue(tx, "invoices.run", { month: "2024-01" }, null));
    await must(acme, "suspended", "closed");
    const queue = await adminSql(services.servers.settings.platformDatabase);
    await queue`update pgboss.queue set retry_limit = 0 where name = ${TENANT_QUEUE.name}`;
    await services.queue.send(TENANT_QUEUE.name, {}, { id, tenantId: acme.id });
    await app.until("the queue to give up", async () => {
      const [job] = await queue`select state from pgboss.job where id = ${id}`;
      return job.state === "failed";
    });
    await queue`update pgboss.queue set retry_limit = ${TENANT_QUEUE.retryLimit} where name = ${TENANT_QUEUE.name}`;
    await queue.end();
    assert.ok(app.lines.some((line) => line.includes("A job waits: its tenant is closed") && line.includes(id)));
    await must(acme, "active", "open");
    assert.equal((await app.job(acme.admin, id)).status, "succeeded");
  });

  await t.step("and one that was running stops at its next statement, and begins again", async () => {
    const { id } = await asTenant((tx) => enqueue(tx, "test.closes", {}, null));
    await shared`update tenant.jobs set relayed_at = now() where id = ${id}`;
    let close = true;
    const kind = tenantJob({
      kind: "test.closes",
      params: z.object({}),
      run: async (job) => {
        if (close) await must(acme, "suspended", "closed");
        return { members: (await job.asTenant((tx) => tx`select id from tenant.members`)).length };
      },
    });
    const kinds = new Map([[kind.kind, kind]]);
    const queued = { id, tenantId: acme.id, data: {}, attempt: 1, lastAttempt: true };
    await assert.rejects(runTenantJob(services, kinds, queued), /The tenant is closed/);
    close = false;
    await shared`update app.gates set open = true where tenant_id = ${acme.id}`;
    await asPlatform(services, (tx) => tx`update platform.tenants set status = 'active' where id = ${acme.id}`);
    services.directory.forget(acme.id);
    await runTenantJob(services, kinds, queued);
    const job = await app.job(acme.admin, id);
    assert.deepEqual([job.status, job.result], ["succeeded", { members: 1 }]);
  });
});

Deno.test("SQLSTATE BH001 of a closed gate is answered 403", () => {
  const error = Object.assign(new Error("tenant is closed"), { code: "BH001" });
  assert.equal((fromDatabase(error) as { status: number }).status, 403);
});
