// Which tenant a request names: host × path × header × token, each absent, A, B, unknown or odd. Only requests whose sources
// all name the same tenant get in; every combination is tried on locate(), a sample of them over HTTP, byte by byte.
import assert from "node:assert/strict";
import { AppError } from "../../src/errors.ts";
import { locate, type TenantSources } from "../../src/tenancy/locate.ts";
import { sendRaw } from "../http/raw.ts";
import { bootApp, type TestApp, type TestTenant } from "../support/app.ts";
import { adminSql } from "../support/postgres.ts";
import { Random, seedFrom } from "../support/random.ts";

const loose = { sanitizeOps: false, sanitizeResources: false };
const HOSTS = { baseDomain: "localhost", platform: ["127.0.0.1", "localhost"] };
let app: TestApp;
let a: TestTenant;
let b: TestTenant;

/** What a value of a source means: no tenant, one of the two, one that is not there, or nothing that could be one. */
type Meaning = "none" | "a" | "b" | "unknown" | "odd";
type Values = [Meaning, string | null][];

Deno.test.beforeAll(async () => {
  app = await bootApp();
  [a, b] = [await app.tenant("acorn"), await app.tenant("birch")];
  for (const { slug, admin: token } of [a, b]) {
    const body = { name: `House of ${slug}`, address: "1", city: "C", country: "CA" };
    assert.equal((await app.ask("POST", "/v1/buildings", { token, body })).status, 201);
  }
  const sql = await adminSql(app.services.servers.settings.platformDatabase);
  const domains = [[a.id, "acorn.test", true], [b.id, "www.birch.test", true], [a.id, "unproven.test", false]] as const;
  for (const [tenant, host, proven] of domains) {
    await sql`insert into platform.domains (id, tenant_id, host, verified_at)
      values (${crypto.randomUUID()}, ${tenant}, ${host}, ${proven ? new Date() : null})`;
  }
  await sql.end();
});
Deno.test.afterAll(() => app.stop());

function hosts(): Values {
  const named: Values = [["a", "acorn.localhost"], ["a", "ACORN.LocalHost:8787"], ["a", "acorn.test"], [
    "a",
    "Acorn.Test:1",
  ]];
  const others: Values = [["b", "birch.localhost:80"], ["b", "www.birch.test"]];
  const own = ["localhost", "LOCALHOST:1", "127.0.0.1", "127.0.0.1:80", "[::1]", "[::1]:99"];
  const unknown = [
    "nobody.localhost",
    "x.acorn.localhost",
    "a..localhost",
    "unproven.test",
    "birch.test",
    "acorntest",
    "1",
  ];
  const odd = [
    "birch.localhost@acorn.localhost",
    "acorn.localhost.",
    "acorn.test.",
    "acorn.localhost%00",
    "a%2Eb",
    "[::1",
    "::1",
  ];
  odd.push(
    "acorn.localhost, birch.localhost",
    "acorn.localhost birch.localhost",
    "acorn.localhost/",
    "acorn.localhost:x",
  );
  odd.push(
    "acorn.localhost:",
    "acorn.localhost:123456",
    ".localhost",
    "acorn.localhost#",
    "http://acorn.localhost",
    "äcorn.test",
  );
  return [...meaning("none", own), ...named, ...others, ...meaning("unknown", unknown), ...meaning("odd", odd), [
    "odd",
    "",
  ]];
}

function paths(): Values {
  return [
    ["none", null],
    ...meaning("a", ["acorn", "ACORN"]),
    ["b", "birch"],
    ...meaning("unknown", ["nobody", a.id]),
    ...meaning("odd", ["", "..", "acorn/birch", "acorn\0", "acorn,birch", "äcorn", "-acorn"]),
  ];
}

function headers(): Values {
  return [
    ["none", null],
    ...meaning("a", ["acorn", "Acorn", a.id, a.id.toUpperCase()]),
    ...meaning("b", ["birch", b.id]),
    ...meaning("unknown", ["nobody", crypto.randomUUID()]),
    ...meaning("odd", [
      "",
      "acorn, acorn",
      "acorn,birch",
      `${a.id}, ${b.id}`,
      "acorn;birch",
      "acorn birch",
      "ac%6frn",
      "äcorn",
    ]),
  ];
}

function tokens(): Values {
  return [["none", null], ["a", a.id], ["b", b.id], ["unknown", crypto.randomUUID()], ["odd", "acorn"]];
}

function meaning(of: Meaning, values: string[]): Values {
  return values.map((value) => [of, value]);
}

/** The tenant that the meanings name together, "none", or "refused". */
function verdict(meanings: Meaning[]): "a" | "b" | "none" | "refused" {
  const named = new Set(meanings.filter((one) => one !== "none"));
  const [only] = named;
  if (named.size === 0) return "none";
  return named.size === 1 && (only === "a" || only === "b") ? only : "refused";
}

async function located(sources: TenantSources): Promise<string> {
  try {
    const tenant = await locate(sources, HOSTS, app.services.directory, app.services.log);
    return tenant === null ? "none" : tenant.id === a.id ? "a" : tenant.id === b.id ? "b" : tenant.id;
  } catch (error) {
    assert.ok(error instanceof AppError && error.status >= 400 && error.status < 500, String(error));
    return "refused";
  }
}

Deno.test("locate() finds a tenant by sources that all name it, and by no others", loose, async () => {
  let count = 0;
  for (const [hostMeans, host] of hosts()) {
    for (const [pathMeans, path] of paths()) {
      for (const [headerMeans, header] of headers()) {
        for (const [tokenMeans, token] of tokens()) {
          const sources = { host: host!, path, header, token };
          const expected = verdict([hostMeans, pathMeans, headerMeans, tokenMeans]);
          const found = await located(sources).catch((error) => String(error));
          assert.equal(found, expected, JSON.stringify(sources));
          count++;
        }
      }
    }
  }
  console.log(`    ${count} combinations`);
});

Deno.test("locate() says by its code which source is wrong", loose, async () => {
  const none: TenantSources = { host: "localhost", path: null, header: null, token: null };
  const cases: [string, Partial<TenantSources>][] = [
    ["unknown_host", { host: "nobody.localhost" }],
    ["unknown_host", { host: "unproven.test" }],
    ["invalid_request", { host: "birch@acorn.localhost" }],
    ["not_found", { path: "nobody" }],
    ["not_found", { header: "nobody" }],
    ["invalid_request", { header: "acorn, birch" }],
    ["tenant_mismatch", { path: "acorn", header: "birch" }],
    ["tenant_mismatch", { host: "acorn.localhost", token: b.id }],
  ];
  for (const [code, sources] of cases) {
    await assert.rejects(locate({ ...none, ...sources }, HOSTS, app.services.directory, app.services.log), { code });
  }
  assert.ok(app.lines.some((line) => line.includes('"level":"alarm"') && line.includes("different tenants")));
});

Deno.test(
  "over HTTP a request gets in by sources that all name its token's tenant, and by no others",
  loose,
  async () => {
    const random = new Random(seedFrom("SOURCES_SEED"));
    console.log(`    SOURCES_SEED=${random.seed}`);
    const bearer: Record<string, string> = { a: a.admin, b: b.admin };
    const sendable = (values: Values) => values.filter(([, value]) => !/[^\x20-\x7e]/.test(value ?? ""));
    let got = 0;
    for (let i = 0; i < 400; i++) {
      const [host, path, header] = [hosts(), paths(), headers()].map((values) => choose(random, sendable(values)));
      const token = random.pick(["none", "a", "a", "b"] as const);
      const prefix = path[1] === null ? "" : `/t/${encodeURIComponent(path[1])}`;
      const lines = [`GET ${prefix}/v1/buildings HTTP/1.1`, `Host: ${host[1]}`];
      if (header[1] !== null) lines.push(`X-Tenant: ${header[1]}`);
      if (token !== "none") lines.push(`Authorization: Bearer ${bearer[token]}`);
      const { status, body } = await sendRaw(app.port, lines);
      const what = `${JSON.stringify(lines.slice(0, 3))} with the token of ${token}: ${JSON.stringify(body)}`;
      const tenant = verdict([host[0], path[0], header[0], token]);
      if (token === "none" || tenant === "refused") {
        assert.ok(status >= 400 && status < 500, what);
        continue;
      }
      got++;
      assert.equal(status, 200, what);
      assert.deepEqual(body.items.map((item: { name: string }) => item.name), [
        `House of ${tenant === "a" ? "acorn" : "birch"}`,
      ]);
    }
    assert.ok(got > 20, `Only ${got} requests got in`);
  },
);

/** Half of the time one that does not speak against A, so that some requests get in. */
function choose(random: Random, values: Values): Values[number] {
  return random.pick(random.chance(0.6) ? values.filter(([means]) => means === "none" || means === "a") : values);
}

Deno.test("a header that comes twice, and a request line that disagrees, are refused", loose, async () => {
  const get = (line: string, ...more: string[]) =>
    sendRaw(app.port, [`GET ${line}`, ...more, `Authorization: Bearer ${a.admin}`]);
  const refused: [string, string, ...string[]][] = [
    ["400 invalid_request", "/v1/buildings HTTP/1.1", "Host: localhost", "X-Tenant: acorn", "X-Tenant: acorn"],
    ["400 invalid_request", "/v1/buildings HTTP/1.1", "Host: localhost", "X-Tenant: acorn", "X-Tenant: birch"],
    ["400 undefined", "/v1/buildings HTTP/1.1", "Host: acorn.localhost", "Host: acorn.localhost"],
    ["400 invalid_request", "http://acorn.localhost/v1/buildings HTTP/1.1", "Host: birch.localhost"],
    ["400 invalid_request", "http://acorn.localhost/v1/buildings HTTP/1.1", "Host: localhost"],
    ["400 invalid_request", "http://localhost/v1/buildings HTTP/1.1", "Host: acorn.localhost"],
    ["400 invalid_request", "http://birch@acorn.localhost/v1/buildings HTTP/1.1", "Host: acorn.localhost"],
    ["400 invalid_request", "http://acorn.localhost./v1/buildings HTTP/1.1", "Host: acorn.localhost."],
    ["400 invalid_request", "ftp://acorn.localhost/v1/buildings HTTP/1.1", "Host: acorn.localhost"],
    ["403 tenant_mismatch", "http://birch.localhost/v1/buildings HTTP/1.1", "Host: birch.localhost"],
    // The Host header becomes the URL: nothing of it may become its path.
    ["400 invalid_request", "/health HTTP/1.1", "Host: localhost/v1/buildings?"],
    ["400 invalid_request", "/nowhere HTTP/1.1", "Host: localhost/docs?"],
    ["400 invalid_request", "/docs HTTP/1.1", "Host: acorn@localhost"],
  ];
  for (const [expected, line, ...more] of refused) {
    const { status, body } = await get(line, ...more);
    assert.equal(`${status} ${body?.code}`, expected, `${line} ${more}`);
  }
  for (
    const line of ["http://acorn.localhost/v1/buildings HTTP/1.1", "HTTP://ACORN.localhost:80/v1/buildings HTTP/1.1"]
  ) {
    assert.equal((await get(line, "Host: acorn.localhost")).status, 200, line);
  }
  assert.equal((await get("/v1/buildings HTTP/1.0")).status, 200);
});

Deno.test("nothing else names a tenant", loose, async () => {
  const more = [
    "Cookie: tenant=birch",
    "X-Tenant-Id: birch",
    "Origin: http://birch.localhost",
    "Referer: http://birch.localhost/",
  ];
  more.push("X-Forwarded-Host: birch.localhost", "Forwarded: host=birch.localhost", "X-Original-Host: birch.localhost");
  const lines = ["GET /v1/buildings HTTP/1.1", "Host: localhost", `Authorization: Bearer ${a.admin}`];
  const { body } = await sendRaw(app.port, [...lines, ...more]);
  assert.deepEqual(body.items.map((item: { name: string }) => item.name), ["House of acorn"]);
  const login = { email: "x@y.test", password: "x" };
  const { status, body: problem } = await app.ask("POST", "/v1/auth/login", {
    body: login,
    headers: { cookie: "tenant=acorn" },
  });
  assert.deepEqual([status, problem.code], [400, "tenant_required"]);
});

Deno.test("/dev/mail is served at the platform's own hosts only", loose, async () => {
  for (const host of ["localhost", "127.0.0.1:1", "[::1]"]) {
    assert.equal((await sendRaw(app.port, ["GET /dev/mail HTTP/1.1", `Host: ${host}`])).status, 200, host);
  }
  for (const host of ["elsewhere.test", "acorn.localhost", "acorn.test", "localhost.elsewhere.test"]) {
    for (const path of ["/dev/mail", "/dev/mail/0000000000000000"]) {
      const { status, body } = await sendRaw(app.port, [`GET ${path} HTTP/1.1`, `Host: ${host}`]);
      assert.deepEqual([status, body.code], [421, "unknown_host"], host);
    }
  }
});
