// Every known fault, planted in a scratch deployment, is found by a layer of the prover; the table of them names it.
import assert from "node:assert/strict";
import { asMutantText, proveMutants } from "../../src/prove/mutants/mutants.ts";
import { loose, testGrounds } from "./stage.ts";

Deno.test("proveMutants() finds every planted fault", loose, async () => {
  const results = await proveMutants(await testGrounds(), { quick: false });
  assert.ok(results.length >= 25);
  assert.ok(results.filter(({ kind }) => kind === "code").length >= 10);
  assert.deepEqual(results.filter(({ foundBy }) => foundBy.length === 0), []);
  assert.match(asMutantText(results), / 0 survive$/);
  const survivor = { kind: "code", fault: "nobody looks", foundBy: [], says: "" };
  assert.match(asMutantText([...results, survivor]), /✘ code: nobody looks +SURVIVES\n.* 1 survive$/);
});
