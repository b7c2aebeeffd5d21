// The whole proof on PostgreSQL 15: tenants of all tiers come into being there by the saga, then rights, every attack on
// every table in every plan mode, a short random run, and the channels beside SQL.
import assert from "node:assert/strict";
import { ATTACKS } from "../../src/prove/attacks/catalogue.ts";
import { attackAll, prove } from "../../src/prove/prove.ts";
import { faultsOf } from "../../src/prove/report/report.ts";
import { makeScratch } from "../../src/prove/scratch.ts";
import { loose, testGrounds } from "../prove/stage.ts";
import { onPostgres15 } from "./programs.ts";

/** Attacks on views and functions with the rights of their definer; the rollout leaves none to the run-time login. */
const NOTHING_OF_THE_KIND = ["every view", "each view", "every function with other rights"];

if (onPostgres15()) {
  const scratch = await makeScratch(await testGrounds(), "t_fifteen");
  const [shared] = scratch.sites;
  Deno.test.afterAll(() => scratch.end());

  Deno.test("prove() passes on PostgreSQL 15 in all tiers, with every attack in every plan mode", loose, async () => {
    const report = await prove(scratch, { quick: false, seed: 15, operations: 3_000 });
    assert.deepEqual(faultsOf(report), []);
    assert.equal(Math.floor(report.serverVersion / 10_000), 15);
    for (const { tier, admin, tables } of scratch.sites) {
      const [{ version }] = await admin`select current_setting('server_version_num')::int / 10000 as version`;
      assert.equal(version, 15, tier);
      assert.deepEqual(tables.map(({ name }) => name), report.tables, tier);
      const tried = report.attacks.filter((one) => one.tier === tier);
      assert.deepEqual(tried.map(({ name }) => name), ATTACKS.map(({ name }) => name), tier);
      const untried = tried.filter(({ tries }) => tries === 0).map(({ name }) => name);
      assert.deepEqual(untried.filter((name) => !NOTHING_OF_THE_KIND.includes(name)), [], tier);
    }
    const tries = report.attacks.reduce((sum, one) => sum + one.tries, 0);
    console.log(`    ${report.tables.length} tables, ${ATTACKS.length} attacks, ${tries} tries: 0 leaks`);
  });

  Deno.test("the attacks find a table on PostgreSQL 15 whose guard lets everything through", loose, async () => {
    const guard = "(tenant_id = (select coalesce((select tenant_id from app.entered), app.tenant_id())))";
    await shared.admin.unsafe(`alter policy tenant_guard on tenant.renters using (true) with check (true)`);
    try {
      const leaks = (await attackAll(scratch, true)).flatMap((one) => one.leaks);
      assert.ok(leaks.length > 20, `${leaks.length} leaks were found`);
    } finally {
      await shared.admin.unsafe(`alter policy tenant_guard on tenant.renters using ${guard} with check ${guard}`);
    }
  });
}
