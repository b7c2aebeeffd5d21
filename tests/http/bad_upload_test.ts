// Files that do not fit their mapping, lines that are broken, and bodies that break off: what is refused leaves nothing behind.
import assert from "node:assert/strict";
import type { TestTenant } from "../support/app.ts";
import { BUILDING, furnish } from "./furnished.ts";
import { watch, Watched } from "./watched.ts";

const loose = { sanitizeOps: false, sanitizeResources: false };
const MAPPING = {
  timestamp: { column: "time", format: "YYYY-MM-DD HH:mm" },
  value: { column: "value" },
};
let watched: Watched;
let tenant: TestTenant;
let meterId: string;

Deno.test.beforeAll(async () => {
  watched = await watch();
  tenant = await watched.app.tenant("bad-upload");
  meterId = (await furnish(watched.app, tenant)).meters;
  watched.secrets.add(tenant.admin);
});
Deno.test.afterAll(() => watched.stop());

/** As the tenant's administrator. */
function refused(expected: string, method: string, path: string, asking: Record<string, unknown> = {}) {
  return watched.refused(expected, method, path, { token: tenant.admin, ...asking });
}

/** An import by the administrator. */
function importing(csv: BodyInit, mapping: unknown = MAPPING, type = "text/csv") {
  const text = typeof mapping === "string" ? mapping : JSON.stringify(mapping);
  const path = `/v1/meters/${meterId}/readings/import?mapping=${encodeURIComponent(text)}`;
  return [path, { raw: csv, headers: { "content-type": type } }] as const;
}

Deno.test("readings.import refuses what is no mapping, no CSV, and other files than the mapping's", loose, async () => {
  const file = "time,value\n2011-12-01 01:00,1\n";
  for (const mapping of ["", "{", "null", "[]", "{}", '"x"', "a".repeat(9_000), { ...MAPPING, value: {} }]) {
    await refused("400 invalid_request", "POST", ...importing(file, mapping));
  }
  const misfits = [
    { ...MAPPING, value: { column: "amount" } },
    { ...MAPPING, timestamp: { ...MAPPING.timestamp, format: "YYYY" } },
    { ...MAPPING, timestamp: { ...MAPPING.timestamp, zone: "Nowhere" } },
    { ...MAPPING, zones: { off_peak: "off" } },
  ];
  for (const mapping of misfits) await refused("422 unprocessable", "POST", ...importing(file, mapping));
  for (const csv of ["", "\n\n", "\u0000", "no,such\n1,2\n", "time,value\nx,1\ny,2\n"]) {
    await refused("422 unprocessable", "POST", ...importing(csv));
  }
  await refused("415 unsupported_media_type", "POST", ...importing(file, MAPPING, "application/json"));
  // Lines that are broken in every way at once: each is told by its number, the whole is no error.
  const bytes = new Uint8Array([...new TextEncoder().encode("time,value\n+300000-01-01 00:00,1\n"), 0xff, 0x00, 0x0a]);
  const [path, asking] = importing(new Blob([bytes, '2011-12-01 01:00,99999999999\n"a""b"x,1\n2011-12-01 01:00,1\n']));
  const { status, body } = await watched.ask("POST", path, { token: tenant.admin, ...asking });
  assert.equal(status, 200, JSON.stringify(body));
  assert.deepEqual([body.accepted, body.errors.map((error: { line: number }) => error.line)], [1, [2, 3, 4, 5]]);
});

Deno.test("readings.import answers for another tenant's meter as for one that is not there", loose, async () => {
  const other = await watched.app.tenant("other-upload");
  const foreign = await furnish(watched.app, other);
  for (const id of [foreign.meters, crypto.randomUUID()]) {
    const [path, asking] = importing("time,value\n2011-12-01 01:00,1\n");
    await refused("404 not_found", "POST", path.replace(meterId, id), asking);
  }
});

Deno.test("bodies that break off are refused or dropped, and nothing of them is kept", loose, async () => {
  const head = (path: string, type: string) => [
    `POST ${path} HTTP/1.1`,
    "Host: localhost",
    `Authorization: Bearer ${tenant.admin}`,
    `Content-Type: ${type}`,
  ];
  const json = head("/v1/buildings", "application/json");
  const whole = JSON.stringify(BUILDING);
  const rows = Array.from({ length: 6_000 }, (_, i) => `2012-01-${String(i % 28 + 1).padStart(2, "0")} 01:00,${i}\n`);
  const csv = "time,value\n" + rows.join("");
  const [path] = importing("");
  const chunk = (text: string) => `${text.length.toString(16)}\r\n${text}\r\n`;
  const cases: [string, string[], string][] = [
    ["a chunked body", [...json, "Transfer-Encoding: chunked"], chunk(whole.slice(0, 20))],
    ["the middle of a chunk", [...json, "Transfer-Encoding: chunked"], chunk(whole).slice(0, 20)],
    ["a body shorter than it said", [...json, `Content-Length: ${whole.length + 5}`], whole],
    ["a file", [...head(path, "text/csv"), "Transfer-Encoding: chunked"], chunk(csv)],
    ["a file shorter than it said", [...head(path, "text/csv"), `Content-Length: ${csv.length + 100}`], csv],
    ["a malformed chunk", [...json, "Transfer-Encoding: chunked"], "zz\r\n{}\r\n0\r\n\r\n"],
    ["two lengths", [...json, "Content-Length: 5", "Content-Length: 50"], whole],
  ];
  for (const [what, lines, body] of cases) {
    const seen = watched.app.lines.length;
    const { status } = await watched.unchanged(what, () => watched.raw(lines, body, { cutOff: true }));
    assert.ok(status === 0 || (status >= 400 && status < 500), `${what}: ${status}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.doesNotMatch(watched.app.lines.slice(seen).join("\n"), /"status":[25]/, what);
  }
});

Deno.test(
  "nothing of this is in the log, the answers or the tables, and nothing was an error of ours",
  loose,
  async () => {
    await watched.saidNothingSecret();
  },
);
