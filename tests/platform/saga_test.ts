// The saga cut off at every point: whatever the point, the next run ends in the same state, and a run that comes back
// from the dead changes nothing. Some runs are other processes, killed for real.
import assert from "node:assert/strict";
import { STEPS } from "../../src/platform/provisioning/steps.ts";
import { bootApp, type TestApp } from "../support/app.ts";
import { adminSql, secondTestServer } from "../support/postgres.ts";
import { approveUnqueued, asPlatform, customerDatabase, read, runSaga, submit } from "./setup.ts";

const POINTS = [
  "record: written",
  ...STEPS.flatMap(({ names: [name] }) => [`${name}: acted`, `${name}: written`]),
];
/** Seconds; what is given up is taken over soon. */
const LEASE = 0.05;

let app: TestApp;
Deno.test.beforeAll(async () => {
  app = await bootApp({ worker: false });
});
Deno.test.afterAll(() => app.stop());

const loose = { sanitizeOps: false, sanitizeResources: false };

async function approved(slug: string, tier: string): Promise<{ id: string; drop(): Promise<void> }> {
  const customer = tier === "byo" ? await customerDatabase() : null;
  const id = await submit(app, slug, { tier, ...(customer && { byo: customer.byo }) });
  await approveUnqueued(app, id, tier);
  return { id, drop: async () => void await customer?.drop() };
}

/** Everything that provisioning leaves behind, as far as it must be the same whatever happened on the way. */
async function endState(id: string) {
  const application = await read(app, `/v1/applications/${id}`);
  const tenant = await read(app, `/v1/tenants/${application.tenant_id}`);
  const { items } = await read(app, `/v1/events?application_id=${id}&limit=100`);
  const types = items.map((event: { type: string }) => event.type).filter((type: string) =>
    type !== "tenant.setup_mail_sent"
  );
  const placement = tenant.placement;
  const sql = await adminSql(placement.database, placement.kind === "byo" ? await secondTestServer() : undefined);
  const [inside] = await sql`select
    (select count(*)::int from tenant.members where tenant_id = ${tenant.id}) as members,
    (select count(*)::int from app.gates where tenant_id = ${tenant.id} and open) as gates,
    (select count(*)::int from app.keys) as keys,
    (select count(*)::int from reference.tariff_zones) as zones`;
  await sql.end();
  const [rows] = await asPlatform(app.services, (tx) =>
    tx`select
      (select count(*)::int from platform.placements p where kind <> 'shared'
        and not exists (select from platform.tenants t where t.placement_id = p.id)) as orphaned_placements,
      (select count(*)::int from platform.account_tokens
        where tenant_id = ${tenant.id} and purpose = 'setup' and used_at is null) as tokens,
      (select count(*)::int from platform.servers s where kind = 'byo'
        and not exists (select from platform.placements p where p.server_id = s.id)) as orphaned_servers`);
  return {
    application: application.status,
    failure: application.failure,
    tenant: tenant.status,
    placement: [placement.kind, placement.state],
    steps: application.steps.map((step: { state: string }) => step.state),
    events: types.sort(),
    inside,
    rows,
  };
}

async function cutOff(id: string, at: string) {
  let reached = () => {};
  let release = () => {};
  const here = new Promise<void>((resolve) => reached = resolve);
  const later = new Promise<void>((resolve) => release = resolve);
  const checkpoint = (point: string) => {
    if (point !== at) return Promise.resolve();
    reached();
    return later;
  };
  const run = runSaga(app.services, id, { leaseSeconds: LEASE, checkpoint });
  run.catch(() => {});
  await Promise.race([here, run.then(() => assert.fail(`The run never came to "${at}"`))]);
  return { run, release };
}

const pause = (seconds: number) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));

/** A customer's server costs the most time and differs only where its database is touched first. */
const CUTS: Record<string, string[]> = {
  shared: POINTS,
  dedicated: POINTS,
  byo: ["placement: acted", "placement: written", "migrations: acted", "open: acted"],
};

for (const [tier, points] of Object.entries(CUTS)) {
  Deno.test(`provision() ends alike wherever a run was cut off before, tier ${tier}`, loose, async () => {
    const whole = await approved(`whole-${tier}`, tier);
    await runSaga(app.services, whole.id, { leaseSeconds: LEASE });
    const expected = await endState(whole.id);
    assert.deepEqual([expected.application, expected.tenant], ["provisioned", "active"]);
    assert.ok(expected.steps.every((state: string) => state === "done"));
    assert.deepEqual({ ...expected.inside }, { members: 1, gates: 1, keys: 1, zones: 3 });
    assert.deepEqual({ ...expected.rows }, { tokens: 1, orphaned_placements: 0, orphaned_servers: 0 });

    for (const [at, point] of points.entries()) {
      const cut = await approved(`cut-${tier}-${at}`, tier);
      const dead = await cutOff(cut.id, point);
      await pause(LEASE * 1.5);
      await runSaga(app.services, cut.id, { leaseSeconds: 5 });
      assert.deepEqual(await endState(cut.id), expected, point);
      dead.release();
      await dead.run.catch(() => {});
      assert.deepEqual(await endState(cut.id), expected, `${point}, after the first run came back`);
      await cut.drop();
    }
    await whole.drop();
  });
}

Deno.test("provision() lets no second run in while the lease holds", loose, async () => {
  const { id } = await approved("leased", "shared");
  const first = await cutOff(id, "seed: acted");
  await asPlatform(
    app.services,
    (tx) => tx`update platform.applications set lease_until = now() + interval '1 minute' where id = ${id}`,
  );
  await assert.rejects(runSaga(app.services, id), /Another run provisions/);
  await assert.rejects(
    runSaga(app.services, id, { lastAttempt: true }).then(() => {
      throw new Error("left alone");
    }),
    /left alone/,
  );
  assert.equal((await read(app, `/v1/applications/${id}`)).status, "provisioning");
  first.release();
  await first.run;
  assert.equal((await endState(id)).application, "provisioned");
});

Deno.test("provision() of one application by many at once makes one tenant", loose, async () => {
  const { id } = await approved("crowded", "dedicated");
  const results = await Promise.allSettled(Array.from({ length: 6 }, () => runSaga(app.services, id)));
  assert.equal(results.filter((result) => result.status === "fulfilled").length, 1);
  const { inside, events } = await endState(id);
  assert.equal(inside.members, 1);
  assert.equal(events.filter((type: string) => type === "tenant.created").length, 1);
});

Deno.test("provision() is taken up after its process was killed", loose, async () => {
  const { settings, masterKey } = app.services.servers;
  for (const [at, point] of ["placement: acted", "migrations: acted", "admin: acted", "open: acted"].entries()) {
    const { id } = await approved(`killed-${at}`, "dedicated");
    const child = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-check", new URL("./killed_run.ts", import.meta.url).pathname],
      env: { RUN: JSON.stringify({ settings, masterKey: [...masterKey], id, point, leaseSeconds: LEASE }) },
      stdout: "null",
      stderr: "piped",
    });
    const { signal, stderr } = await child.output();
    assert.equal(signal, "SIGKILL", new TextDecoder().decode(stderr));
    await pause(LEASE * 1.5);
    await runSaga(app.services, id);
    const end = await endState(id);
    assert.deepEqual([end.application, end.tenant, end.inside.members, end.rows.tokens], [
      "provisioned",
      "active",
      1,
      1,
    ]);
  }
});
