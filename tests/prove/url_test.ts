// `prove --url` on a database that has faults: whatever they are, each hole is told, and what was not tried is said.
import assert from "node:assert/strict";
import type { Sql } from "../../src/db/direct.ts";
import { asHtml } from "../../src/prove/report/html.ts";
import { faultsOf, passed, type Report } from "../../src/prove/report/report.ts";
import { asText } from "../../src/prove/report/text.ts";
import { NOBODY } from "../../src/prove/session.ts";
import { insideSession, proveUrl } from "../../src/prove/url.ts";
import { makeScratch, type Scratch } from "../proof/scratch.ts";
import { loose } from "./stage.ts";

let placement: Scratch;
Deno.test.beforeAll(async () => {
  placement = await makeScratch("t_url");
  await placement.admin`drop event trigger if exists bulkhead_new_tables`;
});
Deno.test.afterAll(() => placement?.drop());

/** Proves it as `user` and gives what was said on the way too. */
async function proven(user = placement.server.user, password = placement.server.password) {
  const { host, port } = placement.server;
  const url = `postgres://${user}:${encodeURIComponent(password)}@${host}:${port}/${placement.database}`;
  const said: string[] = [];
  const report = await proveUrl(url, { quick: true, say: (sentence) => void said.push(sentence) });
  return { report, said };
}

const triesOf = ({ attacks }: Report) => attacks.reduce((sum, { tries }) => sum + tries, 0);

Deno.test("proveUrl() names a table without tenant_id and attacks the others", loose, async () => {
  const { admin, roles } = placement;
  await admin.unsafe(`create table tenant.planted (id int); alter table tenant.planted owner to ${roles.owner};
    grant select on tenant.planted to ${roles.tenantLogin}`);
  try {
    const { report, said } = await proven();
    assert.match(faultsOf(report).join("\n"), /^rights, .*: table "tenant\.planted" has no column tenant_id/m);
    assert.ok(report.unchecked.includes("attacks on tenant.planted: it has no column tenant_id uuid"));
    assert.equal(report.stopped, undefined);
    assert.ok(triesOf(report) > 1_000);
    const hole = said.findIndex((sentence) => /^hole: table "tenant\.planted" /.test(sentence));
    assert.ok(hole >= 0 && hole < said.findIndex((sentence) => /^attacks 0 of/.test(sentence)), "holes come first");
  } finally {
    await admin`drop table tenant.planted`;
  }
});

Deno.test("proveUrl() reports the holes also when the attacks cannot be carried out", loose, async () => {
  const { admin, roles } = placement;
  await admin.unsafe(`create table tenant.planted (tenant_id uuid not null, id point not null);
    alter table tenant.planted owner to ${roles.owner}`);
  try {
    const { report } = await proven();
    assert.match(report.stopped!, /Teach src\/prove\/rows\.ts a value of type "point"/);
    const faults = faultsOf(report).join("\n");
    assert.match(faults, /table "tenant\.planted" has row-level security off/);
    assert.match(faults, /^attacks, they ended before they were done: Teach/m);
    assert.match(asText(report), /^✘ attacks as the run-time login +ended before they were done$/m);
  } finally {
    await admin`drop table tenant.planted`;
  }
});

Deno.test("proveUrl() attacks nothing as a login that is above row-level security", loose, async () => {
  const { admin, roles } = placement;
  await admin.unsafe(`alter role ${roles.tenantLogin} bypassrls`);
  try {
    const { report } = await proven();
    assert.match(faultsOf(report).join("\n"), new RegExp(`login "${roles.tenantLogin}" has BYPASSRLS`));
    assert.equal(report.attacks.length, 0);
    assert.equal(report.stopped, undefined);
    assert.match(report.unchecked[0], /^attacks: ".+" is above row-level security/);
  } finally {
    await admin.unsafe(`alter role ${roles.tenantLogin} nobypassrls`);
  }
});

Deno.test("proveUrl() as another than a superuser does not say that attacks passed", loose, async () => {
  const { report } = await proven(placement.migratorName, "scratch");
  assert.deepEqual([faultsOf(report), passed(report)], [[], null]);
  const text = asText(report);
  assert.match(text, /^✔ rights/m);
  assert.match(text, /^· attacks as the run-time login +not tried$/m);
  assert.match(text, /^· 0 holes; the attacks were not tried/m);
  assert.match(text, /^ {2}· attacks: only a superuser can act as the run-time login/m);
  assert.match(asHtml(report), /<p class="verdict ">0 holes; the attacks were not tried</);
});

Deno.test("insideSession() ends an attack that does not end, and says so", loose, async () => {
  const { admin, roles } = placement;
  const unchecked = new Set<string>();
  const undone = admin.begin(async (transaction) => {
    const tx = transaction as unknown as Sql;
    const session = await insideSession(tx, roles, [], { unchecked, attackMs: 100 });
    assert.equal((await session.run(NOBODY, "select pg_sleep(60)")).error?.code, "57014");
    assert.deepEqual((await session.run(NOBODY, "select current_user as login")).rows, [{ login: roles.tenantLogin }]);
    const [{ statement_timeout: after }] = await tx`show statement_timeout`;
    assert.equal(after, "0");
    throw new Error("Undone");
  });
  await assert.rejects(undone, /^Error: Undone$/);
  assert.deepEqual([...unchecked], [
    "an attack that did not end (canceling statement due to statement timeout): select pg_sleep(60)",
  ]);
});
