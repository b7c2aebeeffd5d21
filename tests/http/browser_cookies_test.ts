// Sessions in cookies: a cookie acts for pages of its own host and of the tenant's own origins, for nobody else's; it acts
// in its own tenant only; and it is out of reach of scripts, of plain http and of hosts beside its own.
import assert from "node:assert/strict";
import { Hono } from "hono";
import { authenticate } from "../../src/http/authenticate.ts";
import { guardBrowsers } from "../../src/http/browser.ts";
import { endSession, keepSession } from "../../src/http/cookies.ts";
import { AppError } from "../../src/errors.ts";
import {
  answered,
  bootSetting,
  BUILDING,
  listOrigins,
  readableBy,
  type Setting,
  type Visit,
} from "./browser_setting.ts";

const A = "https://acorn.bulkhead.test";
const A_PAGE = "https://app.acorn.example";
const HERE = { "sec-fetch-site": "same-origin" };

let setting: Setting;
Deno.test.beforeAll(async () => {
  setting = await bootSetting();
  await listOrigins(setting, setting.a, [A_PAGE]);
  await listOrigins(setting, setting.b, ["https://app.birch.example"]);
});
Deno.test.afterAll(() => setting?.app.stop());

const loose = { sanitizeOps: false, sanitizeResources: false };
const look = (visit: Visit, base = A) => setting.visit("GET", `${base}/v1/buildings`, visit);
const make = (visit: Visit, base = A) => setting.visit("POST", `${base}/v1/buildings`, { body: BUILDING, ...visit });

async function buildings(): Promise<number> {
  return (await setting.app.ask("GET", "/v1/buildings?limit=200", { token: setting.a.admin })).body.items.length;
}

Deno.test("a cookie signs in for reading, and for changes that its own pages ask for", loose, async () => {
  const cookie = setting.a.admin;
  answered(await look({ cookie }), 200);
  answered(await look({ cookie, headers: HERE }), 200);
  answered(await make({ cookie, origin: A }), 201);
  answered(await make({ cookie, headers: HERE }), 201);
  const own = await make({ cookie, origin: A_PAGE });
  answered(own, 201);
  readableBy(own, A_PAGE);
  assert.equal(own.headers.get("access-control-allow-credentials"), "true");
});

Deno.test("a change by cookie from anywhere else is refused, and nothing is changed", loose, async () => {
  const cookie = setting.a.admin;
  const before = await buildings();
  const elsewhere = [
    "https://evil.test",
    "https://birch.bulkhead.test",
    "https://bulkhead.test",
    "https://app.birch.example",
    "http://acorn.bulkhead.test",
    "https://acorn.bulkhead.test:8443",
    "https://acorn.bulkhead.test.evil.test",
    "null",
    "",
  ];
  for (const origin of elsewhere) {
    const answer = await make({ cookie, headers: { origin } });
    answered(answer, 403, "origin_refused", origin);
    readableBy(answer, null, origin);
  }
  const silent: Record<string, string>[] = [
    {},
    { "sec-fetch-site": "same-site" },
    { "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate" },
    { "sec-fetch-site": "none" },
    { referer: `${A}/` },
  ];
  for (const headers of silent) {
    const answer = await make({ cookie, headers });
    answered(answer, 403, "origin_refused", JSON.stringify(headers));
    assert.doesNotMatch(answer.body.detail, /origins\.set/, "there is no origin to list");
  }
  for (const method of ["PUT", "PATCH", "DELETE"]) {
    answered(
      await setting.visit(method, `${A}/v1/buildings/${crypto.randomUUID()}`, { cookie }),
      403,
      "origin_refused",
    );
  }
  assert.equal(await buildings(), before);
});

Deno.test("what a form can send is refused with a cookie, unless a script vouches for it", loose, async () => {
  const cookie = setting.a.admin;
  const types = [
    "text/plain",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "Text/Plain;a=b",
  ];
  for (const type of types) {
    const visit = { cookie, origin: A, body: JSON.stringify(BUILDING), headers: { "content-type": type } };
    answered(await make(visit), 403, "origin_refused", type);
    const vouched = { ...visit, headers: { ...visit.headers, "x-requested-with": "fetch" } };
    answered(await make(vouched), 415, "unsupported_media_type", type);
  }
});

Deno.test("a cookie is not taken for what pages elsewhere load, and is for links", loose, async () => {
  const cookie = setting.a.admin;
  for (const site of ["cross-site", "same-site"]) {
    answered(await look({ cookie, headers: { "sec-fetch-site": site, "sec-fetch-mode": "no-cors" } }), 401);
    answered(await look({ cookie, headers: { "sec-fetch-site": site, "sec-fetch-mode": "navigate" } }), 200);
  }
  const foreign = await look({ cookie, origin: "https://evil.test" });
  answered(foreign, 401);
  readableBy(foreign, null);
});

Deno.test("a tenant's cookie does nothing at another tenant's host", loose, async () => {
  const { a, b } = setting;
  const B = "https://birch.bulkhead.test";
  answered(await look({ cookie: a.admin }, B), 403, "tenant_mismatch");
  answered(await make({ cookie: a.admin, origin: B }, B), 403, "tenant_mismatch");
  answered(await look({ cookie: a.admin, headers: { "x-tenant": b.slug } }, "https://bulkhead.test"), 403);
  answered(await look({ cookie: a.admin }, "https://bulkhead.test/t/birch"), 403, "tenant_mismatch");
  answered(await look({ cookie: a.admin }, "https://bulkhead.test/t/acorn"), 200);
});

Deno.test("an operator's cookie acts for pages of the platform's host only", loose, async () => {
  const cookie = await setting.app.operator();
  const approve = (origin: string) =>
    setting.visit("POST", `https://bulkhead.test/v1/applications/${crypto.randomUUID()}/approve`, {
      cookie,
      origin,
      body: { tier: "shared" },
    });
  for (const origin of [A, A_PAGE, "https://evil.test"]) answered(await approve(origin), 403, "origin_refused", origin);
  answered(await approve("https://bulkhead.test"), 404, "not_found");
  const list = (origin: string) => setting.visit("GET", "https://bulkhead.test/v1/tenants", { cookie, origin });
  answered(await list(A_PAGE), 401, "unauthorized");
  answered(await list("https://bulkhead.test"), 200);
});

Deno.test("header and cookie must carry the same token", loose, async () => {
  const { a, b } = setting;
  answered(await look({ cookie: a.admin, token: a.admin }), 200);
  answered(await look({ cookie: b.admin, token: a.admin }), 400, "invalid_request");
  answered(await make({ cookie: a.admin, token: a.admin }), 201, undefined, "a header cannot be forged");
});

Deno.test("a cookie that a host beside it has set is not taken", loose, async () => {
  const { a, b } = setting;
  const cookies = (cookie: string) => look({ headers: { cookie } });
  answered(await cookies(`bulkhead_access=${a.admin}`), 401, "unauthorized", "without the prefix");
  answered(await cookies(`__host-bulkhead_access=${a.admin}`), 401, "unauthorized", "another spelling");
  const [one, two] = [a, b].map(({ admin }) => `__Host-bulkhead_access=${admin}`);
  answered(await cookies(`${one}; ${two}`), 400, "invalid_request");
  answered(await cookies(`x=1; ${one}; y=2`), 200);
});

Deno.test("authenticate() takes no cookie from a request that the guard has not seen", async () => {
  const headers = { cookie: `__Host-bulkhead_access=${setting.a.admin}` };
  assert.equal(await authenticate(new Request(A, { headers }), setting.app.services.tokens), null);
});

function signingIn(publicUrl: string): Hono {
  const services = { ...setting.app.services, publicUrl };
  const tokens = { access: "a.b.c", accessSeconds: 900, refresh: "id.bhr_secret", refreshSeconds: 3600 };
  const app = new Hono().use(guardBrowsers({ services, hosts: { baseDomain: "bulkhead.test", platform: [] } }));
  app.post("/in", (c) => (keepSession(c.req.raw, tokens), c.json({})));
  app.post("/on", (c) => (keepSession(c.req.raw, tokens), c.redirect("/", 303)));
  app.post("/long", (c) => (keepSession(c.req.raw, { ...tokens, access: "x".repeat(4096) }), c.json({})));
  app.post("/fails", (c) => (keepSession(c.req.raw, tokens), c.json({}, 401)));
  app.post("/out", (c) => (endSession(c.req.raw), c.body(null, 204)));
  app.onError((error, c) => c.text(error instanceof AppError ? error.code : "internal", 400));
  return app;
}

Deno.test("keepSession() sets cookies of this host that no script reads, and endSession() takes them away", async () => {
  const app = signingIn("https://bulkhead.test");
  const post = (path: string) => app.request(`https://bulkhead.test${path}`, { method: "POST" });
  assert.deepEqual((await post("/in")).headers.getSetCookie(), [
    "__Host-bulkhead_access=a.b.c; Max-Age=900; Path=/; HttpOnly; Secure; SameSite=Strict",
    "__Host-bulkhead_refresh=id.bhr_secret; Max-Age=3600; Path=/; HttpOnly; Secure; SameSite=Strict",
  ]);
  assert.deepEqual((await post("/out")).headers.getSetCookie(), [
    "__Host-bulkhead_access=; Max-Age=0; Path=/; HttpOnly; Secure; SameSite=Strict",
    "__Host-bulkhead_refresh=; Max-Age=0; Path=/; HttpOnly; Secure; SameSite=Strict",
  ]);
  assert.equal((await post("/on")).headers.getSetCookie().length, 2, "a redirect after signing in elsewhere");
  assert.deepEqual((await post("/fails")).headers.getSetCookie(), []);
  const long = await post("/long");
  assert.deepEqual([long.status, long.headers.getSetCookie()], [400, []]);
});

Deno.test("keepSession() sets cookies over http on this machine only", async () => {
  for (const url of ["http://localhost:8787", "http://127.0.0.1:8787", "http://[::1]:8787"]) {
    const answer = await signingIn(url).request(`${url}/in`, { method: "POST" });
    const [access] = answer.headers.getSetCookie();
    assert.equal(access, "bulkhead_access=a.b.c; Max-Age=900; Path=/; HttpOnly; SameSite=Strict");
  }
  for (const url of ["http://192.168.0.7:8787", "http://localhost.evil.test", "http://bulkhead.test"]) {
    const answer = await signingIn(url).request(`${url}/in`, { method: "POST" });
    assert.deepEqual([await answer.text(), answer.headers.getSetCookie()], ["invalid_request", []]);
  }
});
