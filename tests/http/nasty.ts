// Values that something between the socket and the disk may stumble over.

const EMPTY = ["", " ", "\0", "a\0b", "\ud800", "x\udc00", "\u202e", "\ufeff", "é", "𝒵", "\r\n"];
const SYNTAX = ["'", '"', "\\", "%", "%00", "%s%n", "{}", "[]", "' or 1=1 --", "'; drop table x; --", "$1", "<script>"];
const WORDS = [
  "null",
  "undefined",
  "NaN",
  "Infinity",
  "__proto__",
  "constructor",
  "toString",
  "${jndi:ldap://x}",
  "{{7*7}}",
];
const PLACES = ["../../etc/passwd", "..%2f..%2f", "//evil.test", "http://169.254.169.254/"];
const NUMBERS = ["-1", "0", "1e400", "99999999999999999999999999", "-99999999999999999999"];
const DATES = ["300000-01-01T00:00:00Z", "+300000-01-01", "0000-00-00", "2011-02-30", "24:00:00"];
const LONG = [
  "x".repeat(300),
  "x".repeat(20_000),
  "é".repeat(5_000),
  "(".repeat(2_000),
  "a@" + "b".repeat(300) + ".test",
];
const IDS = ["00000000-0000-0000-0000-000000000000"];

/** Strings. */
export const NASTY = [...EMPTY, ...SYNTAX, ...WORDS, ...PLACES, ...NUMBERS, ...DATES, ...LONG, ...IDS];

const ODD_NUMBERS = [0, -1, 1.5, 1e21, 1e308, -0];

/** What JSON can hold beside strings. */
export const ODD: unknown[] = [
  null,
  true,
  false,
  ...ODD_NUMBERS,
  [],
  {},
  [null],
  [[[]]],
  { a: 1 },
  JSON.parse('{"__proto__":1}'),
];
