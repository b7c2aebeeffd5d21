// Bad input of every kind that people and programs send: each is refused with its own code and changes no row. Uploads are
// in bad_upload_test.ts, passwords and tokens in bad_secrets_test.ts, what names a tenant in tests/tenancy/sources_test.ts;
// the rest is generated in fuzz_test.ts.
import assert from "node:assert/strict";
import { application } from "../platform/setup.ts";
import type { TestTenant } from "../support/app.ts";
import { BUILDING, furnish, METER } from "./furnished.ts";
import { watch, Watched } from "./watched.ts";

const loose = { sanitizeOps: false, sanitizeResources: false };
let watched: Watched;
let tenant: TestTenant;
let operator: string;
let meterId: string;
let foreign: Record<string, string>;

Deno.test.beforeAll(async () => {
  watched = await watch();
  const { app } = watched;
  tenant = await app.tenant("bad-input");
  const other = await app.tenant("other-one");
  operator = await app.operator();
  meterId = (await furnish(app, tenant)).meters;
  foreign = await furnish(app, other);
  for (const token of [tenant.admin, other.admin, operator]) watched.secrets.add(token);
});
Deno.test.afterAll(() => watched.stop());

/** As the tenant's administrator. */
function refused(expected: string, method: string, path: string, asking: Record<string, unknown> = {}) {
  return watched.refused(expected, method, path, { token: tenant.admin, ...asking });
}

Deno.test("applications.submit refuses wrong slugs and unknown tiers", loose, async () => {
  const submitting = (expected: string, slug: string, changes = {}) =>
    watched.refused(expected, "POST", "/v1/applications", { body: application(slug, changes) });
  for (const slug of ["", "a", "-ab", "ab-", "a_b", "a.b", "a b", "é-é", "x".repeat(64), "xn--80ak6aa92e", "a\0b"]) {
    await submitting("400 invalid_request", slug);
  }
  await submitting("409 slug_reserved", "Www");
  await submitting("409 slug_taken", "BAD-input");
  for (const tier of ["gold", "SHARED", "", null, 1, ["shared"], {}]) {
    await submitting("400 invalid_request", "fine", { tier });
  }
  for (const port of [0, -1, 65_536, 1.5, "5432", 1e308]) {
    const byo = { host: "db.example.com", port, database: "d", user: "u", password: "p", tls_mode: "require" };
    await submitting("400 invalid_request", "fine", { tier: "byo", byo });
  }
});

Deno.test("every body is refused that is no JSON, too large, or of another type", loose, async () => {
  const json = { "content-type": "application/json" };
  const paths = ["/v1/buildings", "/v1/members", "/v1/invoices/run", "/v1/reports", "/v1/auth/change-password"];
  for (const path of paths) {
    for (const raw of ["", "{", '{"name":', "{'name':1}", "NaN", "[1,]", "\u0000", '{"a":1}{"b":2}']) {
      await refused("400 invalid_json", "POST", path, { raw, headers: json });
    }
    for (const raw of ["[]", "null", "1", '"text"', "true", "{}", '{"__proto__":{"name":"x"}}']) {
      await refused("400 invalid_request", "POST", path, { raw, headers: json });
    }
    await refused("400 invalid_json", "POST", path, { raw: new Uint8Array([0x7b, 0xff, 0xfe, 0x7d]), headers: json });
  }
  const body = JSON.stringify(BUILDING);
  for (const type of ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "", "json", "*/*"]) {
    await refused("415 unsupported_media_type", "POST", "/v1/buildings", {
      raw: body,
      headers: { "content-type": type },
    });
  }
  const large = JSON.stringify({ ...BUILDING, name: "x".repeat(1024 * 1024) });
  await refused("413 payload_too_large", "POST", "/v1/buildings", { raw: large, headers: json });
  const streamed = new Blob(Array(40).fill(" ".repeat(65_536))).stream();
  await refused("413 payload_too_large", "POST", "/v1/buildings", { raw: streamed, headers: json });
});

Deno.test("every list refuses bad pages, orders, filters and parameters", loose, async () => {
  const lists = ["members", "buildings", "properties", "renters", "meters", "invoices", "reports", "jobs", "tariffs"]
    .map((name) => `/v1/${name}`);
  const wrong = [
    ..."limit=0 limit=-1 limit=201 limit=1e9 limit=1.5 limit=abc limit=99999999999999999999 limit=NaN".split(" "),
    ..."sort=tenant_id sort=--name sort= sort=name;drop cursor= cursor=xyz cursor=%00 cursor=W10".split(" "),
    ..."limit= limit=0x10 limit=1e2 limit=%205 limit=5%20 limit=%2B5 limit=05 limit=0b1 limit=5.0".split(" "),
    ..."nonsense=1 limit=1&limit=1 sort=created_at&sort=created_at tenant_id=1 __proto__=1 constructor=1".split(" "),
    ..."limit=%00 search=%00&nonsense=1 limit[]=1 LIMIT=1 limit=%ED%A0%80".split(" "),
  ];
  for (const path of [...lists, `/v1/meters/${meterId}/readings`]) {
    for (const query of wrong) await refused("400 invalid_request", "GET", `${path}?${query}`);
  }
  for (
    const query of ["from=+300000-01-01T00:00:00Z", "from=yesterday", "to=2011-02-30T00:00:00Z", "from=2011-12-01"]
  ) {
    await refused("400 invalid_request", "GET", `/v1/meters/${meterId}/readings?${query}`);
  }
  for (const path of ["/v1/applications", "/v1/tenants", "/v1/events"]) {
    for (const query of [...wrong, "status=x", "tier=gold", "tenant_id=x", "type=%00"]) {
      await watched.refused("400 invalid_request", "GET", `${path}?${query}`, { token: operator });
    }
  }
  // A cursor is taken apart by us: what is in it must be what the list can be sorted by.
  const cursor = (value: unknown) => btoa(JSON.stringify(value)).replace(/=+$/, "");
  const cursors: [string, unknown][] = [
    ["400 invalid_request", ["-name", "a", crypto.randomUUID()]],
    ["400 invalid_request", ["name", 1, 2]],
    ["400 invalid_request", { name: 1 }],
    ["400 invalid_value", ["name", "a", "not an id"]],
    ["400 invalid_value", ["name", "a\0", crypto.randomUUID()]],
  ];
  for (const [expected, value] of cursors) await refused(expected, "GET", `/v1/buildings?cursor=${cursor(value)}`);
  const late = cursor(["created_at", "+300000-01-01T00:00:00Z", crypto.randomUUID()]);
  await refused("400 invalid_value", "GET", `/v1/buildings?sort=created_at&cursor=${late}`);
});

Deno.test("text that PostgreSQL cannot keep is refused wherever it stands", loose, async () => {
  const texts = ["a\0b", "a\ud800", "a\udfffb"];
  for (const text of texts) {
    for (const field of ["name", "address", "city", "postal_code"]) {
      await refused("400 invalid_value", "POST", "/v1/buildings", { body: { ...BUILDING, [field]: text } });
    }
    const member = { first_name: "A", last_name: "B", email: "a@b.test" };
    for (const metadata of [{ note: text }, { [text]: 1 }, { a: [{ b: text }] }]) {
      await refused("400 invalid_value", "POST", "/v1/members", { body: { ...member, metadata } });
    }
    // Of an address only the digest is looked for: it is as wrong as any other.
    await watched.refused("401 invalid_credentials", "POST", "/v1/auth/login", {
      tenant: tenant.slug,
      body: { email: `a@${text}.test`, password: "x" },
    });
  }
  for (const list of ["buildings", "properties", "renters", "meters", "members"]) {
    await refused("400 invalid_value", "GET", `/v1/${list}?search=a%00b`);
  }
  const deep = `{"first_name":"A","last_name":"B","email":"a@b.test","metadata":{"a":${"[".repeat(20_000)}${
    "]".repeat(20_000)
  }}}`;
  await refused("400 invalid_request", "POST", "/v1/members", {
    raw: deep,
    headers: { "content-type": "application/json" },
  });
});

Deno.test("numbers and dates out of range are refused", loose, async () => {
  const property = { building_id: foreign.buildings, label: "x" };
  for (const area_m2 of ["1e5", "-1", "123456789", "1.234", "NaN", "", 54.5, "١٢"]) {
    await refused("400 invalid_request", "POST", "/v1/properties", { body: { ...property, area_m2 } });
  }
  const renter = { first_name: "A", last_name: "B" };
  for (const date of ["300000-01-01", "+300000-01-01", "2011-02-30", "0000-01-01", "2011-13-01", "now", "", 0]) {
    const expected = date === "0000-01-01" ? "400 invalid_value" : "400 invalid_request";
    await refused(expected, "POST", "/v1/renters", { body: { ...renter, lease_starts_on: date } });
  }
  const backwards = { lease_starts_on: "2012-01-02", lease_ends_on: "2012-01-01" };
  await refused("400 invalid_value", "POST", "/v1/renters", { body: { ...renter, ...backwards } });
  for (const month of ["2011-00", "2011-13", "11-12", "300000-01", "2011-12-01", "", 201112, null]) {
    await refused("400 invalid_request", "POST", "/v1/invoices/run", { body: { month } });
  }
  for (
    const [from, to] of [["2012-01-01", "2011-01-01"], ["2010-01-01", "2012-01-01"], ["300000-01-01", "300000-01-02"]]
  ) {
    await refused("400 invalid_request", "POST", "/v1/reports", { body: { kind: "usage", from, to } });
  }
});

Deno.test("ids that are none are refused, and foreign ones are answered like missing ones", loose, async () => {
  const kinds = Object.keys(foreign);
  for (const kind of kinds) {
    for (const id of ["x", "1", "%00", "%ZZ", "a".repeat(5_000), `${foreign[kind]}%00`, "{id}", "null"]) {
      await refused("400 invalid_request", "GET", `/v1/${kind}/${id}`);
    }
    const missing = await refused("404 not_found", "GET", `/v1/${kind}/${crypto.randomUUID()}`);
    const theirs = await refused("404 not_found", "GET", `/v1/${kind}/${foreign[kind]}`);
    assert.deepEqual({ ...theirs, request_id: "" }, { ...missing, request_id: "" });
  }
  const changes: Record<string, unknown> = {
    buildings: { name: "Taken" },
    properties: { label: "Taken" },
    renters: { last_name: "Taken" },
    meters: { serial_number: "Taken" },
  };
  for (const [kind, body] of Object.entries(changes)) {
    await refused("404 not_found", "PATCH", `/v1/${kind}/${foreign[kind]}`, { body });
    await refused("404 not_found", "DELETE", `/v1/${kind}/${foreign[kind]}`);
  }
  await refused("404 not_found", "GET", `/v1/reports/${foreign.reports}/download`);
  await refused("404 not_found", "GET", `/v1/meters/${foreign.meters}/readings`);
  await refused("404 not_found", "POST", "/v1/invoices/run", { body: { month: "2011-12", meter_id: foreign.meters } });
  await refused("404 not_found", "POST", "/v1/reports", {
    body: { kind: "usage", month: "2011-12", meter_id: foreign.meters },
  });
  for (const id of [foreign.buildings, crypto.randomUUID()]) {
    await refused("422 reference_not_found", "POST", "/v1/properties", { body: { building_id: id, label: "x" } });
    await refused("422 reference_not_found", "POST", "/v1/meters", {
      body: { ...METER, serial_number: "T", property_id: id },
    });
  }
  for (const filter of ["properties?building_id", "meters?property_id", "renters?property_id"]) {
    const id = filter.startsWith("properties") ? foreign.buildings : foreign.properties;
    const { body } = await watched.ask("GET", `/v1/${filter}=${id}`, { token: tenant.admin });
    assert.deepEqual(body.items, []);
  }
});

Deno.test(
  "nothing of this is in the log, the answers or the tables, and nothing was an error of ours",
  loose,
  async () => {
    await watched.saidNothingSecret();
  },
);
