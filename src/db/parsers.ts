// Values on their way back from PostgreSQL, by type. Text that a parser does not expect is returned as it is: answers
// come from servers of others too, and a parser that throws would break the connection.
import { Buffer } from "node:buffer";

type Parser = (text: string) => unknown;

const identity: Parser = (text) => text;
const toNumber: Parser = (text) => Number(text);
const toBoolean: Parser = (text) => text === "t";
const toBytes: Parser = (text) => new Uint8Array(Buffer.from(text.slice(2), "hex"));

/** Bound types by their fixed OIDs (pg_type.dat): [type, its array type, parser]. */
const TYPES: [number, number, Parser][] = [
  [16, 1000, toBoolean], // bool
  [17, 1001, toBytes], // bytea
  [19, 1003, identity], // name
  [20, 1016, identity], // int8: may exceed a double
  [21, 1005, toNumber], // int2
  [23, 1007, toNumber], // int4
  [25, 1009, identity], // text
  [26, 1028, toNumber], // oid
  [114, 199, toJson], // json
  [700, 1021, toNumber], // float4
  [701, 1022, toNumber], // float8
  [1042, 1014, identity], // bpchar
  [1043, 1015, identity], // varchar
  [1082, 1182, identity], // date
  [1083, 1183, identity], // time
  [1114, 1115, identity], // timestamp
  [1184, 1185, toInstant], // timestamptz
  [1700, 1231, identity], // numeric: may exceed a double
  [2950, 2951, identity], // uuid
  [3802, 3807, toJson], // jsonb
];

/**
 * The driver's `types` option: our parsers, and serializers that pass text through (OID 0 stands for "let the server
 * infer the type"). It replaces every serializer that the driver has of its own.
 */
export function driverTypes(): Record<string, unknown> {
  const passThrough = (text: unknown) => text;
  const types: Record<string, unknown> = { any: { to: 0, from: [], serialize: passThrough, parse: identity } };
  for (const [oid, arrayOid, parse] of TYPES) {
    types[`type_${oid}`] = { to: oid, from: [oid], serialize: passThrough, parse };
    types[`type_${arrayOid}`] = {
      to: arrayOid,
      from: [arrayOid],
      serialize: passThrough,
      parse: (text: string) => parseArray(text, parse),
    };
  }
  return types;
}

const UTC = /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{1,6})?\+00$/;

/**
 * An instant as ISO 8601 in UTC, `2011-12-01T05:00:00.000Z`. Microseconds are kept where there are any, so that a value
 * sent back finds its row again; what has no such form (infinity, years before Christ) is returned as PostgreSQL wrote it.
 */
export function toInstant(text: string): string {
  if (UTC.test(text)) {
    const clock = text.slice(11, -3);
    return `${text.slice(0, 10)}T${clock.length === 8 ? `${clock}.000` : clock.padEnd(12, "0")}Z`;
  }
  const date = new Date(text);
  return Number.isNaN(date.getTime()) ? text : date.toISOString();
}

function toJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** Reads an array literal, nested ones too; what is not one is returned as it is. */
export function parseArray(text: string, parse: Parser): unknown {
  const start = text.indexOf("{"); // after the bounds, if any: [2:3]={…}
  if (start < 0 || (start > 0 && !/^[[\]:\-\d]+=$/.test(text.slice(0, start)))) return text;
  const open: unknown[][] = [];
  const token = /[{}]|,|"((?:[^"\\]|\\[^])*)"|[^{},"]+/gy;
  token.lastIndex = start;
  for (let match = token.exec(text); match; match = token.exec(text)) {
    const [piece, quoted] = match;
    if (piece === "{") {
      const list: unknown[] = [];
      open.at(-1)?.push(list);
      open.push(list);
    } else if (piece === "}") {
      const list = open.pop();
      if (open.length === 0) return token.lastIndex === text.length ? list : text;
    } else if (piece !== ",") {
      open.at(-1)!.push(
        quoted !== undefined
          ? parse(quoted.includes("\\") ? quoted.replace(/\\([^])/g, "$1") : quoted)
          : piece === "NULL"
          ? null
          : parse(piece),
      );
    }
  }
  return text;
}
