// Contexts that the database remembers to stand: who comes again is not verified again, and whatever would have refused him
// still does, at the next statement.
import assert from "node:assert/strict";
import { newId } from "../../src/db/ids.ts";
import { type Acting, keyBlocks, signContext, signPermit } from "../../src/tenancy/context.ts";
import { installKey } from "../../src/db/rollout.ts";
import { addBuilding, makeCompartments } from "./compartments.ts";
import { failure } from "./setup.ts";
import { openDirect, type Sql } from "../../src/db/direct.ts";
import { createDoors, type TenantContext } from "../../src/db/doors.ts";
import { Pool } from "../../src/db/pool.ts";
import { createLog } from "../../src/telemetry/log.ts";
import { testServer } from "../support/postgres.ts";

const place = await makeCompartments(2, { maxConnections: 1, perPool: 1 });
Deno.test.afterAll(() => place.drop());
const { doors, signer, scratch: { admin } } = place;
const [a, b] = place.tenants;
await doors.asTenant(place.context(a), (tx) => addBuilding(tx, "Of A"));
await doors.asTenant(place.context(b), (tx) => addBuilding(tx, "Of B"));

const loose = { sanitizeOps: false, sanitizeResources: false };

/** A caller who comes again: each call of `caller()` is a new one. */
function caller(tenant: string, acting: Acting | null = null, change: Partial<TenantContext> = {}): TenantContext {
  return place.context(tenant, {
    sign: (pid) => signContext(signer, tenant, acting, pid),
    permit: (proof, pid) => signPermit(signer, tenant, acting, pid, proof),
    caller: newId(),
    readOnly: true,
    ...change,
  });
}

async function addMember(tenant: string): Promise<string> {
  const id = newId();
  await doors.asTenant(
    place.context(tenant),
    (tx) =>
      tx`insert into tenant.members (id, first_name, last_name, email, role, status)
      values (${id}, 'Ada', 'Admin', ${`${id}@example.test`}, 'admin', 'active')`,
  );
  return id;
}

const names = (context: TenantContext) =>
  doors.asTenant(
    context,
    (tx) => tx<{ name: string }>`select name from tenant.buildings`.map((rows) => rows.map((row) => row.name)),
  );

/** Whether the database takes this caller's context without verifying it. */
const isKnown = (context: TenantContext) =>
  doors.asTenant(
    context,
    (tx) => tx<{ known: boolean }>`select exists (select from app.entered) as known`.map((rows) => rows[0].known),
  );

/** Comes twice, so that the database remembers. */
async function come(context: TenantContext): Promise<void> {
  await names(context);
  await names(context);
  assert.equal(await isKnown(context), true);
}

Deno.test("a caller who comes again is remembered at the second visit, in the same round trip", loose, async () => {
  const context = caller(a);
  await admin`delete from app.proven`;
  const before = place.pool.stats().roundTrips;
  assert.equal(await isKnown(context), false);
  assert.equal(await isKnown(context), true);
  assert.deepEqual(await names(context), ["Of A"]);
  assert.equal(place.pool.stats().roundTrips - before, 3);
  const rows = await admin<{ tenant_id: string; subject: string | null; lives: number }[]>`
    select tenant_id, subject, extract(epoch from until - clock_timestamp())::float8 as lives from app.proven`;
  assert.equal(rows.length, 1);
  assert.deepEqual([rows[0].tenant_id, rows[0].subject], [a, null]);
  assert.ok(rows[0].lives > 30 && rows[0].lives <= 46, `It lives for ${rows[0].lives} s`);
});

Deno.test("a proof is remembered no longer than it lives, however late that is asked for", loose, async () => {
  await admin`delete from app.proven`;
  const [{ pid }] = await admin<{ pid: number }[]>`select pg_backend_pid() as pid`;
  const proof = signContext(signer, a, null, pid, Date.now() - 20_000);
  await admin`select app.remember(${a}, ${proof}, ${signPermit(signer, a, null, pid, proof)})`;
  const [{ lives }] = await admin<{ lives: number }[]>`
    select extract(epoch from until - clock_timestamp())::float8 as lives from app.proven`;
  assert.ok(lives > 20 && lives <= 26, `It lives for ${lives} s`);
});

Deno.test("one who comes once is not remembered, nor who does not say who comes", loose, async () => {
  await admin`delete from app.proven`;
  await names(caller(a));
  for (let visit = 0; visit < 3; visit++) await names(place.context(a));
  assert.equal((await admin`select from app.proven`).length, 0);
});

Deno.test("what a remembered caller writes is his own, and a transaction is entered so too", loose, async () => {
  const context = caller(a, null, { readOnly: false });
  await come(context);
  const seen = await doors.asTenant(context, async (tx) => {
    const [row] = await addBuilding(tx, "Of A, another");
    const [{ tenant_id }] = await tx<
      { tenant_id: string }
    >`select tenant_id from tenant.buildings where id = ${row.id}`;
    await tx`delete from tenant.buildings where id = ${row.id}`;
    return tenant_id;
  });
  assert.equal(seen, a);
  const planted = doors.asTenant(
    context,
    (tx) =>
      tx`insert into tenant.buildings (tenant_id, name, address, city, country) values (${b}, 'x', 'x', 'x', 'CA')`,
  );
  assert.equal((await failure(planted)).code, "forbidden");
});

Deno.test("a closed gate shuts a remembered caller out at the next statement", loose, async () => {
  const context = caller(a);
  await come(context);
  await admin`update app.gates set open = false where tenant_id = ${a}`;
  assert.equal((await failure(names(context))).code, "tenant_unavailable");
  await admin`update app.gates set open = true where tenant_id = ${a}`;
  assert.equal(await isKnown(context), false);
  assert.deepEqual(await names(context), ["Of A"]);
});

Deno.test("a changed right is asked for anew at the next statement, only the one whose it is", loose, async () => {
  const [ada, bob] = [await addMember(a), await addMember(a)];
  const [adas, bobs] = [ada, bob].map((id) =>
    caller(a, { actor: `member:${id}`, access: { subject: id, version: 1 } }, { readOnly: false })
  );
  await come(adas);
  await come(bobs);
  await doors.asTenant(place.context(a), (tx) => tx`update tenant.members set access_version = 2 where id = ${ada}`);
  assert.equal((await failure(names(adas))).code, "access_changed");
  assert.equal(await isKnown(bobs), true);
  // What he changes himself does not stop him before his transaction is over, and does afterwards.
  const seen = doors.asTenant(bobs, async (tx) => {
    await tx`update tenant.members set access_version = 2 where id = ${bob}`;
    return (await tx`select from tenant.buildings`).length;
  });
  assert.equal(await seen, 1);
  assert.equal((await failure(names(bobs))).code, "access_changed");
});

Deno.test("access that ends by itself is not remembered beyond its end", loose, async () => {
  const key = newId();
  await doors.asTenant(
    place.context(a),
    (tx) =>
      tx`insert into tenant.api_keys (id, name, hint, key_hash, permissions, expires_at)
      values (${key}, 'k', 'abcd', sha256(${key}::bytea), '{}', clock_timestamp() + interval '2 seconds')`,
  );
  const context = caller(a, { actor: `key:${key}`, access: { subject: key, version: 1 } });
  await come(context);
  await new Promise((resolve) => setTimeout(resolve, 2_100));
  assert.equal((await failure(names(context))).code, "access_changed");
});

Deno.test("a retired key's contexts are refused though they were remembered", loose, async () => {
  const second = { keyId: 2, key: crypto.getRandomValues(new Uint8Array(32)) };
  await admin.begin((tx) => installKey(tx as never, place.scratch.roles, keyBlocks(second)));
  const context = caller(a, null, {
    sign: (pid) => signContext(second, a, null, pid),
    permit: (proof, pid) => signPermit(second, a, null, pid, proof),
  });
  const other = caller(a);
  await come(context);
  await come(other);
  await admin`update app.keys set retired_at = now() where id = 2`;
  assert.equal((await failure(names(context))).code, "context_refused");
  assert.equal(await isKnown(other), true);
});

Deno.test("what is being remembered cannot miss a change that is under way", loose, async () => {
  const member = await addMember(a);
  const acting = { actor: `member:${member}`, access: { subject: member, version: 1 } };
  const { database } = place.scratch;
  const [first, second] = await Promise.all([openAdmin(database), openAdmin(database)]);
  try {
    const [{ pid }] = await first<{ pid: number }[]>`select pg_backend_pid() as pid`;
    const remember = () => {
      const proof = signContext(signer, a, acting, pid);
      return first`select app.remember(${a}, ${proof}, ${signPermit(signer, a, acting, pid, proof)})`;
    };
    const kept = async () => (await second`select from app.proven where subject = ${member}`).length;
    const changes = [
      () => second`update app.gates set open = not open where tenant_id = ${a}`,
      () => second`update app.access set version = version where tenant_id = ${a} and subject = ${member}`,
      () => second`update app.keys set retired_at = retired_at where id = ${signer.keyId}`,
    ];
    for (const change of changes) {
      // Remembered first: the change waits for it, and removes it.
      await first`begin`;
      await remember();
      let done = false;
      const changed = change().then(() => done = true);
      await new Promise((resolve) => setTimeout(resolve, 50));
      assert.equal(done, false);
      await first`commit`;
      await changed;
      assert.equal(await kept(), 0);
      await second`update app.gates set open = true where tenant_id = ${a}`;
      // Changed first: nothing is waited for, and nothing remembered.
      await second`begin`;
      await change();
      await remember();
      assert.equal(await kept(), 0);
      await second`rollback`;
      await remember();
      assert.equal(await kept(), 1);
      await second`delete from app.proven`;
    }
    await second`begin isolation level repeatable read`;
    assert.equal((await failure(changes[0]())).code, "40001");
    await second`rollback`;
  } finally {
    await Promise.all([first.end(), second.end()]);
  }
});

Deno.test("a visit can neither read what is remembered, nor have anything remembered", loose, async () => {
  const context = caller(a);
  await come(caller(b));
  await come(context);
  const proofs: string[] = [];
  const injected = (statement: string) =>
    doors.asTenant({ ...context, readOnly: false }, async (tx) => {
      const [{ proof }] = await tx<{ proof: string }>`select current_setting('app.proof') as proof`;
      proofs.push(proof);
      return await tx(Object.assign([statement], { raw: [statement] }));
    });
  assert.deepEqual([...await injected("select tenant_id from app.entered")], [{ tenant_id: a }]);
  assert.deepEqual([
    ...await injected("select from app.entered where tenant_id <> current_setting('app.tenant_id')::uuid"),
  ], []);
  for (
    const statement of [
      "select * from app.proven",
      "insert into app.proven select * from app.proven",
      "delete from app.proven",
      "truncate app.proven",
      "update app.entered set tenant_id = null",
      "delete from app.entered",
      "insert into app.entered values (null)",
      "lock app.proven",
    ]
  ) assert.equal((await failure(injected(statement))).code, "forbidden", statement);
  const now = Math.floor(Date.now() / 1000) + 30;
  for (
    const permit of [
      "current_setting('app.proof')",
      `'v1.1.remember:${"0".repeat(64)}.-.1.${now}.${"0".repeat(64)}'`,
      `replace(current_setting('app.proof'), '.-.', '.remember:${"0".repeat(64)}.-.')`,
      "''",
      "null",
    ]
  ) {
    const code = (await failure(injected(`select app.remember('${b}', current_setting('app.proof'), ${permit})`))).code;
    assert.equal(code, "context_refused", permit);
    const own = (await failure(injected(`select app.remember('${a}', current_setting('app.proof'), ${permit})`))).code;
    assert.equal(own, "context_refused", permit);
  }
  // The own proof with another's claim opens nothing.
  const claimed = injected(`select set_config('app.tenant_id', '${b}', true), (select count(*) from tenant.buildings)`);
  assert.equal((await failure(claimed)).code, "context_refused");
});

Deno.test("a remembered proof opens nothing in another backend, and nothing when it has expired", loose, async () => {
  const context = caller(a);
  let proof = "";
  const sign = (pid: number) => proof = signContext(signer, a, null, pid);
  await come({ ...context, sign });
  const foreign = anotherBackend();
  try {
    const stolen = { ...place.context(a, { readOnly: true }), sign: () => proof };
    assert.equal((await failure(foreign(stolen))).code, "context_refused");
  } finally {
    await foreign.end();
  }
  await admin`update app.proven set until = clock_timestamp() - interval '1 second'`;
  assert.equal(await isKnown(context), false);
  await admin`delete from app.proven`;
});

Deno.test("what could not be remembered disturbs no visit", loose, async () => {
  await admin.unsafe("alter function app.remember(text, text, text) rename to remember_not");
  try {
    const context = caller(a);
    for (let visit = 0; visit < 4; visit++) assert.deepEqual(await names(context), ["Of A"]);
    assert.equal(await isKnown(context), false);
  } finally {
    await admin.unsafe("alter function app.remember_not(text, text, text) rename to remember");
  }
  await come(caller(a));
});

Deno.test("what has ended is swept away by what comes", loose, async () => {
  await admin`delete from app.proven`;
  await admin`insert into app.proven (backend, context, tenant_id, key_id, until)
    select n, n::text, ${a}, 1, now() - interval '1 second' from generate_series(1, 300) n`;
  const [{ pid }] = await admin<{ pid: number }[]>`select pg_backend_pid() as pid`;
  const ended = async () => (await admin`select from app.proven where until < now()`).length;
  // It is done now and then, by chance: in a thousand times at least twice, but for once in ten thousand billion runs.
  for (let i = 0; i < 1_000 && await ended() > 0; i++) {
    const proof = signContext(signer, a, { actor: `member:${newId()}` }, pid);
    await admin`select app.remember(${a}, ${proof}, ${signPermit(signer, a, null, pid, proof)})`;
  }
  assert.equal(await ended(), 0);
});

/** A further connection of the superuser. */
async function openAdmin(database: string): Promise<Sql> {
  const { host, port, user, password } = await testServer();
  return await openDirect({ host, port, user, password, database });
}

/** Reads through a connection of its own. */
function anotherBackend() {
  const pool = new Pool(place.target, { max: 1 });
  const others = createDoors(
    { get: () => pool } as never,
    place.target,
    createLog({ level: "error", write: () => {} }),
  );
  const read = (context: TenantContext) => others.asTenant(context, (tx) => tx`select name from tenant.buildings`);
  return Object.assign(read, { end: () => pool.end() });
}
