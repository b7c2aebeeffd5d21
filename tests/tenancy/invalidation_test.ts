// Processes hear from the platform's database what changed: their directories forget it in milliseconds and not after
// 10 seconds, and everything when they may have missed something.
import assert from "node:assert/strict";
import net from "node:net";
import { Directory } from "../../src/tenancy/directory.ts";
import { listenForChanges } from "../../src/tenancy/invalidation.ts";
import { bootApp, type TestApp, type TestProcess, type TestTenant } from "../support/app.ts";
import { adminSql } from "../support/postgres.ts";

let app: TestApp;
let hearing: TestProcess;
let deaf: TestProcess;
let tenant: TestTenant;
let platform: Awaited<ReturnType<typeof adminSql>>;
Deno.test.beforeAll(async () => {
  app = await bootApp();
  tenant = await app.tenant("heard");
  hearing = await app.secondProcess();
  deaf = await app.secondProcess({ listen: false });
  platform = await adminSql(app.services.servers.settings.platformDatabase);
});
Deno.test.afterAll(async () => {
  await platform.end();
  for (const process of [hearing, deaf, app]) await process.stop();
});

const loose = { sanitizeOps: false, sanitizeResources: false };

/** Waits until `read` gives `expected`; no answer of a directory is kept for less than 8 seconds by itself. */
async function soon<T>(read: () => Promise<T>, expected: T): Promise<number> {
  const started = performance.now();
  let found = await read();
  while (found !== expected && performance.now() - started < 6_000) {
    await new Promise((resolve) => setTimeout(resolve, 2));
    found = await read();
  }
  assert.equal(found, expected);
  return performance.now() - started;
}

Deno.test("listenForChanges() makes other processes forget what changed, wherever it changed", loose, async (t) => {
  const { directory } = hearing.services;
  const name = async () => (await directory.byId(tenant.id))?.name;
  const host = "meters.heard.example";

  await t.step("a tenant", async () => {
    for (const process of [app, hearing, deaf]) await process.services.directory.byId(tenant.id);
    await platform`update platform.tenants set name = 'Renamed' where id = ${tenant.id}`;
    const ms = await soon(name, "Renamed");
    await soon(async () => (await app.services.directory.byId(tenant.id))?.name, "Renamed");
    assert.equal((await deaf.services.directory.byId(tenant.id))?.name, "Organisation heard");
    assert.ok(ms < 6_000, `${ms} ms`); // by itself it would be forgotten after 8 seconds at the earliest
  });

  await t.step("a domain, which was unknown, and is again", async () => {
    const found = async () => (await directory.byHost(host))?.id ?? null;
    assert.equal(await found(), null);
    await platform`insert into platform.domains (id, tenant_id, host, verified_at)
      values (${crypto.randomUUID()}, ${tenant.id}, ${host}, now())`;
    await soon(found, tenant.id);
    await platform`update platform.domains set verified_at = null where host = ${host}`;
    await soon(found, null);
    await platform`update platform.domains set verified_at = now() where host = ${host}`;
    await soon(found, tenant.id);
    await platform`delete from platform.domains where host = ${host}`;
    await soon(found, null);
  });

  await t.step("a placement, and the server that it is on", async () => {
    const record = await directory.byId(tenant.id);
    const { id, key_id } = record!.placement;
    const key = async () => (await directory.byId(tenant.id))!.placement.key_id;
    await platform`update platform.placements set key_id = 99 where id = ${id}`;
    await soon(key, 99);
    await platform`update platform.placements set key_id = ${key_id} where id = ${id}`;
    await soon(key, key_id);
    const mode = async () => (await directory.byId(tenant.id))!.placement.tls_mode;
    await platform`update platform.servers set tls_mode = 'require'`;
    await soon(mode, "require");
    await platform`update platform.servers set tls_mode = 'disable'`;
    await soon(mode, "disable");
  });
});

Deno.test("listenForChanges() forgets everything after its connection was lost", loose, async () => {
  const { directory } = hearing.services;
  const name = async () => (await directory.byId(tenant.id))?.name;
  for (const round of ["first", "second"]) {
    await name();
    const cut = await platform`select pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and application_name = 'bulkhead listener'`;
    assert.equal(cut.count, 2, "one listener in each process that hears");
    await platform`update platform.tenants set name = ${round} where id = ${tenant.id}`; // heard by nobody
    await soon(name, round);
    await app.until("both listeners", async () => {
      const [{ count }] = await platform`select count(*)::int from pg_stat_activity
        where datname = current_database() and application_name = 'bulkhead listener'`;
      return count === 2;
    });
  }
  assert.ok(hearing.lines.some((line) => line.includes("the connection is lost")));
});

/** Leads to the test server; `freeze()` lets nothing through any more on what is connected. */
async function listenThroughProxy() {
  const { host, port } = app.services.servers.settings;
  let frozen = false;
  const proxy = net.createServer((near) => {
    const far = net.connect({ host, port });
    const wasFrozen = frozen;
    const pass = (to: net.Socket) => (bytes: Uint8Array) => void ((wasFrozen || !frozen) && to.write(bytes));
    near.on("data", pass(far)).on("error", () => {}).on("close", () => far.destroy());
    far.on("data", pass(near)).on("error", () => {}).on("close", () => near.destroy());
  });
  await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  return {
    port: (proxy.address() as net.AddressInfo).port,
    freeze: () => void (frozen = true),
    close: () => proxy.close(),
  };
}

Deno.test("listenForChanges() notices a connection that the network lost in silence", loose, async () => {
  const proxy = await listenThroughProxy();
  const directory = new Directory(app.services.doors);
  const target = { ...app.services.servers.listener(), port: proxy.port };
  const listening = await listenForChanges(target, directory, app.services.log, { probeMs: 100 });
  const name = async () => (await directory.byId(tenant.id))?.name;
  await name();
  proxy.freeze();
  await platform`update platform.tenants set name = 'Silence' where id = ${tenant.id}`;
  await soon(name, "Silence");
  await listening.stop();
  proxy.close();
});

Deno.test("listenForChanges() confirms what is kept while it hears, and nothing once it does not", loose, async () => {
  const proxy = await listenThroughProxy();
  const directory = new Directory(app.services.doors);
  const confirmed: number[] = [];
  const confirm = directory.confirm.bind(directory);
  directory.confirm = (upTo) => {
    assert.ok(upTo <= Date.now());
    confirmed.push(upTo);
    confirm(upTo);
  };
  const target = { ...app.services.servers.listener(), port: proxy.port };
  const started = Date.now();
  const listening = await listenForChanges(target, directory, app.services.log, { probeMs: 50 });
  assert.ok(confirmed.length > 0 && confirmed.every((upTo) => upTo >= started), "as soon as it listens");
  await app.until("further words", () => Promise.resolve(confirmed.length > 4));
  proxy.close(); // it is not reached again
  proxy.freeze();
  const frozen = Date.now();
  await new Promise((resolve) => setTimeout(resolve, 400));
  assert.ok(Math.max(...confirmed) <= frozen);
  await listening.stop();
});

Deno.test("listenForChanges() goes on trying where nothing listens, and ends when it is told to", loose, async () => {
  const directory = new Directory(app.services.doors);
  const target = { ...app.services.servers.listener(), port: 1 };
  const told = () => app.lines.filter((line) => line.includes("cannot be heard")).length;
  const before = told();
  const started = performance.now();
  const listening = await listenForChanges(target, directory, app.services.log);
  await new Promise((resolve) => setTimeout(resolve, 700));
  await listening.stop();
  assert.ok(performance.now() - started < 10_000);
  assert.equal(told() - before, 1, "told once, not at each attempt");
});

Deno.test("Directory.forget() also takes what is being read", loose, async () => {
  const { directory } = deaf.services;
  directory.forgetAll();
  const reading = directory.byId(tenant.id);
  await platform`update platform.tenants set name = 'Last' where id = ${tenant.id}`;
  directory.forget(tenant.id);
  await reading;
  assert.equal((await directory.byId(tenant.id))?.name, "Last");
});
