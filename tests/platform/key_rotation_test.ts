// The keys that sign tenant contexts are rotated under load, in three tiers and from three processes, one of which hears
// of nothing; no request notices. Contexts that do not stand are refused with 403 and an alarm.
import assert from "node:assert/strict";
import { newId } from "../../src/db/ids.ts";
import { readKeys } from "../../src/platform/placements/keys.ts";
import type { Placement } from "../../src/platform/placements/model.ts";
import { findPlacementOf } from "../../src/platform/placements/queries.ts";
import { rotateContextKey } from "../../src/platform/placements/rotation.ts";
import { signContext, type Signer } from "../../src/tenancy/context.ts";
import { LIFE_MS } from "../../src/tenancy/directory.ts";
import { bootApp, MASTER_KEY, type TestApp, type TestProcess, type TestTenant } from "../support/app.ts";
import { asPlatform } from "./setup.ts";

let app: TestApp;
/** Hears of changes. */
let second: TestProcess;
/** Believes for 10 seconds what it has read. */
let deaf: TestProcess;
let tenants: TestTenant[];
Deno.test.beforeAll(async () => {
  app = await bootApp();
  tenants = [];
  for (const tier of ["shared", "dedicated", "byo"] as const) tenants.push(await app.tenant(`keys-${tier}`, tier));
  second = await app.secondProcess();
  deaf = await app.secondProcess({ listen: false });
});
Deno.test.afterAll(async () => {
  for (const process of [second, deaf, app]) await process.stop();
});

const loose = { sanitizeOps: false, sanitizeResources: false };
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const actor = "command:test";

/** Reads the tenant's members in a process: a table that is never empty. */
const visit = (process: TestProcess, tenant: TestTenant) => process.ask("GET", "/v1/members", { token: tenant.admin });

async function placementOf(tenant: TestTenant): Promise<Placement> {
  return (await asPlatform(app.services, (tx) => findPlacementOf(tx, tenant.id)))!;
}

/** Ids of the keys that a tenant's placement accepts. */
async function accepted(tenant: TestTenant): Promise<number[]> {
  const keys = await readKeys(app.services, await placementOf(tenant));
  return keys.filter((key) => key.retired_at === null).map((key) => key.id);
}

/** Reads as a tenant with a context signed by hand. */
async function enter(tenant: TestTenant, sign: (pid: number) => string): Promise<number> {
  const record = await app.services.directory.byId(tenant.id);
  const entering = { operation: "test", requestId: "", readOnly: true };
  const context = { ...await app.services.targets.context(record!, entering), sign, caller: undefined };
  return (await app.services.doors.asTenant(context, (tx) => tx`select id from tenant.members`)).length;
}

async function signerOf(tenant: TestTenant, keyId: number): Promise<Signer> {
  return app.services.servers.signer((await placementOf(tenant)).id, keyId);
}

/** Visits all tenants in all processes without a pause until `stop()`, which gives every answer. */
function underLoad() {
  const seen: { status: number; ms: number }[] = [];
  let stopped = false;
  const lanes = [app, second, deaf].flatMap((process) =>
    tenants.map(async (tenant) => {
      while (!stopped) {
        const began = performance.now();
        const { status } = await visit(process, tenant);
        seen.push({ status, ms: performance.now() - began });
        await pause(2);
      }
    })
  );
  return async () => {
    stopped = true;
    await Promise.all(lanes);
    return seen;
  };
}

Deno.test("rotateContextKey() under load fails no request, in any process and tier", loose, async (t) => {
  const stop = underLoad();
  await pause(300);

  await t.step("while both keys are accepted", async () => {
    for (const tenant of tenants) {
      const { id } = await placementOf(tenant);
      const started = performance.now();
      // Longer than a process believes what it read, which is all that counts for requests as short as these.
      const rotation = await rotateContextKey(app.services, id, { actor, retireAfter: LIFE_MS / 1000 + 1 });
      console.log(`    ${tenant.tier}: rotated in ${Math.round(performance.now() - started)} ms`);
      assert.deepEqual([rotation.from, rotation.to], [1, 2]);
      assert.deepEqual(await accepted(tenant), [1, 2]);
      for (const key of [1, 2]) {
        const signer = await signerOf(tenant, key);
        assert.equal(await enter(tenant, (pid) => signContext(signer, tenant.id, null, pid)), 1);
      }
    }
    assert.equal((await deaf.services.directory.byId(tenants[0].id))?.placement.key_id, 1, "it has not heard of it");
  });

  await t.step("and when the job has retired the old ones", async () => {
    for (const tenant of tenants) {
      await app.until(`key 1 of ${tenant.tier} to be retired`, async () => (await accepted(tenant)).join() === "2");
    }
    await pause(500);
  });

  const seen = await stop();
  const failed = seen.filter(({ status }) => status !== 200);
  const times = seen.map(({ ms }) => ms).sort((a, b) => a - b);
  const p99 = times[Math.floor(times.length * 0.99)];
  console.log(`    ${seen.length} requests, ${failed.length} failed, p99 ${p99.toFixed(1)} ms`);
  assert.ok(seen.length > 1_000);
  assert.equal(failed.length, 0);
  assert.ok(!app.lines.some((line) => line.includes('"level":"alarm"')));
  const events = await app.ask("GET", "/v1/events?limit=200", { token: await app.operator() });
  const types = events.body.items.map((event: { type: string }) => event.type);
  for (const type of ["placement.key_rotated", "placement.keys_retired"]) {
    assert.equal(types.filter((one: string) => one === type).length, 3);
  }
});

Deno.test("a context that does not stand is refused with 403 and an alarm", loose, async () => {
  const signer = await signerOf(tenants[0], 2);
  const sign = (pid: number, now?: number) => signContext(signer, tenants[0].id, null, pid, now);
  const unknown = await signerOf(tenants[0], 77);
  const retired = await signerOf(tenants[0], 1);
  const others = await signerOf(tenants[1], 2);
  const contexts: Record<string, (pid: number) => string> = {
    "an unknown key": (pid) => signContext(unknown, tenants[0].id, null, pid),
    "a retired key": (pid) => signContext(retired, tenants[0].id, null, pid),
    "another placement's key": (pid) => signContext(others, tenants[0].id, null, pid),
    "a key that is named wrongly": (pid) => signContext({ ...unknown, keyId: 2 }, tenants[0].id, null, pid),
    "an expired proof": (pid) => sign(pid, Date.now() - 60_000),
    "a proof that is good for too long": (pid) => sign(pid, Date.now() + 60_000),
    "another backend": (pid) => sign(pid + 1),
    "another tenant": (pid) => signContext(signer, newId(), null, pid),
    "no proof": () => "",
  };
  assert.equal(await enter(tenants[0], sign), 1);
  for (const [what, context] of Object.entries(contexts)) {
    const before = app.lines.length;
    await assert.rejects(enter(tenants[0], context), { code: "context_refused", status: 403 }, what);
    const alarms = app.lines.slice(before).filter((line) => line.includes('"level":"alarm"'));
    assert.equal(alarms.length, 1, what);
    assert.equal(JSON.parse(alarms[0]).tenant, tenants[0].id, what);
  }
});

Deno.test(
  "rotateContextKey() with retireAfter 0 shuts out at once what has not heard of the new key",
  loose,
  async () => {
    const [tenant] = tenants;
    for (const process of [second, deaf]) assert.equal((await visit(process, tenant)).status, 200);
    const { id } = await placementOf(tenant);
    await rotateContextKey(app.services, id, { actor, retireAfter: 0 });
    assert.deepEqual(await accepted(tenant), [3]);
    const refused = await visit(deaf, tenant);
    assert.equal(`${refused.status} ${refused.body.code}`, "403 context_refused");
    assert.ok(deaf.lines.some((line) => line.includes('"level":"alarm"') && line.includes("context refused")));
    const started = performance.now();
    await app.until("the process that hears", async () => (await visit(second, tenant)).status === 200);
    assert.ok(performance.now() - started < 7_000, "before its memory ends by itself");
    deaf.services.directory.forgetAll(); // what its 10 seconds would do
    assert.equal((await visit(deaf, tenant)).status, 200);
  },
);

Deno.test(
  "rotateContextKey() goes on where one was cut off, and two at once do not disturb each other",
  loose,
  async (t) => {
    const [, tenant] = tenants;
    const { id, key_id } = await placementOf(tenant);

    await t.step("after the key was added, before it was switched to", async () => {
      const broken = Object.assign(Object.create(Object.getPrototypeOf(app.services.queue)), {
        sendWith: () => Promise.reject(new Error("The process died")),
      });
      await assert.rejects(rotateContextKey({ ...app.services, queue: broken }, id, { actor }), /The process died/);
      assert.deepEqual(await accepted(tenant), [key_id, key_id + 1]);
      assert.equal((await placementOf(tenant)).key_id, key_id, "nothing is signed with it yet");
      const { to } = await rotateContextKey(app.services, id, { actor });
      assert.equal(to, key_id + 1);
    });

    await t.step("two at once", async () => {
      const rotations = await Promise.allSettled([1, 2].map(() => rotateContextKey(app.services, id, { actor })));
      const done = rotations.filter(({ status }) => status === "fulfilled").length;
      assert.ok(done >= 1);
      for (const one of rotations) if (one.status === "rejected") assert.equal(one.reason.code, "conflict");
      assert.equal((await placementOf(tenant)).key_id, key_id + 1 + done);
      for (const process of [app, second, deaf]) assert.equal((await visit(process, tenant)).status, 200);
    });

    await t.step("a platform that was set back to a retired key gets a fresh one", async () => {
      const { key_id: current } = await placementOf(tenant);
      await rotateContextKey(app.services, id, { actor, retireAfter: 0 });
      await asPlatform(app.services, (tx) => tx`update platform.placements set key_id = ${current} where id = ${id}`);
      await app.until("the refusal", async () => (await visit(second, tenant)).body.code === "context_refused");
      const { to } = await rotateContextKey(app.services, id, { actor, retireAfter: 0 });
      assert.equal(to, current + 1);
      await app.until("the answer", async () => (await visit(second, tenant)).status === 200);
      deaf.services.directory.forgetAll();
    });

    await t.step("not for a placement that is not there or not ready", async () => {
      await assert.rejects(rotateContextKey(app.services, newId(), { actor }), { code: "not_found" });
      await asPlatform(app.services, (tx) => tx`update platform.placements set state = 'failed' where id = ${id}`);
      await assert.rejects(rotateContextKey(app.services, id, { actor }), { code: "invalid_state" });
      await asPlatform(app.services, (tx) => tx`update platform.placements set state = 'ready' where id = ${id}`);
    });
  },
);

/** Runs the program on the test's platform. */
async function command(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const { host, port, platformDatabase } = app.services.servers.settings;
  const env = {
    DATABASE_URL: `postgres://${host}:${port}/${platformDatabase}`,
    BULKHEAD_MASTER_KEY: MASTER_KEY,
    BYO_ALLOW: "127.0.0.0/8",
  };
  const main = new URL("../../src/main.ts", import.meta.url).pathname;
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), { args: ["run", "-A", main, ...args], env })
    .output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, out: text(stdout), err: text(stderr) };
}

Deno.test("`keys list` and `keys rotate` work beside the processes that serve", loose, async () => {
  const stop = underLoad();
  const rotated = await command("keys", "rotate", "--all", "--json");
  assert.equal(rotated.code, 0, rotated.err);
  const outcomes = JSON.parse(rotated.out);
  assert.deepEqual(outcomes.map((one: { kind: string }) => one.kind).sort(), ["byo", "dedicated", "shared"]);
  for (const tenant of tenants) {
    const { id, key_id } = await placementOf(tenant);
    assert.equal(outcomes.find((one: { placement_id: string }) => one.placement_id === id).to, key_id);
    assert.ok((await accepted(tenant)).includes(key_id - 1), "the old key is accepted for an hour more");
  }
  const seen = await stop();
  const failed = seen.filter(({ status }) => status !== 200).length;
  console.log(`    ${seen.length} requests, ${failed} failed`);
  assert.equal(failed, 0);

  const listed = await command("keys", "list");
  assert.equal(listed.code, 0, listed.err);
  assert.match(listed.out, /shared +signs with key 4; accepted: 3, 4/);
  const neither = await command("keys", "rotate");
  assert.equal(neither.code, 1);
  assert.match(neither.err, /Give either "--placement <id>" or "--all"/);
});
