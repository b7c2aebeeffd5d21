// Templates, fragments and values without a database.
import assert from "node:assert/strict";
import { AppError } from "../../src/errors.ts";
import { parseArray, toInstant } from "../../src/db/parsers.ts";
import { encode, type Fragment, join, json, Query, Source, sql, toStatement, type Value } from "../../src/db/sql.ts";

function statement(strings: TemplateStringsArray, ...values: Value[]) {
  return toStatement(strings, values);
}

Deno.test("toStatement() numbers values across nested fragments", () => {
  const open = sql`paid_at is null and amount > ${10}`;
  const where = sql`building = ${"b"} and (${open})`;
  assert.deepEqual(statement`select ${1}::int from t where ${where} limit ${5}`, {
    text: "select $1::int from t where building = $2 and (paid_at is null and amount > $3) limit $4",
    values: ["1", "b", "10", "5"],
  });
});

Deno.test("toStatement() gives the same text for the same template and never its values", () => {
  const one = (value: Value) => statement`select ${value}`;
  assert.equal(one("a").text, "select $1");
  assert.deepEqual(one("'; drop table t; --"), { text: "select $1", values: ["'; drop table t; --"] });
  assert.equal(one(sql`now()`).text, "select now()");
  assert.equal(one("a").text, "select $1");
});

Deno.test("join() puts fragments in a row", () => {
  const parts = [sql`a = ${1}`, sql`b = ${2}`, sql`c`];
  assert.deepEqual(statement`where ${join(parts, sql` and `)}`, {
    text: "where a = $1 and b = $2 and c",
    values: ["1", "2"],
  });
  assert.deepEqual(statement`x${join([], sql`,`)}y`, { text: "xy", values: [] });
  assert.deepEqual(statement`${join([sql`${1}`], sql`,`)}`, { text: "$1", values: ["1"] });
});

Deno.test("sql() refuses a string in place of a template", () => {
  const call = sql as unknown as (text: unknown) => Fragment;
  assert.throws(() => call("drop table t"), AppError);
  assert.throws(() => call(["drop table t"]), AppError);
  assert.throws(() => toStatement(["drop"] as unknown as TemplateStringsArray, []), AppError);
});

Deno.test("toStatement() refuses more values than the protocol can carry", () => {
  const many = join(Array.from({ length: 65_534 }, () => sql`${1}`), sql`,`);
  assert.throws(() => statement`select ${many}`, { code: "invalid_value" });
});

const encodings: [unknown, string | null][] = [
  [null, null],
  ["", ""],
  ['it\'s "ü" 😀', 'it\'s "ü" 😀'],
  [0, "0"],
  [-1.5, "-1.5"],
  [1e21, "1e+21"],
  [12345678901234567890n, "12345678901234567890"],
  [true, "true"],
  [false, "false"],
  [new Date(0), "1970-01-01T00:00:00.000Z"],
  [new Uint8Array([0, 15, 255]), "\\x000fff"],
  [new Uint8Array([1, 2, 3, 4]).subarray(1, 3), "\\x0203"],
  [[], "{}"],
  [[1, null, -2.5, 3n], "{1,NULL,-2.5,3}"],
  [["a", "", "null", 'q"q', "b\\b", "{,}", " x "], '{"a","","null","q\\"q","b\\\\b","{,}"," x "}'],
  [[true, new Date(0)], "{true,1970-01-01T00:00:00.000Z}"],
  [json({ a: [1, "x"], b: null }), '{"a":[1,"x"],"b":null}'],
  [json(null), "null"],
];

Deno.test("encode() writes each kind of value in PostgreSQL's text format", () => {
  for (const [value, text] of encodings) assert.equal(encode(value), text);
});

const refused: Record<string, unknown> = {
  undefined: undefined,
  "NaN": NaN,
  "infinity": Infinity,
  "an invalid date": new Date("abc"),
  "a NUL byte": "a\0b",
  "a lone surrogate": "a\uD800b",
  "a plain object": { a: 1 },
  "a function": () => 1,
  "a symbol": Symbol("s"),
  "a map": new Map(),
  "undefined in an array": [1, undefined],
  // deno-lint-ignore no-sparse-arrays -- this is what is tested
  "a hole in an array": [1, , 2],
  "NaN in an array": [NaN],
  "a nested array": [[1]],
  "an object in an array": [{}],
  "a NUL byte in an array": ["\0"],
  "a lone surrogate in an array": ["\uDFFF"],
  "a fragment": sql`x`,
};

Deno.test("encode() refuses what it cannot write, without repeating it", () => {
  for (const [name, value] of Object.entries(refused)) {
    assert.throws(() => encode(value), (error: unknown) => {
      assert.ok(error instanceof AppError, name);
      assert.equal(error.code, "invalid_value");
      return !error.message.includes("a\0b");
    }, name);
  }
});

Deno.test("json() refuses what has no JSON form", () => {
  const cycle: Record<string, unknown> = {};
  cycle.self = cycle;
  for (const value of [undefined, () => 1, 1n, cycle]) assert.throws(() => json(value), { code: "invalid_value" });
});

Deno.test("encode() writes an array of 10,000 texts that reads back the same", () => {
  const many = Array.from({ length: 10_000 }, (_, i) => `value "${i}" \\`);
  const text = encode(many)!;
  assert.deepEqual(parseArray(text, (element) => element), many);
});

Deno.test("parseArray() reads nested, quoted, null and bounded arrays and returns anything else as it is", () => {
  const number = (text: string) => Number(text);
  const text = (text: string) => text;
  assert.deepEqual(parseArray("{}", number), []);
  assert.deepEqual(parseArray("{1,NULL,3}", number), [1, null, 3]);
  assert.deepEqual(parseArray("{{1,2},{3,4}}", number), [[1, 2], [3, 4]]);
  assert.deepEqual(parseArray("[2:3]={1,2}", number), [1, 2]);
  assert.deepEqual(parseArray('{"a\\"b\\\\","NULL",NULL,"{,}",x y}', text), ['a"b\\', "NULL", null, "{,}", "x y"]);
  for (const broken of ["", "abc", "{1,2", "{1}}", '{"a', "{1}x"]) assert.equal(parseArray(broken, text), broken);
});

Deno.test("toInstant() writes ISO 8601 in UTC, keeps microseconds, and never fails", () => {
  assert.equal(toInstant("2011-12-01 05:00:00+00"), "2011-12-01T05:00:00.000Z");
  assert.equal(toInstant("2011-12-01 05:00:00.5+00"), "2011-12-01T05:00:00.500Z");
  assert.equal(toInstant("2011-12-01 05:00:00.123456+00"), "2011-12-01T05:00:00.123456Z");
  assert.equal(toInstant("2011-12-01 05:00:00+02"), "2011-12-01T03:00:00.000Z");
  for (const other of ["infinity", "-infinity", "0044-03-15 00:00:00+00 BC", ""]) assert.equal(toInstant(other), other);
});

Deno.test("Query starts at the first await, once, and map() does not start it", async () => {
  let started = 0;
  const rows = Object.defineProperty([{ a: 1 }] as never[], "count", { value: 1 }) as never;
  const runner = { start: () => (started++, Promise.resolve(rows)) };
  const query = new Query<{ a: number }[]>(new Source(runner, { text: "", values: [] }), (found) => found);
  const mapped = query.map((found) => found[0].a);
  await Promise.resolve();
  assert.equal(started, 0);
  assert.equal(await mapped, 1);
  assert.deepEqual(await query, [{ a: 1 }]);
  assert.equal(await query.catch(() => 0).finally(() => {}) !== undefined, true);
  assert.equal(started, 1);
});
