// Ids that code makes: their form, and that they grow, also within a millisecond and when the clock is set back.
import assert from "node:assert/strict";
import { newId } from "../../src/db/ids.ts";

Deno.test("newId() makes UUIDs of version 7 that carry the time", () => {
  const before = Date.now();
  const id = newId();
  assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  const at = Number.parseInt(id.replaceAll("-", "").slice(0, 12), 16);
  assert.ok(at >= before && at <= Date.now() + 1, `${at}`);
});

Deno.test("newId() grows, however many are made in a millisecond, and when the clock is set back", () => {
  const now = Date.now() + 10;
  const ids = [
    ...Array.from({ length: 10_000 }, () => newId(now)),
    newId(now - 60_000),
    newId(now + 60_000),
  ];
  assert.deepEqual(ids, ids.toSorted());
  assert.equal(new Set(ids).size, ids.length);
});
