// PostgreSQL goes away under load and comes back: in order, and killed. The process lives on, answers 503 meanwhile, loses
// nothing that it acknowledged, and works again by itself, its worker included.
import assert from "node:assert/strict";
import { type Cluster, startCluster } from "../../src/embedded/cluster.ts";
import { bootApp, MEMBER_PASSWORD, type TestApp, type TestTenant } from "../support/app.ts";
import { testServer } from "../support/postgres.ts";

const loose = { sanitizeOps: false, sanitizeResources: false };
const VARIABLE = "BULKHEAD_TEST_SERVER";
let dir: string;
let cluster: Cluster;
let app: TestApp;
let tenant: TestTenant;

Deno.test.beforeAll(async () => {
  dir = await Deno.makeTempDir({ prefix: "bulkhead-test-own-" });
  cluster = await startCluster({ dir, name: "restarted", port: 54480, superuserPassword: "restarted", fast: true });
  const { user, password } = cluster.superuser;
  // The other test files keep theirs: this one has a server of its own to break.
  const theirs = Deno.env.get(VARIABLE);
  Deno.env.set(VARIABLE, `postgres://${user}:${password}@127.0.0.1:${cluster.port}/postgres`);
  await testServer();
  if (theirs === undefined) Deno.env.delete(VARIABLE);
  else Deno.env.set(VARIABLE, theirs);
  app = await bootApp();
  tenant = await app.tenant("restarted");
});
Deno.test.afterAll(async () => {
  await app.stop();
  await cluster.stop();
  await Deno.remove(dir, { recursive: true });
});

/** What a load has seen. */
interface Seen {
  statuses: Map<number, number>;
  odd: string[];
  /** Names of the buildings that were answered 201. */
  made: string[];
}

/** Reads and writes in four lanes until `work` is done. */
async function underLoad(work: () => Promise<void>): Promise<Seen> {
  const seen: Seen = { statuses: new Map(), odd: [], made: [] };
  let over = false;
  const lane = async (number: number) => {
    for (let i = 0; !over; i++) {
      const name = `${crypto.randomUUID()} of lane ${number}`;
      const { status, body, headers } = i % 2
        ? await app.ask("GET", "/v1/buildings?limit=5", { token: tenant.admin })
        : await app.ask("POST", "/v1/buildings", {
          token: tenant.admin,
          body: { name, address: "1", city: "C", country: "CA" },
        });
      seen.statuses.set(status, (seen.statuses.get(status) ?? 0) + 1);
      if (status === 201) seen.made.push(name);
      else if (status === 503) {
        if (!["database_unavailable", "overloaded"].includes(body.code)) seen.odd.push(JSON.stringify(body));
        if (!headers.has("retry-after")) seen.odd.push(`no Retry-After: ${body.detail}`);
      } else if (status !== 200) seen.odd.push(`${status} ${JSON.stringify(body)}`);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  };
  const lanes = [1, 2, 3, 4].map(lane);
  await work().finally(() => over = true);
  await Promise.all(lanes);
  return seen;
}

async function check(what: string, breakDown: () => Promise<void>): Promise<void> {
  let recovery = 0;
  const seen = await underLoad(async () => {
    await new Promise((resolve) => setTimeout(resolve, 300));
    await breakDown();
    const back = performance.now();
    for (const path of ["/ready", "/v1/buildings?limit=1"]) {
      await app.until(
        `an answer at ${path}`,
        async () => (await app.ask("GET", path, { token: tenant.admin })).status === 200,
        10_000,
      );
    }
    // Sign-ins are refused as long as they cannot be counted together with those of other processes.
    const credentials = { email: tenant.adminEmail, password: MEMBER_PASSWORD };
    await app.until(
      "a sign-in",
      async () => (await app.ask("POST", "/v1/auth/login", { tenant: tenant.slug, body: credentials })).status === 200,
      10_000,
    );
    recovery = performance.now() - back;
    await new Promise((resolve) => setTimeout(resolve, 300));
  });
  const statuses = [...seen.statuses].map(([status, count]) => `${status}: ${count}`).join(", ");
  console.log(`    ${what}: answers again after ${Math.round(recovery)} ms (${statuses})`);
  assert.deepEqual([...new Set(seen.odd)], []);
  assert.ok((seen.statuses.get(503) ?? 0) > 0, "It was not noticed");
  assert.ok(recovery < 5_000, `${recovery} ms`);
  await everythingIsThere(seen.made);
  await jobsRun(what);
}

async function everythingIsThere(made: string[]): Promise<void> {
  const names = new Set<string>();
  for (let cursor = ""; cursor !== null;) {
    const more = cursor && `&cursor=${encodeURIComponent(cursor)}`;
    const { status, body } = await app.ask("GET", `/v1/buildings?limit=200${more}`, { token: tenant.admin });
    assert.equal(status, 200, JSON.stringify(body));
    for (const item of body.items) names.add(item.name);
    cursor = body.next;
  }
  assert.deepEqual(made.filter((name) => !names.has(name)), [], "Acknowledged rows were lost");
}

/** A tenant's job and a provisioning, asked for after the restart. */
async function jobsRun(what: string): Promise<void> {
  const started = performance.now();
  const { status, body } = await app.ask("POST", "/v1/invoices/run", {
    token: tenant.admin,
    body: { month: "2011-12" },
  });
  assert.equal(status, 202, JSON.stringify(body));
  const job = await app.job(tenant.admin, body.job_id);
  assert.equal(job.status, "succeeded", JSON.stringify(job));
  const ms = performance.now() - started;
  console.log(`    ${what}: a job was done ${Math.round(ms)} ms after it was asked for`);
  assert.ok(ms < 15_000);
}

Deno.test("the platform outlives a restart of PostgreSQL under load, its worker too", loose, async () => {
  await check("restarted", () => cluster.restart());
  await app.tenant("after-restart");
});

Deno.test("the platform outlives a PostgreSQL that is killed and stays away for a while", loose, async () => {
  await check("killed", async () => {
    await cluster.kill();
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    const answer = await app.ask("GET", "/health");
    assert.equal(answer.status, 200);
    assert.equal((await app.ask("GET", "/ready")).status, 503);
    await cluster.restart();
  });
  await app.tenant("after-kill");
});
