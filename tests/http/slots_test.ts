// Places for long operations.
import assert from "node:assert/strict";
import { Slots } from "../../src/http/slots.ts";

Deno.test("Slots.within() refuses the one too many of a key, and gives places back", async () => {
  const slots = new Slots();
  const gate = Promise.withResolvers<void>();
  const limits = { tenant: 2, database: 3 };
  const first = slots.within(limits, () => gate.promise);
  const second = slots.within(limits, () => gate.promise);
  await assert.rejects(slots.within(limits, () => Promise.resolve()), { code: "overloaded" });
  const other = slots.within({ other: 2, database: 3 }, () => gate.promise);
  await assert.rejects(slots.within({ third: 2, database: 3 }, () => Promise.resolve()), { code: "overloaded" });
  gate.resolve();
  await Promise.all([first, second, other]);
  assert.equal(await slots.within(limits, () => Promise.resolve("in")), "in");
});

Deno.test("Slots.within() gives the place back after an error", async () => {
  const slots = new Slots();
  await assert.rejects(slots.within({ tenant: 1 }, () => Promise.reject(new Error("broken"))), /broken/);
  assert.equal(await slots.within({ tenant: 1 }, () => Promise.resolve("in")), "in");
});
