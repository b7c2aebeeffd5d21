// The `.bulkhead/` folder: its lock, its secrets, what it tells others, its removal; as root also where the server's user
// cannot reach the project.

import assert from "node:assert/strict";
import { join } from "node:path";
import postgres from "postgres";
import { startCluster } from "../../src/embedded/cluster.ts";
import { HomeInUse, openHome, removeHome } from "../../src/embedded/home.ts";
import { outsideFolder } from "../../src/embedded/outside.ts";

async function withFolder(test: (dir: string) => Promise<void>): Promise<void> {
  const parent = await Deno.makeTempDir({ prefix: "bulkhead-test-" });
  try {
    await test(join(parent, ".bulkhead"));
  } finally {
    await Deno.remove(parent, { recursive: true });
  }
}

async function mode(path: string): Promise<number> {
  return ((await Deno.stat(path)).mode ?? 0) & 0o777;
}

async function isThere(path: string): Promise<boolean> {
  return await Deno.lstat(path).then(() => true, () => false);
}

Deno.test("openHome() lets one process in at a time and names the pid and URL of the one inside", () =>
  withFolder(async (dir) => {
    const home = await openHome(dir);
    await assert.rejects(openHome(dir), (error) => error instanceof HomeInUse && error.pid === Deno.pid);
    await home.writeRunFile({ url: "http://localhost:8000" });
    await assert.rejects(openHome(dir), new RegExp(`process ${Deno.pid} .*http://localhost:8000`));
    await home.release();
    await home.release();
    await (await openHome(dir)).release();
  }));

Deno.test("openHome() heals what a killed process left: its lock and its run.json", () =>
  withFolder(async (dir) => {
    const module = new URL("../../src/embedded/home.ts", import.meta.url).href;
    const program = `const { openHome } = await import(${JSON.stringify(module)});
      const home = await openHome(${JSON.stringify(dir)});
      await home.writeRunFile({ url: "http://localhost:8000" });
      Deno.kill(Deno.pid, "SIGKILL");`;
    await new Deno.Command(Deno.execPath(), { args: ["eval", program] }).output();
    assert.ok(await isThere(join(dir, "run.json")));
    const home = await openHome(dir);
    assert.ok(!await isThere(join(dir, "run.json")));
    await home.release();
  }));

Deno.test("writeRunFile() writes for the owner only, and release() removes it", () =>
  withFolder(async (dir) => {
    const home = await openHome(dir);
    for (const url of ["http://localhost:1", "http://localhost:2"]) {
      await home.writeRunFile({ url });
      assert.equal(JSON.parse(await Deno.readTextFile(join(dir, "run.json"))).url, url);
      assert.equal(await mode(join(dir, "run.json")), 0o600);
    }
    await home.release();
    assert.ok(!await isThere(join(dir, "run.json")));
  }));

Deno.test("openHome() makes a key and passwords once and keeps them for the owner only", () =>
  withFolder(async (dir) => {
    const first = await openHome(dir);
    const { masterKey } = first.secrets;
    const passwords = await Promise.all(["main", "customer", "main"].map((name) => first.secrets.password(name)));
    await first.release();
    assert.equal(atob(masterKey).length, 32);
    assert.equal(passwords[0], passwords[2]);
    assert.notEqual(passwords[0], passwords[1]);
    assert.equal(await mode(join(dir, "secrets.json")), 0o600);
    assert.equal(await mode(await first.folder("mail")), 0o700);
    const second = await openHome(dir);
    assert.equal(second.secrets.masterKey, masterKey);
    assert.equal(await second.secrets.password("customer"), passwords[1]);
    await second.release();
  }));

Deno.test("openHome() refuses damaged secrets instead of making new ones", () =>
  withFolder(async (dir) => {
    await (await openHome(dir)).release();
    await Deno.writeTextFile(join(dir, "secrets.json"), '{"master_key":"c2hvcnQ="}');
    await assert.rejects(openHome(dir), /it is damaged/);
    await assert.rejects(openHome(dir), /it is damaged/);
  }));

Deno.test("removeHome() asks first, refuses while a process lives in it, then removes everything", () =>
  withFolder(async (dir) => {
    assert.equal(await removeHome(dir, { yes: true }), false);
    const home = await openHome(dir);
    await assert.rejects(removeHome(dir, { yes: true }), HomeInUse);
    await home.release();
    assert.equal(await removeHome(dir, { ask: () => false }), false);
    assert.ok(await isThere(dir));
    assert.equal(await removeHome(dir, { ask: () => true }), true);
    assert.ok(!await isThere(dir));
  }));

Deno.test({
  name: "startCluster() as root keeps its data outside a folder that others cannot enter, and removeHome() finds it",
  ignore: Deno.uid() !== 0,
  fn: () =>
    withFolder(async (dir) => {
      // The parent is closed to everyone but root, as "/root" is.
      const clusters = (await openHome(dir).then(async (home) => (await home.release(), home))).clusters;
      const start = (name: string) =>
        startCluster({ dir: clusters, name, port: 54600, superuserPassword: "one", fast: true });
      const firsts = await Promise.all([start("main"), start("customer")]);
      assert.notEqual(firsts[0].port, firsts[1].port);
      const sql = postgres({ ...firsts[0].superuser, max: 1 });
      await sql`create table kept ()`;
      await sql.end();
      for (const cluster of firsts) await cluster.stop();
      const outside = await outsideFolder(clusters);
      assert.ok(
        outside && await isThere(join(outside, "main", "data")) && await isThere(join(outside, "customer", "data")),
      );
      assert.ok(!await isThere(join(clusters, "main")));
      const second = await start("main");
      const again = postgres({ ...second.superuser, max: 1 });
      assert.equal((await again`select to_regclass('kept') is not null as there`)[0].there, true);
      await again.end();
      await second.stop();
      assert.equal(await removeHome(dir, { yes: true }), true);
      assert.ok(!await isThere(outside));
    }),
});
