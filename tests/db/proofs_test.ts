// Which proof a visit shows: the last one of its caller and backend for some seconds, else a new one.
import assert from "node:assert/strict";
import { Proofs, type Signature } from "../../src/db/proofs.ts";

/** A caller whose proofs are numbered. */
function caller(name?: string): Signature {
  let signed = 0;
  return { caller: name, sign: (pid) => `${name}-${pid}-${++signed}`, permit: (proof) => `permit of ${proof}` };
}

/** Runs `fn` at another time of day. */
function at(ms: number, fn: () => void): void {
  const { now } = Date;
  Date.now = () => ms;
  try {
    fn();
  } finally {
    Date.now = now;
  }
}

Deno.test("a proof is used again by the same caller on the same backend only", () => {
  const [proofs, ada, bob] = [new Proofs(), caller("ada"), caller("bob")];
  assert.equal(proofs.prove(ada, 1), "ada-1-1");
  assert.equal(proofs.prove(ada, 1), "ada-1-1");
  assert.equal(proofs.prove(ada, 2), "ada-2-2");
  assert.equal(proofs.prove(bob, 1), "bob-1-1");
  assert.equal(proofs.prove(caller("ada"), 1), "ada-1-1", "who is the same caller is said by its text");
});

Deno.test("a caller who is not named has a proof of its own for each visit", () => {
  const [proofs, nobody] = [new Proofs(), caller()];
  assert.notEqual(proofs.prove(nobody, 1), proofs.prove(nobody, 1));
  assert.equal(proofs.permit(nobody, 1), null);
});

Deno.test("a proof is made anew after 20 seconds, and when the clock was set back", () => {
  const [proofs, ada] = [new Proofs(), caller("ada")];
  at(100_000, () => assert.equal(proofs.prove(ada, 1), "ada-1-1"));
  at(119_999, () => assert.equal(proofs.prove(ada, 1), "ada-1-1"));
  at(120_000, () => assert.equal(proofs.prove(ada, 1), "ada-1-2"));
  at(119_000, () => assert.equal(proofs.prove(ada, 1), "ada-1-3"));
});

Deno.test("the backend is told at the second use, once, and never where it is not known", () => {
  const [proofs, ada] = [new Proofs(), caller("ada")];
  const told = (pid: number) => {
    proofs.prove(ada, pid);
    return proofs.permit(ada, pid);
  };
  assert.deepEqual([told(1), told(1), told(1)], [null, ["ada-1-1", "permit of ada-1-1"], null]);
  assert.deepEqual([told(0), told(0)], [null, null]);
  const later = Date.now() + 20_000;
  at(later, () => assert.deepEqual([told(1), told(1)], [["ada-1-3", "permit of ada-1-3"], null], "it comes often"));
  at(later + 20_000, () => assert.deepEqual([told(1), told(1)], [null, ["ada-1-4", "permit of ada-1-4"]]));
  const silent = { ...caller("bob"), permit: undefined };
  proofs.prove(silent, 1);
  proofs.prove(silent, 1);
  assert.equal(proofs.permit(silent, 1), null);
});

Deno.test("only so many callers are kept, those that were signed last", () => {
  const proofs = new Proofs();
  const callers = Array.from({ length: 5_001 }, (_, n) => caller(`c${n}`));
  for (const one of callers) proofs.prove(one, 1);
  assert.equal(proofs.prove(callers[5_000], 1), "c5000-1-1");
  assert.equal(proofs.prove(callers[0], 1), "c0-1-2");
});
