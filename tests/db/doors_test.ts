// asTenant() on the real schema: own rows and nobody else's, contexts that do not stand, reads that stay reads, and what
// a visit costs. Runs behind a pooler too.
import assert from "node:assert/strict";
import type { TenantContext } from "../../src/db/doors.ts";
import { signContext } from "../../src/tenancy/context.ts";
import { addBuilding, makeCompartments } from "./compartments.ts";
import { failure, leftover } from "./setup.ts";

const place = await makeCompartments(2);
Deno.test.afterAll(() => place.drop());
const [a, b] = place.tenants;
const ids: Record<string, string> = {};
for (const tenant of [a, b]) {
  const [row] = await place.doors.asTenant(place.context(tenant), (tx) => addBuilding(tx, `Of ${tenant}`));
  ids[tenant] = row.id;
}

const loose = { sanitizeOps: false, sanitizeResources: false };

/** The names that a context sees. */
function seen(context: TenantContext): Promise<string[]> {
  return place.doors.asTenant(
    context,
    (tx) => tx<{ name: string }>`select name from tenant.buildings`.map((rows) => rows.map((row) => row.name)),
  );
}

Deno.test("asTenant() shows and changes a tenant's own rows and no others", loose, async () => {
  const { doors, context } = place;
  for (const [mine, theirs] of [[a, b], [b, a]]) {
    assert.deepEqual(await seen(context(mine)), [`Of ${mine}`]);
    const changed = await doors.asTenant(context(mine), async (tx) => {
      const own = await tx`update tenant.buildings set city = 'Ottawa' where id = ${ids[mine]}`;
      const foreign = await tx`update tenant.buildings set city = 'Ottawa' where id = ${ids[theirs]}`;
      const gone = await tx`delete from tenant.buildings where id = ${ids[theirs]}`;
      const all = await tx`select 1 from tenant.buildings where tenant_id = ${theirs} or true`;
      return [own.count, foreign.count, gone.count, all.count];
    });
    assert.deepEqual(changed, [1, 0, 0, 1]);
    const planted = doors.asTenant(
      context(mine),
      (tx) =>
        tx`insert into tenant.buildings (tenant_id, name, address, city, country) values (${theirs}, 'x', 'x', 'x', 'CA')`,
    );
    assert.equal((await failure(planted)).code, "forbidden");
  }
  assert.equal(await leftover(place.pool), null);
});

Deno.test(
  "asTenant() shows nothing without a tenant and refuses every context that does not stand",
  loose,
  async () => {
    const { doors, context, signer, scratch } = place;
    const now = Date.now();
    const cases: [string, Partial<TenantContext>, string][] = [
      ["no proof", { sign: () => "" }, "context_refused"],
      [
        "a forged proof",
        { sign: (pid) => signContext({ ...signer, key: new Uint8Array(32) }, a, null, pid) },
        "context_refused",
      ],
      ["another tenant's proof", { sign: (pid) => signContext(signer, b, null, pid) }, "context_refused"],
      ["an old proof", { sign: (pid) => signContext(signer, a, null, pid, now - 46_000) }, "context_refused"],
      [
        "a proof that lives too long",
        { sign: (pid) => signContext(signer, a, null, pid, now + 60_000) },
        "context_refused",
      ],
      ["a proof for another backend", { sign: (pid) => signContext(signer, a, null, pid + 1) }, "context_refused"],
      ["an unknown key", { sign: (pid) => signContext({ ...signer, keyId: 7 }, a, null, pid) }, "context_refused"],
      ["a text that is no proof", { sign: () => "v1.1.-.0.0." + "x".repeat(500) }, "context_refused"],
    ];
    for (const [name, change, code] of cases) {
      place.lines.length = 0;
      assert.equal((await failure(seen(context(a, change)))).code, code, name);
      const several = doors.asTenant(context(a, change), async (tx) => {
        await tx`select 1`;
        return await tx`select * from tenant.buildings`;
      });
      assert.equal((await failure(several)).code, code, name);
      const written = doors.asTenant(context(a, change), (tx) => addBuilding(tx, name));
      assert.equal((await failure(written)).code, code, name);
      assert.equal(place.lines.filter((line) => JSON.parse(line).level === "alarm").length, 3, name);
      assert.equal(await leftover(place.pool), null, name);
    }
    const nobody = context("", { sign: () => "" });
    assert.deepEqual(await seen(nobody), []);
    await failure(doors.asTenant(nobody, (tx) => addBuilding(tx, "Of nobody")));
    await scratch.admin`update app.gates set open = false where tenant_id = ${b}`;
    assert.equal((await failure(seen(context(b)))).code, "tenant_unavailable");
    await scratch.admin`update app.gates set open = true where tenant_id = ${b}`;
    assert.deepEqual(await seen(context(b)), [`Of ${b}`]);
    const [{ n }] = await scratch.admin`select count(*)::int as n from tenant.buildings`;
    assert.equal(n, 2);
  },
);

Deno.test("asTenant() binds the proof to the backend, except behind a pooler", loose, async () => {
  const pids: number[] = [];
  const { signer, target, doors, context } = place;
  const sign = (pid: number) => {
    pids.push(pid);
    return signContext(signer, a, null, pid);
  };
  const [{ pid }] = await doors.asTenant(context(a, { sign }), (tx) => tx`select pg_backend_pid() as pid`);
  assert.deepEqual(pids, [target.pooler === "transaction" ? 0 : pid]);
});

Deno.test("asTenant() keeps a read-only visit read-only, whatever it tries", loose, async () => {
  const { doors, context } = place;
  const reading = context(a, { readOnly: true });
  assert.deepEqual(await seen(reading), [`Of ${a}`]);
  const tries: [string, Parameters<typeof doors.asTenant>[1]][] = [
    ["25006", (tx) => addBuilding(tx, "Written")],
    ["25006", async (tx) => (await tx`select 1`, await addBuilding(tx, "Written"))],
    ["25006", (tx) => tx`with w as (delete from tenant.buildings returning 1) select * from w`],
    ["25001", (tx) => tx`select set_config('transaction_read_only', 'off', true)`],
    ["25001", async (tx) => (await tx`set transaction read write`, await addBuilding(tx, "Written"))],
  ];
  for (const [code, work] of tries) {
    assert.equal((await failure(doors.asTenant(reading, work))).code, code);
    assert.equal(await leftover(place.pool), null);
  }
  const [row] = await doors.asTenant(context(a), (tx) => addBuilding(tx, "Written"));
  await doors.asTenant(context(a), (tx) => tx`delete from tenant.buildings where id = ${row.id}`);
  assert.deepEqual(await seen(context(a)), [`Of ${a}`]);
});

Deno.test("asTenant() costs one round trip for one statement and n + 1 for n", loose, async () => {
  const { doors, context, pool } = place;
  const cost = async (work: Parameters<typeof doors.asTenant>[1]) => {
    const before = pool.stats().roundTrips;
    await doors.asTenant(context(a), work);
    return pool.stats().roundTrips - before;
  };
  assert.equal(await cost((tx) => tx`select * from tenant.buildings where city <> ${"x"}`), 1);
  assert.equal(await cost((tx) => addBuilding(tx, "One trip")), 1);
  const several = (n: number) =>
    cost(async (tx) => {
      for (let i = 0; i < n; i++) await tx`select * from tenant.buildings where id = ${ids[a]}`;
    });
  assert.deepEqual([await several(0), await several(1), await several(4)], [0, 2, 5]);
  await doors.asTenant(context(a), (tx) => tx`delete from tenant.buildings where name = 'One trip'`);
});
