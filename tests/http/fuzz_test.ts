// Thousands of malformed requests made from the OpenAPI document: none is answered with an error of ours, none with a piece
// of our code. FUZZ_SEED repeats a run, FUZZ_REQUESTS makes it longer.
import assert from "node:assert/strict";
import { bootApp, type TestApp } from "../support/app.ts";
import { Random, seedFrom } from "../support/random.ts";
import { Generator, type Malformed, operationsOf } from "./malformed.ts";
import { NASTY } from "./nasty.ts";
import { sendRaw } from "./raw.ts";

const REQUESTS = Number(Deno.env.get("FUZZ_REQUESTS")) || 10_000;
const LANES = 8;
const TRACE = /(\.ts:\d+|node_modules|at async |PostgresError|select .* from |insert into)/i;
const loose = { sanitizeOps: false, sanitizeResources: false };

let app: TestApp;
Deno.test.beforeAll(async () => {
  app = await bootApp();
});
Deno.test.afterAll(() => app.stop());

/** What signs the caller out where the request happens to be right: asked by a caller of its own. */
const ENDS_SESSIONS = ["auth.logout", "auth.revokeSessions", "auth.switch", "signing_keys.renew"];

/** What is wrong with an answer, or null. */
function fault(status: number, headers: Headers, text: string): string | null {
  if (status >= 500) return "an error of ours";
  if (TRACE.test(text)) return "a piece of our code";
  if (status < 400 || text === "") return null;
  if (headers.get("content-type") !== "application/problem+json") return "not a problem";
  return /^[a-z_]+$/.test(JSON.parse(text).code) ? null : "a problem without a code";
}

async function send({ method, path, headers, body }: Malformed) {
  const response = await fetch(app.url + path, { method, headers, body, redirect: "manual" });
  return { status: response.status, headers: response.headers, text: await response.text() };
}

/** Rows that are there, so that requests get past "not found". */
async function someIds(token: string): Promise<string[]> {
  const make = async (path: string, body: unknown) => (await app.ask("POST", path, { token, body })).body.id;
  const building_id = await make("/v1/buildings", { name: "B", address: "1", city: "C", country: "CA" });
  const property_id = await make("/v1/properties", { building_id, label: "P" });
  const meter = { serial_number: "S", utility: "electricity", unit: "kWh", time_zone: "America/Toronto" };
  const renter = { property_id, first_name: "R", last_name: "R" };
  return [
    building_id,
    property_id,
    await make("/v1/meters", { ...meter, property_id }),
    await make("/v1/renters", renter),
  ];
}

Deno.test("no malformed request is answered with an error of ours", loose, async () => {
  const random = new Random(seedFrom("FUZZ_SEED"));
  console.log(`    FUZZ_SEED=${random.seed}`);
  const tenant = await app.tenant("fuzzed");
  const leaving = await app.tenant("fuzzed-leaving");
  const operator = await app.operator();
  const { body: document } = await app.ask("GET", "/openapi.json");
  const generator = new Generator(document, random, await someIds(tenant.admin));
  const staff = [
    "applications.list",
    "applications.get",
    "applications.approve",
    "applications.reject",
    "applications.retry",
  ];
  // Signing in costs a hash each time; as many of them as of the others would test the hash.
  const operations = operationsOf(document).filter((o) => !/login|changePassword/.test(o.id) || random.chance(0.5));
  const requests = Array.from({ length: REQUESTS }, (_, i) => {
    const operation = operations[i % operations.length];
    if (ENDS_SESSIONS.includes(operation.id)) return generator.make(operation, leaving.admin);
    const own = staff.includes(operation.id) || /^(tenants|events|operators)\./.test(operation.id)
      ? operator
      : tenant.admin;
    return generator.make(operation, random.chance(0.95) ? own : random.pick([operator, tenant.admin]));
  });
  const started = performance.now();
  const statuses = new Map<number, number>();
  const faults: string[] = [];
  const lane = async () => {
    for (let request = requests.pop(); request; request = requests.pop()) {
      const { status, headers, text } = await send(request);
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
      const wrong = fault(status, headers, text);
      if (wrong) faults.push(`${wrong}: ${status} ${JSON.stringify(request).slice(0, 600)} → ${text.slice(0, 300)}`);
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  const seconds = (performance.now() - started) / 1000;
  const told = [...statuses].sort(([a], [b]) => a - b).map(([status, count]) => `${status}: ${count}`).join(", ");
  console.log(`    ${REQUESTS} requests in ${seconds.toFixed(1)} s: ${told}`);
  assert.deepEqual(faults, [], `${app.lines.filter((line) => line.includes('"error"')).slice(-5).join("\n")}`);
  assert.ok((statuses.get(400) ?? 0) > REQUESTS * 0.5, "Most requests should reach the check of their input");
  assert.equal((await app.ask("GET", "/ready")).status, 200);
});

Deno.test("no request line or header is answered with an error of ours", loose, async () => {
  const random = new Random(seedFrom("FUZZ_SEED"));
  console.log(`    FUZZ_SEED=${random.seed}`);
  const bytes = () => random.pick(NASTY).replace(/[^\0-\xff]/g, "?").slice(0, 2_000);
  const odd = (text: string) => {
    const at = random.below(text.length + 1);
    return random.chance(0.5) ? text.slice(0, at) + bytes() + text.slice(at) : text.slice(0, at);
  };
  const faults: string[] = [];
  for (let i = 0; i < REQUESTS / 10; i++) {
    const lines = [
      `${random.pick(["GET", "POST", "OPTIONS", "HEAD"])} /t/fuzzed/v1/buildings?limit=1 HTTP/1.1`,
      "Host: localhost",
      "X-Tenant: fuzzed",
      "Authorization: Bearer x",
      "Content-Length: 2",
    ];
    const which = random.below(lines.length);
    lines[which] = odd(lines[which]);
    const { status, headers, text } = await sendRaw(app.port, lines, "{}", { cutOff: true });
    // What the server refuses by itself (a broken header line) has no body.
    const wrong = status === 0 ? null : fault(status, headers, text);
    if (wrong) faults.push(`${wrong}: ${status} ${JSON.stringify(lines)} → ${text.slice(0, 300)}`);
  }
  assert.deepEqual(faults, []);
  assert.equal((await app.ask("GET", "/ready")).status, 200);
});
