// Rows of units in the database itself: which tables are narrowed, that the limit cannot be lifted by a session that may set
// what it likes, and that callers who see all keep their plans and pay no round trip.
import assert from "node:assert/strict";
import { createApp } from "../../src/app.ts";
import type { Sql } from "../../src/db/direct.ts";
import { createDoors } from "../../src/db/doors.ts";
import { Pool } from "../../src/db/pool.ts";
import { platformHosts } from "../../src/services.ts";
import { signContext } from "../../src/tenancy/context.ts";
import { bootApp, type TestApp, type TestTenant } from "../support/app.ts";
import { addPerson, asSystem, issueToken, type Person } from "../support/people.ts";
import { attempt, type Claim, enter, openPlace, type Place, proven, under } from "../support/placement.ts";

/** Tables that who is limited to units sees as everybody in the tenant does: people and access, not the business. */
const OPEN = [
  "access_settings",
  "api_keys",
  "idempotency_keys",
  "identities",
  "identity_providers",
  "impersonations",
  "invitations",
  "locks",
  "member_units",
  "members",
  "roles",
  "units",
];

/** Tables of which who is limited to units sees nothing: they tell of every row. */
const HIDDEN = ["audit"];

/** How the policy of a table that is narrowed begins: by the mark, where PostgreSQL lets nobody take it off, or by who acts. */
const BY_MARK =
  "(( SELECT ((current_setting('transaction_deferrable'::text) = 'off'::text) OR (app.actor() !~~ '%:units'::text))) OR ";
const BY_ACTOR = "(( SELECT (app.actor() !~~ '%:units'::text)) OR ";

let app: TestApp;
let tenant: TestTenant;
let place: Place;
let holder: Person;

Deno.test.beforeAll(async () => {
  app = await bootApp({ worker: true });
  tenant = await app.tenant("unit-rows");
  place = await openPlace(app, tenant);
  const unit = await app.ask("POST", "/v1/units", { token: tenant.admin, body: { name: "North" } });
  holder = await addPerson(app, tenant, "unit_manager", { unit_ids: [unit.body.id] });
  await asSystem(
    app.services,
    tenant.id,
    (tx) =>
      tx`insert into tenant.buildings (name, address, city, country, unit_id)
      select 'Building ' || n, '1 King St', 'Toronto', 'CA', case when n <= 3 then ${unit.body.id}::uuid end
      from generate_series(1, 3000) n`,
  );
  await asSystem(
    app.services,
    tenant.id,
    (tx) => tx`insert into tenant.properties (building_id, label) select id, 'Flat' from tenant.buildings`,
  );
  await asSystem(
    app.services,
    tenant.id,
    (tx) =>
      tx`insert into tenant.meters (property_id, serial_number, utility, unit, time_zone)
      select id, id::text, 'electricity', 'kWh', 'UTC' from tenant.properties`,
  );
  await asSystem(
    app.services,
    tenant.id,
    (tx) =>
      tx`insert into tenant.meter_readings (meter_id, ends_at, billing_day, value)
      select m.id, at, at::date, 1 from (select id from tenant.meters order by id desc limit 20) m,
        generate_series('2012-01-01T10:00Z'::timestamptz, '2012-06-01', '1 day') at`,
  );
  await place.admin`analyze`;
});
Deno.test.afterAll(async () => {
  await place?.end();
  await app?.stop();
});

const claimOf = (actor: string): Claim => ({
  tenantId: tenant.id,
  proof: signContext(place.signer, tenant.id, { actor }, 0),
});
const limited = () => claimOf(`member:${holder.id}:units`);
const count = async (tx: Sql, table = "buildings") =>
  Number((await tx.unsafe(`select count(*) from tenant.${table}`))[0].count);

Deno.test("every table of the tenants is narrowed to units, or named here as open", async () => {
  const rows = await place.admin`select c.relname as name, pg_get_expr(polqual, polrelid) as using,
      pg_get_expr(polwithcheck, polrelid) as checked
    from pg_policy p join pg_class c on c.oid = p.polrelid
    where c.relnamespace = 'tenant'::regnamespace and polname = 'tenant_rows' order by 1`;
  assert.deepEqual(rows.filter(({ using }) => using === "true").map(({ name }) => name), OPEN);
  for (const name of HIDDEN) {
    assert.equal(await under(place, limited(), (tx) => count(tx, name)), 0);
    assert.ok(await under(place, proven(place), (tx) => count(tx, name)) > 0);
  }
  const [{ lasts }] = await place.admin`
    select 'NO_RESET' = any (pg_settings_get_flags('transaction_deferrable')) as lasts`;
  const narrowed = rows.filter(({ name, using }) => using !== "true" && !HIDDEN.includes(name));
  for (const { name, using, checked } of narrowed) {
    assert.ok(using.startsWith(lasts ? BY_MARK : BY_ACTOR), `${name}: ${using}`);
    assert.equal(using, checked, name);
  }
  const { length } = await place.admin`select 1 from pg_policy p join pg_class c on c.oid = p.polrelid
    where c.relnamespace = 'tenant'::regnamespace and polpermissive and polname <> 'tenant_rows'`;
  assert.equal(length, 0, "another permissive policy would open what these close");
});

Deno.test("who is limited to units has the rows of those units, whatever statement reads or writes them", async () => {
  await under(place, limited(), async (tx) => {
    assert.deepEqual([await count(tx), await count(tx, "properties"), await count(tx, "meters")], [3, 3, 3]);
    assert.equal((await tx`update tenant.buildings set city = 'Elsewhere'`).count, 3);
    assert.equal((await tx`delete from tenant.meters`).count, 3);
    const { error } = await attempt(tx, (inner) => inner`update tenant.buildings set unit_id = null`);
    assert.equal((error as unknown as { code: string }).code, "42501");
  });
  assert.equal(await under(place, proven(place), (tx) => count(tx)), 3000);
});

Deno.test("the limit cannot be lifted by setting another proof, before, within or between statements", async () => {
  const { proof } = limited();
  const forged = [
    proof.replace(":units", ""),
    proof.replace(`member:${holder.id}:units`, "-"),
    proof.replace(":units", ":unitz"),
    proof.replace(":units.", ".:units."),
    proof.replace("v1.", "v1.v1."),
  ];
  for (const wrong of forged) {
    await under(place, limited(), async (tx) => {
      assert.equal(await count(tx), 3);
      const within = await attempt(
        tx,
        (inner) =>
          inner`select count(*)::int as n, min(p) as p from tenant.buildings b
          cross join lateral (select set_config('app.proof', ${wrong}, true) as p where b.id is not null) x
          cross join lateral (select count(*) from tenant.properties) y`,
      );
      assert.ok(within.error !== undefined || within.value![0].n <= 3, wrong);
      await attempt(tx, (inner) => enter(inner, { tenantId: tenant.id, proof: wrong }));
      const after = await attempt(tx, (inner) => count(inner));
      assert.ok(after.error !== undefined || Number(after.value) <= 3, wrong);
    });
  }
  const other = proof.replace(holder.id, crypto.randomUUID());
  const asked = await under(
    place,
    limited(),
    (tx) =>
      attempt(
        tx,
        (inner) =>
          inner`select tenant.acting_member() from (select set_config('app.proof', ${other}, true) as p offset 0) x where p <> ''`,
      ),
  );
  assert.equal((asked.error as unknown as { code: string }).code, "42501", "who acts is proven wherever it is asked");
  const nobody = await under(place, claimOf(`member:${crypto.randomUUID()}:units`), (tx) => count(tx));
  assert.equal(nobody, 0);
});

Deno.test("who acts is proven for each row, whatever the statement sets before it", async () => {
  const { tenantId, proof } = proven(place);
  const forged = proof.replace(".-.", `.operator:${crypto.randomUUID()}.`);
  const { error } = await under(
    place,
    { tenantId, proof },
    (tx) =>
      attempt(
        tx,
        (inner) =>
          inner`insert into tenant.jobs (id, kind) select gen_random_uuid(), 'reports.usage' from (values (1), (2)) v(n)
        where case when n = 2 then set_config('app.proof', ${forged}, true) else '-' end <> ''`,
      ),
  );
  assert.equal((error as unknown as { code: string })?.code, "42501");
});

Deno.test("the limit cannot be lifted between the guard's question and that for the limit", async () => {
  const { proof } = limited();
  const [hidden] = await place
    .admin`select id from tenant.buildings where tenant_id = ${tenant.id} and unit_id is null limit 1`;
  for (const other of [proof.replace(":units", ""), proof.replace(`member:${holder.id}:units`, "-")]) {
    // The first scan asks the guard and finds nothing; the second finds the row, and only then is the limit asked for.
    const { value = [] } = await under(place, limited(), async (tx) => {
      await tx`select set_config('enable_seqscan', 'off', true), set_config('enable_hashjoin', 'off', true),
        set_config('enable_mergejoin', 'off', true), set_config('enable_bitmapscan', 'off', true)`;
      return await attempt(
        tx,
        (inner) =>
          inner`select b.id from (values (1, null::uuid), (2, ${hidden.id}::uuid)) v(n, id)
          cross join lateral (select case when n = 2 then set_config('app.proof', ${other}, true) else '' end as s offset 0) x
          cross join lateral (select * from tenant.buildings b where b.id = v.id and x.s is not null offset 0) b`,
      );
    });
    assert.deepEqual([...value], []);
  }
});

Deno.test("a limited caller's transaction is marked, and nothing in it takes the mark off", async () => {
  const unmarked = place.login.begin(async (tx) => {
    await enter(tx as unknown as Sql, limited());
    return await count(tx as unknown as Sql);
  });
  await assert.rejects(unmarked, { code: "42501" });
  const marked = (tx: Sql) => tx`select current_setting('transaction_deferrable') as mark`.then(([{ mark }]) => mark);
  await under(place, limited(), async (tx) => {
    for (
      const statement of [
        "set transaction_deferrable = off",
        "set local transaction_deferrable = off",
        "set session transaction_deferrable = off",
        "set transaction not deferrable",
        "set session characteristics as transaction not deferrable",
        "set default_transaction_deferrable = off",
        "reset transaction_deferrable",
        "reset all",
        "select set_config('transaction_deferrable', 'off', true)",
        "select set_config('transaction_deferrable', 'off', false)",
        "update pg_settings set setting = 'off' where name = 'transaction_deferrable'",
        "start transaction not deferrable",
        "begin not deferrable",
      ]
    ) {
      await attempt(tx, (inner) => inner.unsafe(statement));
      const { value = 0, error } = await attempt(tx, (inner) => count(inner));
      // Refused where the mark went, none where the context went as well.
      assert.ok(error ? await marked(tx) === "off" : value <= 3, statement);
    }
  });
});

Deno.test("who is limited writes nothing that says who belongs where and may do what", async () => {
  const { rows: [session] } = await under(place, proven(place), async (tx) => ({
    rows: await tx`select member_id from tenant.sessions where member_id <> ${holder.id} limit 1`,
  }));
  await under(place, limited(), async (tx) => {
    const refused = [
      "insert into tenant.member_units (member_id, unit_id) select tenant.acting_member(), id from tenant.units on conflict do nothing",
      "delete from tenant.member_units",
      "update tenant.units set parent_id = null",
      "insert into tenant.units (name) values ('Mine')",
      "update tenant.members set role = 'admin' where id = tenant.acting_member()",
      "update tenant.members set status = 'inactive'",
      "update tenant.roles set units_only = false",
      "insert into tenant.roles (key, name, permissions) values ('mine', 'Mine', '{}')",
    ];
    for (const statement of refused) {
      const { error } = await attempt(tx, (inner) => inner.unsafe(statement));
      assert.equal((error as unknown as { code: string })?.code, "42501", statement);
    }
    assert.ok(session, "somebody else has a session");
    const taken = await attempt(tx, (inner) => inner`update tenant.sessions set refresh_hash = sha256('mine')`);
    assert.equal((taken.value as unknown as { count: number } | undefined)?.count, 1, "one's own session");
    assert.equal(await count(tx), 3);
  });
});

Deno.test("who is not limited sees all, even where another guest of the session has left the mark on", async () => {
  const rows = await place.login.begin("deferrable", async (tx) => {
    await enter(tx as unknown as Sql, proven(place));
    return await count(tx as unknown as Sql);
  });
  assert.equal(rows, 3000);
});

Deno.test("the limit cannot be lifted while a cursor is open", async () => {
  const { proof } = limited();
  const [hidden] = await place
    .admin`select id from tenant.buildings where tenant_id = ${tenant.id} and unit_id is null limit 1`;
  const lifting = [
    "reset transaction_deferrable",
    "reset all",
    `select set_config('app.proof', '${proof.replace(":units", "")}', true)`,
  ];
  for (const statement of lifting) {
    const seen = await under(place, limited(), async (tx) => {
      await tx.unsafe(
        "set local enable_seqscan = off; set local enable_hashjoin = off; set local enable_mergejoin = off",
      );
      await tx.unsafe(`declare c cursor for select v.n, b.id from (values (1, null::uuid), (2, '${hidden.id}')) v(n, id)
        left join lateral (select * from tenant.buildings b where b.id = v.id offset 0) b on true`);
      assert.deepEqual([...await tx`fetch 1 from c`], [{ n: 1, id: null }]);
      await attempt(tx, (inner) => inner.unsafe(statement));
      return (await attempt(tx, (inner) => inner`fetch 1 from c`)).value ?? [];
    });
    assert.deepEqual(seen.filter(({ id }) => id !== null), [], statement);
  }
});

/** Lists as the routes read them, whole rows, and one join over three tables. */
const READS = [
  "select * from tenant.buildings where name_key >= 'building 1' and name_key < 'building 2' order by name_key, id limit 51",
  "select * from tenant.buildings order by created_at, id limit 51",
  "select * from tenant.properties where building_id = (select id from tenant.buildings limit 1)",
  "select * from tenant.meters order by serial_key, id limit 51",
  "select b.name, m.id from tenant.meters m join tenant.properties p on p.id = m.property_id join tenant.buildings b on b.id = p.building_id order by m.serial_key, m.id limit 20",
  "select * from tenant.meter_readings where meter_id = (select id from tenant.meters limit 1) order by ends_at limit 51",
];

const explained = async (tx: Sql, text: string) =>
  (await tx.unsafe(`explain (analyze, costs off, timing off, summary off, buffers off) ${text}`))
    .map((row) => row["QUERY PLAN"] as string);

/** The nodes that read tables, and by which index. */
const scans = (plan: string[]) =>
  plan.filter((line) => /Scan (using|on)|Seq Scan/.test(line) && !/Subquery/.test(line))
    .map((line) => line.replace(/^[ ->]*/, "").replace(/ \(actual.*/, ""));

Deno.test("callers who see all keep their index plans, and what is asked of units is never run", async () => {
  for (const text of READS) {
    const plan = await under(place, proven(place), (tx) => explained(tx, text));
    const open = await place.admin.begin(async (tx) => {
      for (const table of ["buildings", "properties", "meters", "meter_readings"]) {
        await tx.unsafe(`alter policy tenant_rows on tenant.${table} using (true)`);
      }
      await tx.unsafe(`set local role "${place.placement.login}"`);
      await enter(tx as unknown as Sql, proven(place));
      const found = await explained(tx as unknown as Sql, text);
      throw Object.assign(new Error("undo"), { found });
    }).catch((error) => {
      if (!error.found) throw error;
      return error.found as string[];
    });
    assert.deepEqual(scans(plan), scans(open), `${plan.join("\n")}\n---\n${open.join("\n")}`);
    assert.ok(scans(open).some((line) => /Index/.test(line)), text);
    const asked = plan.filter((line) => /ProjectSet/.test(line));
    assert.ok(asked.length > 0 && asked.every((line) => /never executed/.test(line)), plan.join("\n"));
  }
});

Deno.test("a permission and the rows of units cost no round trip, and changed access one visit once", async () => {
  const { services } = app;
  const record = (await services.directory.byId(tenant.id))!;
  const { target } = await services.targets.context(record, { operation: "test", requestId: "", readOnly: true });
  const pool = new Pool(target, { max: 1 });
  const counted = createDoors({ get: () => pool } as never, target, services.log);
  const doors = { ...services.doors, asTenant: counted.asTenant };
  const served = createApp({ ...services, doors }, platformHosts(services.config, services.publicUrl));
  const trips = async (token: string) => {
    const before = pool.stats().roundTrips;
    const headers = { authorization: `Bearer ${token}` };
    const answer = await served.fetch(new Request(`${services.publicUrl}/v1/buildings?limit=5`, { headers }));
    assert.equal(answer.status, 200, await answer.text());
    return pool.stats().roundTrips - before;
  };
  try {
    const person = await addPerson(app, tenant, "member");
    assert.deepEqual([await trips(person.token), await trips(person.token)], [1, 1]);
    assert.deepEqual([await trips(holder.token), await trips(holder.token)], [1, 1]);
    const body = { key: "viewer", name: "Viewer", permissions: { buildings: ["view"] } };
    await app.ask("POST", "/v1/roles", { token: tenant.admin, body });
    await app.ask("PATCH", `/v1/members/${person.id}`, { token: tenant.admin, body: { role: "viewer" } });
    // The refused statement, what is read anew, the statement again; from then on this process knows.
    assert.deepEqual([await trips(person.token), await trips(person.token)], [3, 1]);
    const renewed = await issueToken(services, tenant.id, { memberId: person.id, sessionId: person.sessionId });
    assert.equal(await trips(renewed), 1);
  } finally {
    await pool.end();
  }
});
