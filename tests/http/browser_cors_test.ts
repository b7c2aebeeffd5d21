// CORS per tenant: a page reads answers of the tenants that list its origin and of no other; what it may not read it may
// not change either. Preflights tell whether an origin is known, not whose it is.
import assert from "node:assert/strict";
import {
  answered,
  bootSetting,
  BUILDING,
  listOrigins,
  PUBLIC,
  readableBy,
  type Setting,
  type Visit,
} from "./browser_setting.ts";

const A_PAGE = "https://app.acorn.example";
const B_PAGE = "https://app.birch.example";
const BOTH = "http://localhost:3000";
/** Origins that look like A's. */
const LOOKALIKES = [
  "https://app.acorn.example.evil.test",
  "https://app.acorn.example:8443",
  "http://app.acorn.example",
  "https://evil.test/https://app.acorn.example",
  "https://xapp.acorn.example",
  "https://APP.acorn.example",
  "https://app.acorn.example/",
  "https://app.acorn.example, https://evil.test",
  "https://user@app.acorn.example",
  "null",
  "*",
  "",
  "file://",
];

let setting: Setting;
Deno.test.beforeAll(async () => {
  setting = await bootSetting();
  await listOrigins(setting, setting.a, [A_PAGE, BOTH]);
  await listOrigins(setting, setting.b, [B_PAGE, BOTH]);
});
Deno.test.afterAll(() => setting?.app.stop());

const loose = { sanitizeOps: false, sanitizeResources: false };

function preflight(url: string, origin: string) {
  const headers = {
    "access-control-request-method": "POST",
    "access-control-request-headers": "authorization,content-type,x-tenant",
  };
  return setting.visit("OPTIONS", url, { origin, headers });
}

async function buildings(): Promise<number> {
  const lists = await Promise.all(
    [setting.a, setting.b].map(({ admin }) => setting.app.ask("GET", "/v1/buildings", { token: admin })),
  );
  return lists.reduce((sum, { body }) => sum + body.items.length, 0);
}

Deno.test("origins.set takes exact origins only", loose, async () => {
  const { app, a } = setting;
  const odd = [
    ...LOOKALIKES.filter((one) =>
      one !== "https://app.acorn.example:8443" && one !== LOOKALIKES[0] && one !== LOOKALIKES[4]
    ),
    "https://*.acorn.example",
    "https://acorn.example:443",
    "https://acorn.example:99999",
    "https://acorn.example?x",
    "https://1",
    "https://münchen.example",
    "http://localhost.evil.test",
    "http://127.0.0.2",
    "http://localhost.",
    "ftp://acorn.example",
    "https://a b.example",
    "https://acorn.example\n",
  ];
  for (const origin of odd) {
    const answer = await app.ask("PUT", "/v1/origins", { token: a.admin, body: { origins: [A_PAGE, origin] } });
    answered(answer, 400, "invalid_request", origin);
  }
  const many = Array.from({ length: 51 }, (_, i) => `https://p${i}.example`);
  answered(await app.ask("PUT", "/v1/origins", { token: a.admin, body: { origins: many } }), 400, "invalid_request");
  const kept = await app.ask("GET", "/v1/origins", { token: a.admin });
  assert.deepEqual(kept.body, { origins: [BOTH, A_PAGE] });
});

Deno.test("origins.set takes what browsers send for pages elsewhere and on one's own machine", loose, async () => {
  const { app, b } = setting;
  const origins = [
    "http://127.0.0.1:1",
    "http://[::1]:5173",
    "http://acorn.localhost:3000",
    "http://localhost",
    "https://1.2.3.4",
    "https://b.example:8443",
  ];
  const answer = await app.ask("PUT", "/v1/origins", { token: b.admin, body: { origins: [...origins, origins[0]] } });
  assert.deepEqual(answer.body, { origins });
  assert.deepEqual((await app.ask("GET", "/v1/origins", { token: b.admin })).body, { origins });
  const { body } = await app.ask("GET", `/v1/events?tenant_id=${b.id}&limit=200`, { token: await app.operator() });
  const told = body.items.filter(({ type }: { type: string }) => type === "tenant.origins_changed");
  assert.ok(told.some((event: { data: unknown }) => JSON.stringify(event.data) === JSON.stringify({ origins })));
  await listOrigins(setting, b, [B_PAGE, BOTH]);
});

Deno.test("origins are set by administrators, for their own tenant", loose, async () => {
  const { app, a, b } = setting;
  const manager = await app.memberToken(a, "manager");
  answered(await app.ask("PUT", "/v1/origins", { token: manager, body: { origins: [] } }), 403, "forbidden");
  answered(await app.ask("GET", "/v1/origins", { token: manager }), 403, "forbidden");
  answered(await app.ask("PUT", "/v1/origins", { token: a.admin, tenant: b.slug, body: { origins: [] } }), 403);
  assert.deepEqual((await app.ask("GET", "/v1/origins", { token: b.admin })).body, { origins: [BOTH, B_PAGE] });
});

Deno.test("origins.set refuses a member who was shut out, though the token still lives", loose, async () => {
  const { app, a } = setting;
  const nobody = await app.services.tokens.issueMember({
    tenantId: a.id,
    memberId: crypto.randomUUID(),
    role: "admin",
    sessionId: crypto.randomUUID(),
  });
  answered(await app.ask("PUT", "/v1/origins", { token: nobody, body: { origins: [] } }), 401);
});

Deno.test("a preflight at the platform's host allows any tenant's origin and tells not whose", loose, async () => {
  for (const origin of [A_PAGE, B_PAGE, BOTH]) {
    const answer = await preflight(`${PUBLIC}/v1/buildings`, origin);
    answered(answer, 204);
    readableBy(answer, origin);
    assert.match(answer.headers.get("access-control-allow-headers")!, /Authorization.*X-API-Key.*X-Tenant/);
    assert.match(answer.headers.get("access-control-allow-methods")!, /PATCH/);
    assert.equal(answer.headers.get("access-control-allow-credentials"), null);
  }
  for (const origin of LOOKALIKES) readableBy(await preflight(`${PUBLIC}/v1/buildings`, origin), null, origin);
});

Deno.test("a preflight where host or path name a tenant allows that tenant's origins only", loose, async () => {
  for (const base of ["https://acorn.bulkhead.test", `${PUBLIC}/t/acorn`]) {
    readableBy(await preflight(`${base}/v1/buildings`, A_PAGE), A_PAGE);
    for (const origin of [B_PAGE, ...LOOKALIKES]) {
      readableBy(await preflight(`${base}/v1/buildings`, origin), null, origin);
    }
  }
  const own = await preflight("https://acorn.bulkhead.test/v1/buildings", A_PAGE);
  assert.equal(own.headers.get("access-control-allow-credentials"), "true");
  readableBy(await preflight("https://nobody.bulkhead.test/v1/buildings", A_PAGE), null);
  readableBy(await preflight("https://elsewhere.test/v1/buildings", A_PAGE), null);
  readableBy(await preflight(`${PUBLIC}/t/nobody/v1/buildings`, A_PAGE), null);
});

Deno.test("an answer is readable by pages of the tenant that was entered, by no other", loose, async () => {
  const { a, b } = setting;
  const look = (visit: Visit) => setting.visit("GET", `${PUBLIC}/v1/buildings`, visit);
  const own = await look({ origin: A_PAGE, token: a.admin });
  answered(own, 200);
  readableBy(own, A_PAGE);
  assert.match(
    own.headers.get("access-control-expose-headers")!,
    /ETag.*Location.*RateLimit.*Retry-After.*X-Impersonation.*X-Request-Id/,
  );
  assert.equal(own.headers.get("access-control-allow-credentials"), null);
  readableBy(await look({ origin: A_PAGE, token: b.admin }), null);
  readableBy(await look({ origin: BOTH, token: b.admin }), BOTH);
  for (const origin of LOOKALIKES) readableBy(await look({ origin, token: a.admin }), null, origin);
  readableBy(await look({ token: a.admin }), null);
});

Deno.test("a change from an origin that is not the tenant's is refused, and nothing is changed", loose, async () => {
  const { a, b } = setting;
  const before = await buildings();
  const make = (visit: Visit) => setting.visit("POST", `${PUBLIC}/v1/buildings`, { body: BUILDING, ...visit });
  for (const origin of [B_PAGE, ...LOOKALIKES]) {
    const answer = await make({ origin, token: a.admin });
    answered(answer, 403, "origin_refused", origin);
    readableBy(answer, null, origin);
  }
  answered(await make({ origin: A_PAGE, token: b.admin }), 403, "origin_refused");
  answered(await make({ origin: A_PAGE, token: b.admin, headers: { "x-tenant": "birch" } }), 403, "origin_refused");
  assert.equal(await buildings(), before);
  const own = await make({ origin: A_PAGE, token: a.admin });
  answered(own, 201);
  readableBy(own, A_PAGE);
  answered(await make({ token: a.admin }), 201, undefined, "a program sends no Origin");
  answered(await make({ origin: PUBLIC, token: a.admin }), 201, undefined, "a page of the same host");
  assert.equal(await buildings(), before + 3);
});

Deno.test("signing in from a page of another tenant's is refused", loose, async () => {
  const body = { email: "nobody@birch.test", password: "wrong wrong wrong" };
  const sign = (origin: string) =>
    setting.visit("POST", `${PUBLIC}/v1/auth/login`, { origin, body, headers: { "x-tenant": "birch" } });
  answered(await sign(A_PAGE), 403, "origin_refused");
  const own = await sign(B_PAGE);
  answered(own, 401, "invalid_credentials");
  readableBy(own, B_PAGE, "a page must be able to tell why");
});

Deno.test(
  "a refusal before any tenant is known is readable by known origins, an answer of the platform is not",
  loose,
  async () => {
    const asked = (origin: string, token: string) => setting.visit("GET", `${PUBLIC}/v1/buildings`, { origin, token });
    const refused = await asked(A_PAGE, "x.y.z");
    answered(refused, 401);
    readableBy(refused, A_PAGE);
    readableBy(await asked("https://evil.test", "x.y.z"), null);
    const health = await setting.visit("GET", `${PUBLIC}/health`, { origin: A_PAGE });
    answered(health, 200);
    readableBy(health, null);
  },
);

Deno.test("a tenant's subdomain and its proven domains are its origins without being listed", loose, async () => {
  const { a, b } = setting;
  await setting.addDomain("www.acorn.example", true);
  await setting.addDomain("unproven.example", false);
  const look = (origin: string, token: string) => setting.visit("GET", `${PUBLIC}/v1/buildings`, { origin, token });
  for (const origin of ["https://acorn.bulkhead.test", "https://www.acorn.example"]) {
    readableBy(await look(origin, a.admin), origin);
    readableBy(await look(origin, b.admin), null, origin);
    readableBy(await preflight(`${PUBLIC}/v1/buildings`, origin), origin);
  }
  const others = [
    "https://unproven.example",
    "http://www.acorn.example",
    "https://birch.bulkhead.test",
    "https://bulkhead.test.evil.test",
  ];
  for (const origin of others) readableBy(await look(origin, a.admin), null, origin);
});

Deno.test("an origin that is taken off the list is refused at once, also by another process", loose, async () => {
  const { app, a } = setting;
  const second = await app.secondProcess({ listen: true });
  try {
    const page = "https://old.acorn.example";
    const asking = { token: a.admin, headers: { origin: page } };
    const look = async () =>
      (await second.ask("GET", "/v1/buildings", asking)).headers.get("access-control-allow-origin");
    await listOrigins(setting, a, [A_PAGE, BOTH, page]);
    await app.until("the origin to be known", async () => await look() === page, 5_000);
    await listOrigins(setting, a, [A_PAGE, BOTH]);
    await app.until("the origin to be forgotten", async () => await look() === null, 5_000);
  } finally {
    await second.stop();
  }
});
