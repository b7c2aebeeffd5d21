// Bad input of every kind that people and programs send: each is refused with its own code, changes no row, and shows
// nothing secret anywhere. What comes by the tenant's sources is in tests/tenancy/sources_test.ts, the rest is generated in
// fuzz_test.ts.
import assert from "node:assert/strict";
import type { TestTenant } from "../support/app.ts";
import { application, customerDatabase, submit } from "../platform/setup.ts";
import { watch, Watched } from "./watched.ts";

const loose = { sanitizeOps: false, sanitizeResources: false };
let watched: Watched;
let tenant: TestTenant;
let other: TestTenant;
let operator: string;
let meterId: string;
let foreign: Record<string, string>;

Deno.test.beforeAll(async () => {
  watched = await watch();
  const { app } = watched;
  tenant = await app.tenant("bad-input");
  other = await app.tenant("other-one");
  operator = await app.operator();
  meterId = (await furnish(tenant)).meters;
  foreign = await furnish(other);
  for (const token of [tenant.admin, other.admin, operator]) watched.secrets.add(token);
});
Deno.test.afterAll(() => watched.stop());

async function furnish({ admin: token }: TestTenant): Promise<Record<string, string>> {
  const make = async (path: string, body: unknown) => {
    const answer = await watched.app.ask("POST", path, { token, body });
    assert.ok(answer.status === 201 || answer.status === 202, JSON.stringify(answer.body));
    return answer.body.id as string;
  };
  const buildings = await make("/v1/buildings", BUILDING);
  const properties = await make("/v1/properties", { building_id: buildings, label: "Flat" });
  const renters = await make("/v1/renters", { property_id: properties, first_name: "R", last_name: "R" });
  const meters = await make("/v1/meters", { ...METER, property_id: properties });
  const reports = await make("/v1/reports", { kind: "usage", month: "2011-12" });
  const members = await make("/v1/members", { first_name: "M", last_name: "M", email: `m${buildings}@members.test` });
  const { body } = await watched.app.ask("GET", "/v1/jobs", { token });
  await watched.app.job(token, body.items[0].id);
  return { buildings, properties, renters, meters, reports, members, jobs: body.items[0].id };
}

const BUILDING = { name: "House", address: "1 Front Street", city: "Toronto", country: "CA" };
const METER = { serial_number: "S", utility: "electricity", unit: "kWh", time_zone: "America/Toronto" };
const MAPPING = {
  timestamp: { column: "time", format: "YYYY-MM-DD HH:mm" },
  value: { column: "value" },
};

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

Deno.test(
  "applications.approve refuses a customer's server that does not do, and nothing is half done",
  loose,
  async () => {
    const customer = await customerDatabase();
    const plain = await customerDatabase({ attributes: "nocreaterole" });
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = listener.addr as Deno.NetAddr;
    listener.close();
    const canary = "canary-byo-password-7f3a";
    watched.secrets.add(canary).add(customer.byo.password).add(plain.byo.password);
    const cases: [string, string, Record<string, unknown>][] = [
      ["no-server", "422 byo_unreachable", { ...customer.byo, port }],
      ["no-database", "422 byo_unreachable", { ...customer.byo, database: "none" }],
      ["no-name", "422 egress_refused", { ...customer.byo, host: "no-such-host.invalid" }],
      ["no-http", "422 byo_unreachable", { ...customer.byo, port: watched.app.port }],
      ["no-tls", "422 byo_unreachable", { ...customer.byo, tls_mode: "require" }],
      ["no-login", "422 byo_auth_failed", { ...customer.byo, password: canary }],
      ["no-rights", "422 byo_rights_missing", plain.byo],
      ["no-private", "422 egress_refused", { ...customer.byo, host: "10.0.0.1" }],
      ["no-metadata", "422 egress_refused", { ...customer.byo, host: "169.254.169.254" }],
    ];
    for (const [slug, expected, byo] of cases) {
      const id = await submit(watched.app, slug, { tier: "byo", byo });
      const path = `/v1/applications/${id}`;
      const asking = { token: operator, body: { tier: "byo", notes: "Fine" } };
      await watched.refused(expected, "POST", `${path}/approve`, asking);
      const { body } = await watched.ask("GET", path, { token: operator });
      assert.deepEqual(
        [body.status, body.tier, body.tenant_id, body.reviewed_at],
        ["submitted", null, null, null],
        slug,
      );
    }
    for (const tier of ["gold", null, undefined]) {
      const id = crypto.randomUUID();
      await watched.refused("400 invalid_request", "POST", `/v1/applications/${id}/approve`, {
        token: operator,
        body: { tier },
      });
    }
    for (const { drop } of [customer, plain]) await drop();
  },
);

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
  const texts = ["a\0b", "\ud800", "a\udfffb"];
  for (const text of texts) {
    for (const field of ["name", "address", "city", "postal_code"]) {
      await refused("400 invalid_value", "POST", "/v1/buildings", { body: { ...BUILDING, [field]: text } });
    }
    const member = { first_name: "A", last_name: "B", email: "a@b.test" };
    for (const metadata of [{ note: text }, { [text]: 1 }, { a: [{ b: text }] }]) {
      await refused("400 invalid_value", "POST", "/v1/members", { body: { ...member, metadata } });
    }
    await watched.refused("400 invalid_value", "POST", "/v1/auth/login", {
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
  await refused("400 invalid_value", "POST", "/v1/members", {
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
  const [path, asking] = importing("time,value\n2011-12-01 01:00,1\n");
  await refused("404 not_found", "POST", path.replace(meterId, foreign.meters), asking);
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

Deno.test("tokens and headers that are none are refused", loose, async () => {
  const canary = "canary-authorization-51d2c0";
  watched.secrets.add(canary);
  const [head, payload] = tenant.admin.split(".");
  const values = [canary, `Bearer ${canary}`, `Basic ${btoa(canary)}`, "Bearer", `Bearer ${tenant.admin}x`];
  values.push(
    `Bearer ${head}.${payload}.`,
    `Bearer ${tenant.admin}, Bearer ${tenant.admin}`,
    `Bearer ${tenant.admin} x`,
  );
  values.push(`Bearer ${btoa('{"alg":"none"}')}.${payload}.`);
  for (const authorization of values) {
    await watched.refused("401 unauthorized", "GET", "/v1/buildings", { headers: { authorization } });
    await watched.refused("401 unauthorized", "GET", "/v1/tenants", { headers: { authorization } });
  }
  for (const key of ["", " ", "a b", "a,b", "ü", "x".repeat(201)]) {
    const headers = { "idempotency-key": key };
    await refused("400 invalid_request", "POST", "/v1/buildings", { headers, body: BUILDING });
  }
  const odd = await watched.ask("GET", "/health", { headers: { "x-request-id": "<script>" } });
  assert.match(odd.headers.get("x-request-id") ?? "", /^[0-9a-f-]{36}$/);
});

Deno.test("passwords and links that are wrong are refused, and none is repeated", loose, async () => {
  const canary = "canary-password-9c44e1 with words";
  const token = "canary-token-a81b20-0123456789abcdef";
  watched.secrets.add(canary).add(token);
  const signing = { tenant: tenant.slug };
  const login = (expected: string, body: unknown) =>
    watched.refused(expected, "POST", "/v1/auth/login", { ...signing, body });
  await login("401 invalid_credentials", { email: tenant.adminEmail, password: canary });
  await login("401 invalid_credentials", { email: `nobody-${canary}@x.test`, password: canary });
  await login("400 invalid_request", { email: tenant.adminEmail, password: "" });
  await login("400 invalid_request", { email: tenant.adminEmail, password: canary, [canary.slice(0, 3)]: 1 });
  await login("400 invalid_request", { email: tenant.adminEmail, password: { $gt: "" } });
  const post = (expected: string, path: string, body: unknown) =>
    watched.refused(expected, "POST", path, { ...signing, body });
  await post("401 invalid_token", "/v1/auth/refresh", { refresh_token: token });
  await post("401 invalid_token", "/v1/auth/setup-password", { token, password: canary });
  await post("400 invalid_request", "/v1/auth/setup-password", { token: "short", password: canary });
  const change = { current_password: canary, new_password: `${canary} too` };
  await refused("401 invalid_credentials", "POST", "/v1/auth/change-password", { body: change });
  const operatorLogin = { email: "first.operator@bulkhead.test", password: canary };
  await watched.refused("401 invalid_credentials", "POST", "/v1/operators/login", { body: operatorLogin });
});

Deno.test(
  "nothing secret is in the log, the answers or the tables, and no refusal was an error of ours",
  loose,
  async () => {
    assert.deepEqual(await watched.findSecrets(), []);
    assert.deepEqual(watched.errors(), []);
    // The search itself finds what is there.
    watched.secrets.add(tenant.slug);
    assert.ok((await watched.findSecrets()).length >= 1);
  },
);
