// Which versions of a tenant's signing key are accepted and published, and when.
import assert from "node:assert/strict";
import { acceptsKey, publishedKeys } from "../../src/tenancy/signing.ts";

const now = Date.parse("2026-01-01T12:00:00Z");
const accepted = (signing: Parameters<typeof acceptsKey>[0], at = now) =>
  [1, 2, 3, 4, 5].filter((version) => acceptsKey(signing, version, at));

Deno.test("acceptsKey() takes the current version, later ones, and the one before until its time is over", () => {
  assert.deepEqual(accepted({ version: 1, previous_until: null }), [1, 2, 3, 4, 5]);
  assert.deepEqual(accepted({ version: 3, previous_until: null }), [3, 4, 5]);
  const renewed = { version: 3, previous_until: "2026-01-01T12:30:00.123456+00:00" };
  assert.deepEqual(accepted(renewed), [2, 3, 4, 5]);
  assert.deepEqual(accepted(renewed, now + 31 * 60_000), [3, 4, 5]);
});

Deno.test("publishedKeys() are those accepted and the next", () => {
  assert.deepEqual(publishedKeys({ version: 1, previous_until: null }, now), [1, 2]);
  assert.deepEqual(publishedKeys({ version: 3, previous_until: "2026-01-01T12:30:00Z" }, now), [2, 3, 4]);
  assert.deepEqual(publishedKeys({ version: 3, previous_until: "2026-01-01T11:30:00Z" }, now), [3, 4]);
});
