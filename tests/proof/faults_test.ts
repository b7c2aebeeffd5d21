// The proof finds every planted fault and names it: no finding → plant → finding → repair → no finding. The fault is
// planted as superuser; the proof runs as the login that rolls out, in the same transaction, as in a rollout.
import assert from "node:assert/strict";
import type { Sql } from "../../src/db/direct.ts";
import { fill } from "../../src/db/sql_files.ts";
import { FAULTS } from "../../src/prove/mutants/mutants.ts";
import { makeScratch, type Scratch } from "./scratch.ts";

let scratch: Scratch;
let version: number;
Deno.test.beforeAll(async () => {
  scratch = await makeScratch("proof");
  const [row] = await scratch.admin`select current_setting('server_version_num')::int as version`;
  version = row.version;
});
Deno.test.afterAll(() => scratch.drop());

const loose = { sanitizeOps: false, sanitizeResources: false };

/** What the proof finds with the fault, and what it finds after the repair; leaves nothing behind. */
async function findings(plant: string): Promise<{ planted: string[]; repaired: string[] }> {
  const { roles, admin, migratorName } = scratch;
  const text = fill({ name: "fault", text: plant }, {
    owner: roles.owner,
    keeper: roles.keeper,
    tenant_login: roles.tenantLogin,
  });
  const asMigrator = `set local session authorization ${migratorName}`;
  let planted: string[] = [];
  await admin.begin(async (tx) => {
    await tx.unsafe(text);
    await tx.unsafe(`reset role; ${asMigrator}`);
    planted = await scratch.prove(tx as unknown as Sql);
    throw new Error("undo");
  }).catch((error) => assert.ok(planted.length > 0 || error.message === "undo", error));
  const repaired = await scratch.prove(scratch.migrator);
  return { planted, repaired };
}

Deno.test("the proof passes on a fresh placement", loose, async () => {
  assert.deepEqual(await scratch.prove(scratch.migrator), []);
  assert.deepEqual(await scratch.prove(scratch.admin), []);
});

for (const [kind, faults] of Object.entries(FAULTS)) {
  Deno.test(`the proof finds what is wrong with ${kind}`, loose, async (t) => {
    for (const { fault, plant, says, since = 0 } of faults) {
      await t.step({
        name: fault,
        ...loose,
        ignore: version < since,
        fn: async () => {
          const { planted, repaired } = await findings(plant);
          assert.match(planted.join("\n"), says);
          assert.deepEqual(repaired, []);
        },
      });
    }
  });
}
