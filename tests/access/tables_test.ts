// The access matrix of the database, generated from its catalogue: every table × select, insert, update, delete × every
// kind of context, as the run-time login, in all three tiers. Only the tenant's own, proven context sees or changes its
// rows. A table that is added later is tested by existing.
import assert from "node:assert/strict";
import { signContext } from "../../src/tenancy/context.ts";
import { attempt, type Claim, enter, NOBODY, type Place, proven, under } from "../support/placement.ts";
import type { Sql } from "../../src/db/direct.ts";
import type { Table } from "./catalogue.ts";
import { columnsOfLogin, insertion, type Row } from "./rows.ts";
import { inventory, sameRow, type Scene, setStage, type Stage } from "./stage.ts";

let stage: Stage;
Deno.test.beforeAll(async () => {
  stage = await setStage();
});
Deno.test.afterAll(() => stage?.end());

const loose = { sanitizeOps: false, sanitizeResources: false };
const TIERS = ["shared", "dedicated", "byo"];
const VERBS = ["select", "insert", "update", "delete"] as const;
type Verb = typeof VERBS[number];

/** Refused rights and refused contexts, a closed tenant. */
const REFUSED = ["42501", "BH001"];

function scene(tier: string): Scene {
  return stage.scenes.find((one) => one.tier === tier)!;
}

/** Contexts that must not open the tenant, by what is wrong with them. */
function wrongClaims({ place, other }: Scene): Record<string, Claim> {
  const { id } = place.tenant;
  const good = proven(place).proof;
  const signed = (signer = place.signer, pid = 0, now?: number) => ({
    tenantId: id,
    proof: signContext(signer, id, null, pid, now),
  });
  return {
    "no tenant": NOBODY,
    "no proof": { tenantId: id, proof: "" },
    "another tenant, proven here": proven(place, other.tenant.id),
    "another tenant's proof": { tenantId: id, proof: proven(place, other.tenant.id).proof },
    "a forged proof": { tenantId: id, proof: good.slice(0, -1) + (good.endsWith("0") ? "1" : "0") },
    "a made-up proof": { tenantId: id, proof: `v1.1.-.0.9999999999.${"0".repeat(64)}` },
    "an expired proof": signed(place.signer, 0, Date.now() - 120_000),
    "a proof that is good for too long": signed(place.signer, 0, Date.now() + 600_000),
    "another placement's key": signed(elsewhere(place).signer),
    "a key that is not there": signed({ ...place.signer, keyId: 2 }),
    "another backend": signed(place.signer, place.pid + 1),
    "a proof of another user's": { tenantId: id, proof: good.replace(".-.", `.${id}.`) },
    "a claim that is no uuid": { tenantId: `${id}'`, proof: good },
    "a proof that is no proof": { tenantId: id, proof: "x".repeat(10_000) },
  };
}

function elsewhere(place: Place): Place {
  return stage.scenes.map((one) => one.place).find((one) => one.placement.id !== place.placement.id)!;
}

/** A statement of this kind against one row, which gives the row back. */
function onRow(table: Table, verb: Verb, row: Row, insert: string): string {
  const name = writable(table);
  switch (verb) {
    case "select":
      return `select tenant_id from ${table.name}`;
    case "insert":
      return insert;
    case "update":
      return `update ${table.name} set "${name}" = "${name}" where ${sameRow(table, row)} returning tenant_id`;
    case "delete":
      return `delete from ${table.name} where ${sameRow(table, row)} returning tenant_id`;
  }
}

/** A statement of this kind against whatever is there. It reads nothing, so that only the guard of its verb holds it. */
function onAnything(table: Table, verb: Verb, insert: string): string {
  switch (verb) {
    case "select":
      return `select 1 from ${table.name}`;
    case "insert":
      return insert.replace(/ returning .*$/s, "");
    case "update":
      return `update ${table.name} set "${writable(table)}" = default`;
    case "delete":
      return `delete from ${table.name}`;
  }
}

function writable(table: Table): string {
  return table.columns.find(({ mayUpdate }) => mayUpdate)?.name ?? "tenant_id";
}

/** An insert that is valid for the tenant: what is refused of it is refused for the context alone. */
async function validInsert({ place, rows }: Scene, table: Table): Promise<string> {
  let made = "";
  const run = (tx: Sql) => async (text: string) => {
    const { value, error } = await attempt(tx, (inner) => inner.unsafe(text));
    if (error) throw error;
    made = text;
    return value![0] as unknown as Row;
  };
  await under(place, proven(place), (tx) => rows.make(table, place.tenant.id, columnsOfLogin(table), run(tx)));
  return made;
}

/** Tries all verbs under a claim that must not open the tenant; gives the number of attempts. */
async function tryAll(scene: Scene, table: Table, claim: Claim, insert: string | null): Promise<number> {
  const { place, other, rows } = scene;
  const row = await rows.row(table, place.tenant.id);
  const given = insert ?? insertion(table, columnsOfLogin(table), []);
  // Another tenant, proven, may have rows of its own: they are not this one's.
  const elsewhere = claim.tenantId === other.tenant.id;
  for (const verb of VERBS) {
    const text = elsewhere ? onRow(table, verb, row, given) : onAnything(table, verb, given);
    const { value, error } = await under(place, claim, (tx) => attempt(tx, (inner) => inner.unsafe(text)));
    if (error) {
      // Another tenant's insert fails at its parents, which are not this tenant's; a claim must be a uuid to be a default.
      const ofDefault = verb === "insert" && claim.tenantId !== place.tenant.id ? ["23503", "22P02"] : [];
      assert.ok([...REFUSED, ...ofDefault].includes(error.code), `${verb}: ${error.code} ${error.message}`);
    } else {
      const seen = elsewhere ? value!.filter((found) => found.tenant_id === place.tenant.id).length : value!.count;
      assert.equal(seen, 0, `${verb} saw or changed rows`);
    }
  }
  return VERBS.length;
}

/** The tenant's own visit: each verb that is granted does its work, each other one is refused. */
async function tryOwn({ place, rows }: Scene, table: Table, claim: Claim): Promise<number> {
  const { id } = place.tenant;
  await under(place, claim, async (tx) => {
    const known = await rows.row(table, id);
    const seen = await tx.unsafe(`select tenant_id from ${table.name}`);
    assert.ok(
      seen.length > 0 && seen.every((row) => row.tenant_id === id),
      "select did not show the tenant's rows alone",
    );
    const run = async (text: string) => {
      const { value, error } = await attempt(tx, (inner) => inner.unsafe(text));
      if (error) throw error;
      return value![0] as unknown as Row;
    };
    const columns = columnsOfLogin(table);
    const fresh = table.may.insert ? await rows.make(table, id, columns, run) : known;
    assert.equal(fresh.tenant_id, id, "insert did not give the row to the tenant");
    for (const verb of VERBS) {
      if (verb === "select" || verb === "insert" && table.may.insert) continue;
      const text = onRow(table, verb, fresh, insertion(table, columns, columns.map(() => null)));
      const { value, error } = await attempt(tx, (inner) => inner.unsafe(text));
      if (!table.may[verb]) assert.equal(error?.code, "42501", `${verb} is not granted but was not refused`);
      // A row that others refer to may not be deleted, but the wall let the statement through.
      else if (!(verb === "delete" && error?.code === "23503")) {
        assert.equal(value?.length, 1, `${verb}: ${error?.message}`);
      }
    }
  });
  return VERBS.length;
}

for (const tier of TIERS) {
  Deno.test(`only a tenant's own context opens its tables, ${tier}`, loose, async (t) => {
    const { place, tables } = scene(tier);
    const before = await inventory(place.admin, tables, place.tenant.id);
    const wrong = Object.entries(wrongClaims(scene(tier)));
    let attempts = 0;
    assert.ok(tables.length >= 15, "the catalogue shows too few tables");
    for (const table of tables) {
      await t.step({
        name: table.name,
        ...loose,
        fn: async () => {
          assert.ok(table.may.select, "the login may not read it: what is it for?");
          attempts += await tryOwn(scene(tier), table, proven(place));
          attempts += await tryOwn(scene(tier), table, proven(place, place.tenant.id, place.pid));
          const insert = table.may.insert ? await validInsert(scene(tier), table) : null;
          for (const [name, claim] of wrong) {
            await tryAll(scene(tier), table, claim, insert).then((tried) => attempts += tried, (error) => {
              throw new assert.AssertionError({ message: `${name}: ${error.message}` });
            });
          }
        },
      });
    }
    assert.deepEqual(await inventory(place.admin, tables, place.tenant.id), before);
    console.log(`    ${tables.length} tables, ${wrong.length + 2} contexts, ${attempts} statements: 0 foreign rows`);
  });

  Deno.test(`a closed gate shows and changes nothing, ${tier}`, loose, async (t) => {
    const { place, tables } = scene(tier);
    const inserts = new Map<Table, string | null>();
    for (const table of tables) inserts.set(table, table.may.insert ? await validInsert(scene(tier), table) : null);
    const gate = (open: boolean) =>
      place.admin`update app.gates set open = ${open} where tenant_id = ${place.tenant.id}`;
    await gate(false);
    try {
      for (const table of tables) {
        await t.step(table.name, async () => {
          const row = await scene(tier).rows.row(table, place.tenant.id);
          for (const verb of VERBS) {
            if (!table.may[verb]) continue;
            const text = onRow(table, verb, row, inserts.get(table)!);
            const { error } = await under(place, proven(place), (tx) => attempt(tx, (inner) => inner.unsafe(text)));
            assert.equal(error?.code, "BH001", `${verb} was not refused by the gate`);
          }
        });
      }
    } finally {
      await gate(true);
    }
    await tryOwn(scene(tier), tables[0], proven(place));
  });

  Deno.test(`a context ends with its transaction and with its statement's tenant, ${tier}`, loose, async () => {
    const { place, tables } = scene(tier);
    await under(place, proven(place), (tx) => tx`select 1`);
    const [after] = await place.login`select current_setting('app.tenant_id', true) as claim`;
    assert.ok(!after.claim);
    for (const { name } of tables) {
      await place.login.unsafe(`prepare p as select tenant_id::text from ${name}`);
      for (const mode of ["force_generic_plan", "force_custom_plan", "auto"]) {
        await under(place, proven(place), async (tx) => {
          await tx.unsafe(`set local plan_cache_mode = ${mode}`);
          assert.ok((await tx.unsafe("execute p")).length > 0);
          await enter(tx, NOBODY);
          assert.equal((await tx.unsafe("execute p")).length, 0, `${name}, ${mode}`);
        });
      }
      await place.login.unsafe("deallocate p");
    }
  });

  Deno.test(`what all tenants share is read by everyone and written by none, ${tier}`, loose, async (t) => {
    const { place, shared } = scene(tier);
    assert.ok(shared.length >= 3);
    for (const table of shared) {
      await t.step(table.name, async () => {
        for (const claim of [NOBODY, proven(place)]) {
          const seen = await under(place, claim, (tx) => tx.unsafe(`select * from ${table.name}`));
          assert.ok(seen.length > 0);
          const [column] = table.columns;
          for (
            const text of [
              `insert into ${table.name} select * from ${table.name}`,
              `update ${table.name} set "${column.name}" = "${column.name}"`,
              `delete from ${table.name}`,
              `truncate ${table.name} cascade`,
            ]
          ) {
            const { error } = await under(place, claim, (tx) => attempt(tx, (inner) => inner.unsafe(text)));
            assert.equal(error?.code, "42501", text);
          }
        }
      });
    }
  });
}

Deno.test("the matrix finds a table that was opened", loose, async (t) => {
  const one = scene("shared");
  const { place, tables } = one;
  const table = tables.find(({ name }) => name === "tenant.buildings")!;
  const guard = "(tenant_id = (select app.tenant_id()))";
  const faults: [string, string, string][] = [
    [
      "row-level security is off",
      `alter table ${table.name} disable row level security`,
      `alter table ${table.name} enable row level security`,
    ],
    [
      "the guard lets everything be read",
      `alter policy tenant_guard on ${table.name} using (true)`,
      `alter policy tenant_guard on ${table.name} using ${guard}`,
    ],
    [
      "the guard believes an unproven claim",
      `alter policy tenant_guard on ${table.name} using (tenant_id::text = current_setting('app.tenant_id', true))`,
      `alter policy tenant_guard on ${table.name} using ${guard}`,
    ],
    [
      "the guard lets everything be written",
      `alter policy tenant_guard on ${table.name} with check (true)`,
      `alter policy tenant_guard on ${table.name} with check ${guard}`,
    ],
  ];
  const insert = await validInsert(one, table);
  const everything = async () => {
    for (const claim of Object.values(wrongClaims(one))) await tryAll(one, table, claim, insert);
  };
  for (const [name, plant, repair] of faults) {
    await t.step(name, async () => {
      await everything();
      await place.admin.unsafe(plant);
      await assert.rejects(everything(), assert.AssertionError).finally(() => place.admin.unsafe(repair));
      await everything();
    });
  }
});
