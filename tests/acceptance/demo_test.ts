// The demo as a stranger runs it: what it finds out, what it leaves behind, how it starts again, fails and stops.
import assert from "node:assert/strict";
import { join } from "node:path";
import postgres from "postgres";
import { command, type Ended, isAlive, readRunFile, removeHome, start, temporaryHome } from "./platform.ts";
import { Client } from "./client.ts";
import { reckon, SAMPLE } from "./reckoning.ts";

const loose = { sanitizeOps: false, sanitizeResources: false };
const home = temporaryHome();
let first: Ended;
// deno-lint-ignore no-explicit-any -- the demo's own document
let told: any;

Deno.test.afterAll(() => removeHome(home));

Deno.test("demo --once --json tells the whole story and leaves nothing running", loose, async () => {
  const running = command(home, ["demo", "--once", "--json"]);
  let seen: number[] = [];
  const watch = setInterval(() => seen = [...new Set([...seen, ...running.processes()])], 200);
  first = await running.ended.finally(() => clearInterval(watch));
  assert.equal(first.code, 0, first.stderr);
  told = JSON.parse(first.stdout);
  assert.equal(told.ok, true);
  assert.equal(readRunFile(home), undefined);
  assert.deepEqual(seen.filter(isAlive), []);
  console.log(`    first run: ${Math.round(first.ms)} ms`);
});

Deno.test("demo --json has the numbers of the sample file", loose, () => {
  const tenants: [string, string][] = told.tenants.map((tenant: Record<string, string>) => [tenant.slug, tenant.tier]);
  assert.deepEqual(tenants.map(([, tier]) => tier).sort(), ["byo", "dedicated", "shared"]);
  const databases = told.tenants.map(({ placement }: { placement: { server: string; database: string } }) =>
    `${placement.server}/${placement.database}`
  );
  assert.equal(new Set(databases).size, 3);
  assert.deepEqual(
    told.imports.map((i: Record<string, number>) => [i.lines, i.accepted, i.rejected]),
    Array(3).fill([2712, 2712, 0]),
  );
  const expected = reckon(Deno.readTextFileSync(SAMPLE), "2011-12");
  assert.deepEqual(expected.quantities, { off_peak: "241.35", mid_peak: "55.41", on_peak: "52.71" });
  for (const invoice of told.invoices) {
    const quantities = Object.fromEntries(
      invoice.items.map((item: Record<string, string>) => [item.zone, item.quantity]),
    );
    assert.deepEqual(quantities, expected.quantities);
    assert.deepEqual([invoice.subtotal, invoice.total, invoice.currency], ["25.7541", "25.75", "CAD"]);
  }
  assert.ok(told.tenants.every((tenant: Record<string, number>) => tenant.provisioning_ms > 0));
  assert.ok(told.reports.every((report: Record<string, number>) => report.csv_bytes > 0 && report.json_bytes > 0));
  const { http, sql } = told.isolation;
  assert.ok(http.calls > 300 && sql.attempts > 200, JSON.stringify(told.isolation));
  assert.deepEqual([http.leaks, sql.rows], [0, 0]);
});

Deno.test("demo keeps its data, serves, tells where by run.json, and stops in order at SIGINT", loose, async (t) => {
  // Somebody else has both servers' ports meanwhile: they find others, and the customer's tenant is still reached.
  const taken = [...new Set(told.tenants.map((tenant: { placement: { server: string } }) => tenant.placement.server))]
    .map((server) => Deno.listen({ hostname: "127.0.0.1", port: Number(String(server).split(":")[1]) }));
  const platform = await start(home, ["demo", "--json"]);
  const again = await (async () => {
    for (;;) {
      try {
        return JSON.parse(platform.stdout());
      } catch {
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }
  })();
  await t.step("the same tenants are there, and it was quicker", () => {
    const ids = (story: typeof told) => story.tenants.map((tenant: { tenant_id: string }) => tenant.tenant_id);
    assert.deepEqual(ids(again), ids(told));
    assert.ok(again.tenants.every((tenant: { existed: boolean }) => tenant.existed));
    assert.deepEqual(
      again.imports.map((i: Record<string, number>) => [i.accepted, i.unchanged]),
      Array(3).fill([0, 2712]),
    );
    assert.deepEqual(again.invoices, told.invoices);
    assert.ok(again.ms < told.ms, `${again.ms} ms after ${told.ms} ms`);
    console.log(`    second run: ${again.ms} ms`);
  });
  await t.step("run.json is for its owner only, and what it says works", async () => {
    if (Deno.build.os !== "windows") assert.equal(Deno.statSync(join(home, "run.json")).mode! & 0o777, 0o600);
    assert.equal(platform.run.pid, platform.pid);
    for (const login of ["admin", "platform", "queue", "migrator", "tenant", "customer"]) {
      assert.match(platform.run.databases[login], /^postgres:\/\/[\w-]+:[^@]+@127\.0\.0\.1:\d+\/\w+$/, login);
    }
    const client = new Client(platform.run.url);
    await client.expect(200, "GET", "/ready");
    await client.expect(200, "POST", "/v1/operators/login", { body: platform.run.operator });
  });
  await t.step("a second program on the same folder is refused, and says whom to stop", async () => {
    const refused = await command(home, ["demo", "--once", "--json"]).ended;
    assert.notEqual(refused.code, 0);
    assert.match(refused.stderr, new RegExp(`process ${platform.pid}\\b.*${platform.run.url}`));
    assert.equal(JSON.parse(refused.stdout).ok, false);
    const reset = await command(home, ["reset", "--yes"]).ended;
    assert.notEqual(reset.code, 0);
    await new Client(platform.run.url).expect(200, "GET", "/ready");
  });
  taken.forEach((listener) => listener.close());
  await t.step("SIGINT ends it with 0 and leaves no process, no port and no run.json", async () => {
    const processes = platform.processes();
    const { code, stderr } = await platform.stop();
    assert.equal(code, 0, stderr);
    assert.equal(readRunFile(home), undefined);
    assert.deepEqual(processes.filter(isAlive), []);
    const ports = [platform.run.url, platform.run.databases.tenant, platform.run.databases.customer]
      .map((url) => Number(new URL(url).port));
    for (const port of ports) await assert.rejects(Deno.connect({ port }), Deno.errors.ConnectionRefused);
  });
});

Deno.test("demo --once ends with 1 and says which step failed", loose, async () => {
  const path = join(home, "secrets.json");
  const secrets = Deno.readTextFileSync(path);
  const content = JSON.parse(secrets);
  content.passwords["demo-maple-court"] = "not the password of this tenant";
  Deno.writeTextFileSync(path, JSON.stringify(content));
  const failed = await command(home, ["demo", "--once", "--json"]).ended;
  assert.equal(failed.code, 1, failed.stderr);
  const { ok, error, steps } = JSON.parse(failed.stdout);
  assert.equal(ok, false);
  assert.match(error, /does not get in with the demo.s password any more: run "deno task reset"/);
  assert.equal(steps.at(-1).step, "Harbour Homes becomes a tenant");
  assert.ok(!`${failed.stdout}${failed.stderr}`.includes("not the password of this tenant"));
  Deno.writeTextFileSync(path, secrets);
});

Deno.test("demo --once ends with 1 when its database server cannot be reached", loose, async () => {
  const elsewhere = temporaryHome();
  const env = { DATABASE_URL: "postgres://nobody:a-secret-password@127.0.0.1:9/none" };
  const failed = await command(elsewhere, ["demo", "--once", "--json"], env).ended;
  assert.equal(failed.code, 1);
  assert.equal(JSON.parse(failed.stdout).ok, false);
  assert.ok(!`${failed.stdout}${failed.stderr}`.includes("a-secret-password"));
  await removeHome(elsewhere);
});

Deno.test("db deploy changes nothing the second time, and db status says so", loose, async () => {
  const deployed = await command(home, ["db", "deploy", "--json"]).ended;
  assert.equal(deployed.code, 0, deployed.stderr);
  const report = JSON.parse(deployed.stdout);
  assert.deepEqual([report.platform.applied, report.shared.applied], [[], []]);
  const status = await command(home, ["db", "status", "--json"]).ended;
  assert.equal(status.code, 0, status.stderr);
  const states: { plane: string; appliedAt: string | null; changed: boolean }[] = JSON.parse(status.stdout);
  assert.deepEqual(new Set(states.map((state) => state.plane)), new Set(["platform", "tenant"]));
  assert.ok(states.every((state) => state.appliedAt !== null && !state.changed));
});

Deno.test("what a killed program leaves behind is healed, and a changed migration is refused", loose, async () => {
  const platform = await start(home, ["dev"]);
  const processes = platform.processes();
  const admin = new URL(platform.run.databases.admin);
  admin.pathname = new URL(platform.run.databases.platform).pathname;
  const sql = postgres(admin.href, { max: 1 });
  await sql`update platform.migrations set sha256 = 'of another file' where name like '0002%'`;
  await sql.end();
  Deno.kill(platform.pid, "SIGKILL");
  await platform.ended;
  assert.notEqual(readRunFile(home), undefined);
  const status = await command(home, ["db", "status"]).ended;
  assert.equal(status.code, 1, status.stdout);
  assert.match(status.stdout, /0002\S+ +CHANGED/);
  assert.equal(readRunFile(home), undefined);
  const refused = await command(home, ["demo", "--once"]).ended;
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /0002\S+/);
  assert.deepEqual(processes.filter(isAlive), []);
});

Deno.test("reset asks, and removes everything with --yes", loose, async () => {
  const asked = await command(home, ["reset"]).ended;
  assert.equal(asked.code, 0, asked.stderr);
  assert.match(asked.stdout, /Nothing was removed/);
  Deno.statSync(join(home, "secrets.json"));
  const removed = await command(home, ["reset", "--yes"]).ended;
  assert.equal(removed.code, 0, removed.stderr);
  assert.throws(() => Deno.statSync(home), Deno.errors.NotFound);
});
