// The prover proves: a sound deployment passes, a table that a user adds is covered by being there, and a leak that is planted
// is found by each layer that could meet it. Scratch deployments on the servers of the test run.
import assert from "node:assert/strict";
import { ATTACKS } from "../../src/prove/attacks/catalogue.ts";
import { runAttacks } from "../../src/prove/attacks/attack_run.ts";
import { checkHttp } from "../../src/prove/channels/http.ts";
import { checkSessions } from "../../src/prove/channels/sessions.ts";
import { play } from "../../src/prove/property/play.ts";
import { makeWorld } from "../../src/prove/property/world.ts";
import { prove } from "../../src/prove/prove.ts";
import { asHtml } from "../../src/prove/report/html.ts";
import { faultsOf, residualsOf } from "../../src/prove/report/report.ts";
import { asText } from "../../src/prove/report/text.ts";
import { proveAllRights } from "../../src/prove/rights.ts";
import { makeScratch, type Scratch } from "../../src/prove/scratch.ts";
import { openAttacker } from "../../src/prove/session.ts";
import type { Site } from "../../src/prove/site.ts";
import { proveUrl, targetOf } from "../../src/prove/url.ts";
import { loose, testGrounds } from "./stage.ts";

let scratch: Scratch;
let shared: Site;
Deno.test.beforeAll(async () => {
  scratch = await makeScratch(await testGrounds(), "t_prove");
  [shared] = scratch.sites;
});
Deno.test.afterAll(() => scratch?.end());

/** Attacks one table of the shared placement and gives what leaked. */
async function attacked(name: string): Promise<string[]> {
  const session = await openAttacker(shared.target);
  try {
    const table = shared.tables.find((one) => one.name === name);
    assert.ok(table, `${name} is not in the catalogue`);
    const results = await runAttacks({ ...shared, tables: [table] }, session, ATTACKS, { tier: "shared", modes: [] });
    return results.flatMap(({ name, leaks }) => leaks.map((leak) => `${name}: ${leak}`));
  } finally {
    await session.end();
  }
}

Deno.test("ATTACKS are many, and each has a name of its own", () => {
  assert.ok(ATTACKS.length >= 60);
  assert.equal(new Set(ATTACKS.map(({ name }) => name)).size, ATTACKS.length);
});

Deno.test("prove() passes on a sound deployment and reports it", loose, async () => {
  const report = await prove(scratch, { quick: true, seed: 7, operations: 1_000 });
  assert.deepEqual(faultsOf(report), []);
  assert.deepEqual([...new Set(report.attacks.map(({ tier }) => tier))].sort(), ["byo", "dedicated", "shared"]);
  assert.ok(report.tables.length >= 15 && report.channels.length >= 6);
  assert.ok(report.channels.every(({ tries }) => tries > 0));
  assert.ok(report.property!.hostile / report.property!.operations > 0.3);
  assert.ok(residualsOf(report).length >= 5);
  assert.match(asText(report), /✔ 0 leaks, 0 mismatches, 0 holes/);
  const page = asHtml(report);
  assert.match(page, /^<!doctype html>/);
  assert.ok(!/<script|<link|<img|url\(|@import/.test(page), "the page needs something else");
});

Deno.test("play() repeats a run by its seed", loose, async () => {
  const kinds = async () => {
    const world = await makeWorld(scratch, { templates: 1 });
    const { kinds, leaks, mismatches } = await play(world, { seed: 11, operations: 240 });
    await world.end();
    assert.deepEqual([leaks, mismatches], [[], []]);
    return kinds;
  };
  assert.deepEqual(await kinds(), await kinds());
});

Deno.test("a table that a user adds is attacked, and found when its paragraph is forgotten", loose, async () => {
  const { admin, roles } = shared;
  await admin.unsafe(`drop event trigger if exists bulkhead_new_tables; set role ${roles.owner};
    create table tenant.parking (tenant_id uuid not null, id uuid not null default app.uuid_v7(), place text not null,
      primary key (tenant_id, id), unique (tenant_id, place));
    grant select, delete on tenant.parking to ${roles.tenantLogin};
    grant insert (place), update (place) on tenant.parking to ${roles.tenantLogin}; reset role`);
  try {
    await shared.refresh();
    const rights = await proveAllRights(scratch);
    assert.match(
      rights.flatMap(({ holes }) => holes).join("\n"),
      /^table "tenant\.parking" has row-level security off$/m,
    );
    assert.ok((await attacked("tenant.parking")).length > 50);
    await admin.unsafe(`set role ${roles.owner}; call app.isolate('tenant.parking');
      comment on table tenant.parking is 'Places'; call tenant.not_audited('tenant.parking', 'a test'); reset role`);
    assert.deepEqual((await proveAllRights(scratch)).flatMap(({ holes }) => holes), []);
    assert.deepEqual(await attacked("tenant.parking"), []);
    const world = await makeWorld(scratch, { templates: 1 });
    assert.ok(world.known.some(({ table }) => table.name === "tenant.parking"));
    await world.end();
  } finally {
    await admin.unsafe("reset role; drop table tenant.parking");
    await shared.refresh();
  }
});

Deno.test("a guard with a way round is found by attacks, by the random run and over HTTP", loose, async () => {
  const { admin, tables } = shared;
  const guard = "(tenant_id = (select coalesce((select tenant_id from app.entered), app.tenant_id())))";
  const alter = async (condition: string) => {
    for (const { name } of tables) await admin.unsafe(`alter policy tenant_guard on ${name} using (${condition})`);
  };
  await alter(`${guard} or true`);
  try {
    assert.ok((await attacked("tenant.renters")).length > 50);
    assert.match(
      (await checkHttp(scratch, { quick: true })).leaks.join("\n"),
      /a foreign id was answered|value of the victim/,
    );
    const world = await makeWorld(scratch, { templates: 1 });
    const { leaks } = await play(world, { seed: 3, operations: 300 });
    await world.end();
    assert.match(leaks.join("\n"), /gave a row of/);
  } finally {
    await alter(guard);
  }
  assert.deepEqual(await attacked("tenant.renters"), []);
});

Deno.test("checkSessions() finds nothing that reaches the next tenant's rows", loose, async () => {
  const { leaks, tries } = await checkSessions(scratch, { quick: true });
  assert.deepEqual(leaks, []);
  assert.ok(tries > 20);
});

Deno.test("proveUrl() proves a database in use and leaves nothing in it", loose, async () => {
  const { own } = await testGrounds();
  const { database } = shared.placement;
  const url = `postgres://${own.user}:${encodeURIComponent(own.password)}@${own.host}:${own.port}/${database}`;
  const count = async () =>
    JSON.stringify(
      await shared.admin`select (select count(*) from tenant.members) as members,
    (select count(*) from app.gates) as gates, (select count(*) from app.keys) as keys`,
    );
  const before = await count();
  const report = await proveUrl(url, { quick: true });
  assert.deepEqual(faultsOf(report), []);
  assert.equal(report.tables.length, shared.tables.length);
  assert.ok(report.attacks.reduce((sum, { tries }) => sum + tries, 0) > 1_000);
  assert.ok(report.unchecked.length >= 3);
  assert.equal(await count(), before);
  await shared.admin`alter table tenant.renters disable row level security`;
  try {
    const found = faultsOf(await proveUrl(url, { quick: true }));
    assert.ok(found.some((fault) => /^rights/.test(fault)) && found.some((fault) => /^attack/.test(fault)));
  } finally {
    await shared.admin`alter table tenant.renters enable row level security`;
  }
});

Deno.test("targetOf() takes a URL apart and refuses anything else", () => {
  assert.deepEqual(targetOf("postgres://a%40b:c%2Fd@[::1]:1/e"), {
    host: "::1",
    port: 1,
    database: "e",
    user: "a@b",
    password: "c/d",
    tls: undefined,
    applicationName: "bulkhead prove",
  });
  for (const text of ["", "http://a@b/c", "postgres://b/c", "nonsense"]) assert.throws(() => targetOf(text), /--url/);
});
