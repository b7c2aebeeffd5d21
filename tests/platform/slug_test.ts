// Which slugs may be had, without a database: spelling and reserved names.
import assert from "node:assert/strict";
import { isReserved, RESERVED_SLUGS, slugSchema } from "../../src/platform/tenants/slug.ts";

const takes = (slug: string) => slugSchema.safeParse(slug).success;

Deno.test("slugSchema takes 2 to 63 letters, digits and hyphens with an alphanumeric at both ends", () => {
  for (const slug of ["ab", "a1", "42", "acme", "acme-corp", "a--b--c", "a-b", "x".repeat(63)]) {
    assert.ok(takes(slug), slug);
  }
  const refused = [
    "",
    "a",
    "-a",
    "a-",
    "-",
    "--",
    "a_b",
    "a.b",
    "a b",
    " ab",
    "ab ",
    "ab\n",
    "a\0b",
    "ä1",
    "a/b",
    "a@b",
  ];
  for (const slug of [...refused, "x".repeat(64)]) assert.ok(!takes(slug), JSON.stringify(slug));
});

Deno.test("slugSchema gives lower case whatever was typed", () => {
  assert.equal(slugSchema.parse("AcMe-1"), "acme-1");
});

Deno.test("slugSchema refuses encoded names and what looks like an id", () => {
  assert.ok(!takes("xn--bcher-kva"));
  assert.ok(!takes("ab--c"));
  assert.ok(!takes("01890a5d-ac96-774b-bcce-b302099a8057"));
  assert.ok(!takes("01890A5D-AC96-774B-BCCE-B302099A8057"));
});

Deno.test("RESERVED_SLUGS holds only names that could be asked for", () => {
  for (const slug of RESERVED_SLUGS) {
    assert.ok(/^[a-z0-9-]+$/.test(slug), slug);
    assert.ok(isReserved(slug));
  }
  for (const slug of ["www", "api", "admin", "platform", "localhost", "mail", "app"]) assert.ok(isReserved(slug), slug);
  assert.ok(!isReserved("acme"));
});
