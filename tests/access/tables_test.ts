// The access matrix of the database, generated from its catalogue: every table × select, insert, update, delete × every
// kind of context, as the run-time login, in all three tiers. Only the tenant's own, proven context sees or changes its
// rows. A table that is added later is tested by existing.
import assert from "node:assert/strict";
import { attempt, enter, NOBODY, type Place, proven, under } from "../support/placement.ts";
import type { Table } from "../../src/prove/catalogue.ts";
import { inventory, type Scene, setStage, type Stage } from "./stage.ts";
import { onRow, tryAll, tryOwn, validInsert, VERBS, wrongClaims } from "./visits.ts";

let stage: Stage;
Deno.test.beforeAll(async () => {
  stage = await setStage();
});
Deno.test.afterAll(() => stage?.end());

const loose = { sanitizeOps: false, sanitizeResources: false };
const TIERS = ["shared", "dedicated", "byo"];

function scene(tier: string): Scene {
  return stage.scenes.find((one) => one.tier === tier)!;
}

/** A placement with another key. */
function elsewhere(place: Place): Place {
  return stage.scenes.map((one) => one.place).find((one) => one.placement.id !== place.placement.id)!;
}

/** A valid insert for each table that the login may insert into. */
async function allInserts(scene: Scene): Promise<Map<Table, string | null>> {
  const inserts = new Map<Table, string | null>();
  for (const table of scene.tables) inserts.set(table, table.may.insert ? await validInsert(scene, table) : null);
  return inserts;
}

for (const tier of TIERS) {
  Deno.test(`only a tenant's own context opens its tables, ${tier}`, loose, async (t) => {
    const { place, tables } = scene(tier);
    const before = await inventory(place.admin, tables, place.tenant.id);
    const wrong = Object.entries(wrongClaims(scene(tier), elsewhere(place)));
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
    const inserts = await allInserts(scene(tier));
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

  Deno.test(`a retired key opens nothing, ${tier}`, loose, async () => {
    const { place, tables } = scene(tier);
    const retire = (at: string | null) =>
      place.admin`update app.keys set retired_at = ${at} where id = ${place.signer.keyId}`;
    const inserts = await allInserts(scene(tier));
    await retire(new Date().toISOString());
    try {
      for (const table of tables) await tryAll(scene(tier), table, proven(place), inserts.get(table)!);
    } finally {
      await retire(null);
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
  const table = tables.find(({ name }) => name === "tenant.units")!; // not narrowed: nothing else stands behind its guard
  const guard = "(tenant_id = (select coalesce((select tenant_id from app.entered), app.tenant_id())))";
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
    for (const claim of Object.values(wrongClaims(one, elsewhere(place)))) await tryAll(one, table, claim, insert);
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
