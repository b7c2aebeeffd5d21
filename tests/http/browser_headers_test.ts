// Security headers: on every answer, whoever gives it. Pages run nothing inline.
import assert from "node:assert/strict";
import { Hono } from "hono";
import { guardBrowsers } from "../../src/http/browser.ts";
import { secured } from "../../src/http/security_headers.ts";
import { createApp } from "../../src/app.ts";
import { bootApp, type TestApp } from "../support/app.ts";
import { sendRaw } from "./raw.ts";

const PAGES = ["/docs", "/t/some-tenant/setup-password", "/operators/set-password", "/dev/mail"];
const REST = ["/openapi.json", "/docs/start.js", "/docs/swagger-ui.css", "/assets/setup.js", "/health", "/ready"];
const ALWAYS = {
  "cross-origin-opener-policy": /^same-origin$/,
  "cross-origin-resource-policy": /^same-origin$/,
  "permissions-policy": /camera=\(\)/,
  "referrer-policy": /^no-referrer$/,
  "x-content-type-options": /^nosniff$/,
  "x-frame-options": /^DENY$/,
  "content-security-policy": /^default-src 'none';.*frame-ancestors 'none'/,
};

let app: TestApp;
Deno.test.beforeAll(async () => {
  app = await bootApp({ worker: false });
});
Deno.test.afterAll(() => app?.stop());

function hasAll(headers: Headers, told: string): void {
  for (const [name, value] of Object.entries(ALWAYS)) assert.match(headers.get(name) ?? "", value, `${told}: ${name}`);
  assert.doesNotMatch(headers.get("content-security-policy")!, /unsafe|\*|https?:/, told);
  assert.match(headers.get("vary") ?? "Origin", /Origin/, told);
}

Deno.test("guardBrowsers() puts security headers on every answer", async () => {
  for (const path of [...PAGES, ...REST]) {
    const answer = await app.ask("GET", path);
    assert.equal(answer.status, 200, path);
    hasAll(answer.headers, path);
  }
  const refused: [string, string, number][] = [
    ["GET", "/v1/nowhere", 404],
    ["DELETE", "/health", 405],
    ["OPTIONS", "/health", 405],
    ["GET", "/v1/buildings", 401],
    ["POST", "/v1/auth/login", 400],
    ["GET", "/dev/mail/none", 404],
  ];
  for (const [method, path, status] of refused) {
    const answer = await app.ask(method, path);
    assert.equal(answer.status, status, path);
    hasAll(answer.headers, path);
  }
  const odd = await sendRaw(app.port, ["GET /health HTTP/1.1", "Host: a b"]);
  assert.equal(odd.status, 400);
  hasAll(odd.headers, "a host that is none");
});

Deno.test("an answer of the API lets nothing load, and a page's policy allows no more than its own files", async () => {
  const api = await app.ask("GET", "/health");
  assert.doesNotMatch(api.headers.get("content-security-policy")!, /-src (?!'none')/);
  for (const path of PAGES) {
    const { headers, body } = await app.ask("GET", path);
    for (const directive of headers.get("content-security-policy")!.split(";")) {
      const [name, ...sources] = directive.trim().split(/\s+/);
      const allowed = /^('self'|'none'|'sha256-[\w+/=]+')$/;
      const odd = sources.filter((source) => !allowed.test(source) && !(name === "img-src" && source === "data:"));
      assert.ok(odd.length === 0 || name === "require-trusted-types-for", `${path}: ${directive}`);
    }
    assert.doesNotMatch(body, / style=| on\w+=|<script(?![^>]* src=)|javascript:/i, path);
  }
});

Deno.test("Strict-Transport-Security is sent where the platform is reached over https, and nowhere else", async () => {
  assert.equal((await app.ask("GET", "/health")).headers.get("strict-transport-security"), null);
  const https = createApp({ ...app.services, publicUrl: "https://bulkhead.test" }, {
    baseDomain: "x.test",
    platform: [],
  });
  const answer = await https.request("https://bulkhead.test/health");
  assert.match(answer.headers.get("strict-transport-security")!, /^max-age=63072000$/);
});

Deno.test("secured() keeps what an answer has set itself, and takes answers whose headers cannot be changed", () => {
  const own = new Response("", { headers: { "content-security-policy": "sandbox" } });
  assert.equal(secured(own, "").headers.get("content-security-policy"), "sandbox");
  const redirect = secured(Response.redirect("https://a.test/"), "");
  assert.equal(redirect.status, 302);
  assert.equal(redirect.headers.get("location"), "https://a.test/");
  assert.equal(redirect.headers.get("x-frame-options"), "DENY");
});

Deno.test("without guardBrowsers() the headers are not there, and with it they are on errors and redirects", async () => {
  const routes = (hono: Hono) =>
    hono.get("/", (c) => c.text("")).get("/go", () => Response.redirect("https://a.test/"));
  const bare = await routes(new Hono()).request("/");
  assert.throws(() => hasAll(bare.headers, "planted"));
  const guard = guardBrowsers({ services: app.services, hosts: { baseDomain: "localhost", platform: [] } });
  const guarded = routes(new Hono().use(guard));
  for (const path of ["/", "/go", "/nowhere"]) hasAll((await guarded.request(path)).headers, path);
});
