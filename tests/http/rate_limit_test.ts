// Rate limits as who is signed in meets them: exact over two processes, told in headers, by tenant and plan; what they
// cost in round trips, and what happens while nobody can count. Limits of addresses: address_limit_test.ts.
import assert from "node:assert/strict";
import { limitsOfCaller } from "../../src/http/rate_limit.ts";
import type { Principal } from "../../src/identity/principal.ts";
import type { TenantRecord } from "../../src/tenancy/directory.ts";
import { type Answer, bootApp, OPERATOR, type TestApp, type TestProcess } from "../support/app.ts";
import { adminSql } from "../support/postgres.ts";

const loose = { sanitizeOps: false, sanitizeResources: false };
/** By plan, and operators out of the way. */
const LIMITS = { LIMIT_TENANT_PER_MINUTE: "", LIMIT_OPERATOR_PER_MINUTE: "1000000", LIMIT_STRICT_PER_MINUTE: "40" };
let app: TestApp;
let other: TestProcess;
Deno.test.beforeAll(async () => {
  app = await bootApp({ env: LIMITS });
  other = await app.secondProcess();
});
Deno.test.afterAll(async () => {
  await other.stop();
  await app.stop();
});

/** Gives a tenant a plan of its own that allows so many requests a minute. */
async function allow(tenantId: string, requests: number): Promise<void> {
  const plan = `plan_${crypto.randomUUID().slice(0, 8)}`;
  const sql = await adminSql(app.services.servers.settings.platformDatabase);
  await sql`insert into platform.plans (name, title, member_limit, requests_per_minute)
    values (${plan}, 'Of a test', 10, ${requests})`;
  await sql`update platform.tenants set plan = ${plan} where id = ${tenantId}`;
  await sql.end();
  await known(tenantId, requests);
}

/** Waits until both processes know what a tenant's plan allows; too short for finding it out without being told. */
async function known(tenantId: string, requests: number): Promise<void> {
  for (const { services } of [app, other]) {
    await app.until("the plan to be known", async () => {
      return (await services.directory.byId(tenantId))?.limits.requests_per_minute === requests;
    }, 5_000);
  }
}

const read = (process: TestProcess, token: string) => process.ask("GET", "/v1/buildings?limit=10", { token });

function statuses(answers: Answer[]): Record<number, number> {
  const counts: Record<number, number> = {};
  for (const { status } of answers) counts[status] = (counts[status] ?? 0) + 1;
  return counts;
}

Deno.test(
  "of 1,000 requests at once to two processes exactly the tenant's 100 pass, and another tenant's all",
  loose,
  async () => {
    const [busy, quiet] = [await app.tenant("busy"), await app.tenant("quiet")];
    await allow(busy.id, 100);
    const asked = Array.from({ length: 1_000 }, (_, i) => read(i % 2 ? app : other, busy.admin));
    const beside = Array.from({ length: 40 }, (_, i) => read(i % 2 ? app : other, quiet.admin));
    const answers = await Promise.all(asked);
    assert.deepEqual(statuses(answers), { 200: 100, 429: 900 });
    assert.deepEqual(statuses(await Promise.all(beside)), { 200: 40 });
    const used = (await read(app, quiet.admin)).headers;
    assert.equal(used.get("ratelimit-limit"), "1200");
    const remaining = answers.map(({ headers }) => Number(headers.get("ratelimit-remaining")));
    assert.ok(remaining.every((left) => left >= 0 && left < 100));
  },
);

Deno.test("a refusal tells when to come back, and reaches no handler", loose, async () => {
  const tenant = await app.tenant("told");
  await allow(tenant.id, 3);
  const create = (name: string) =>
    app.ask("POST", "/v1/buildings", {
      token: tenant.admin,
      body: { name, address: "1", city: "C", country: "CA" },
    });
  for (const left of [2, 1, 0]) {
    const { status, headers } = await create(`Building ${left}`);
    assert.deepEqual([status, headers.get("ratelimit-limit"), headers.get("ratelimit-remaining")], [
      201,
      "3",
      String(left),
    ]);
    const reset = Number(headers.get("ratelimit-reset"));
    assert.ok(reset > 0 && reset <= 60, String(reset));
    assert.equal(headers.get("ratelimit-policy"), '"tenant";q=3;w=60');
    assert.equal(headers.get("ratelimit"), `"tenant";r=${left};t=${reset}`);
    assert.equal(headers.has("retry-after"), false);
  }
  const refused = await create("Building too many");
  assert.equal(refused.status, 429);
  assert.equal(refused.headers.get("content-type"), "application/problem+json");
  assert.deepEqual([refused.body.code, refused.body.status], ["rate_limited", 429]);
  assert.equal(refused.headers.get("retry-after"), refused.headers.get("ratelimit-reset"));
  assert.equal(refused.headers.get("ratelimit-remaining"), "0");
  const wrong = await app.ask("POST", "/v1/buildings", { token: tenant.admin, body: { nonsense: true } });
  assert.equal(wrong.status, 429, "a refusal goes before what is wrong with the input");
  await allow(tenant.id, 100);
  const answer = await app.until("more to be allowed", async () => {
    const answer = await read(app, tenant.admin);
    return answer.status === 200 && answer;
  });
  const names = answer.body.items.map((item: { name: string }) => item.name);
  assert.equal(names.includes("Building too many"), false);
});

Deno.test("a request costs no round trip where an allowance is held, and one where it is not", loose, async () => {
  const [tenant, small] = [await app.tenant("counted"), await app.tenant("small")];
  await allow(small.id, 20);
  const { doors } = app.services;
  const { asPlatform, asTenant } = doors;
  const seen = { platform: 0, tenant: 0 };
  doors.asPlatform = (context, work) => {
    if (context.operation === "limits.take") seen.platform++;
    return asPlatform(context, work);
  };
  doors.asTenant = (context, work) => {
    seen.tenant++;
    return asTenant(context, work);
  };
  const visits = async (token: string) => {
    const before = { ...seen };
    assert.equal((await read(app, token)).status, 200);
    return [seen.platform - before.platform, seen.tenant - before.tenant];
  };
  try {
    const first: number[][] = [];
    for (let i = 0; i < 300; i++) first.push(await visits(tenant.admin));
    assert.ok(first.every(([takes, own]) => takes <= 1 && own === 1));
    const free = first.filter(([takes]) => takes === 0).length;
    assert.ok(free >= 280, `${free} of 300 asked nobody`);
    for (let i = 0; i < 20; i++) assert.deepEqual(await visits(small.admin), [1, 1]);
    const before = seen.tenant;
    for (let i = 0; i < 3; i++) assert.equal((await read(app, small.admin)).status, 429);
    assert.equal(seen.tenant, before, "a refused request entered its tenant's database");
  } finally {
    Object.assign(doors, { asPlatform, asTenant });
  }
});

/** Has the counting of one process wait for `go()`, and notes which operations have entered a tenant. */
function heldUp({ services: { doors } }: TestProcess) {
  const { asPlatform, asTenant } = doors;
  const gate = Promise.withResolvers<void>();
  const entered: string[] = [];
  doors.asPlatform = async (context, work) => {
    if (context.operation === "limits.take") await gate.promise;
    return await asPlatform(context, work);
  };
  doors.asTenant = (context, work) => {
    entered.push(context.operation);
    return asTenant(context, work);
  };
  return { entered, go: gate.resolve, end: () => Object.assign(doors, { asPlatform, asTenant }) };
}

Deno.test(
  "a read is done while it is being counted, and answered when it is granted; a write waits",
  loose,
  async () => {
    const tenant = await app.tenant("meanwhile");
    const { entered, go, end } = heldUp(app);
    try {
      let answered = 0;
      const body = { name: "B", address: "1", city: "C", country: "CA" };
      const asked = [
        read(app, tenant.admin),
        app.ask("POST", "/v1/buildings", { token: tenant.admin, body }),
        app.ask("GET", "/v1/nothing-like-it", { token: tenant.admin }),
      ].map((asking) => asking.finally(() => answered++));
      await app.until("the read", () => Promise.resolve(entered.includes("buildings.list") && answered === 1));
      await new Promise((resolve) => setTimeout(resolve, 50));
      assert.deepEqual([entered, answered], [["buildings.list"], 1]);
      go();
      assert.deepEqual((await Promise.all(asked)).map(({ status }) => status), [200, 201, 404]);
      assert.deepEqual(entered, ["buildings.list", "buildings.create"]);
    } finally {
      end();
    }
  },
);

Deno.test("a read that is refused after all tells nothing, and the next ones are not done at all", loose, async () => {
  const tenant = await app.tenant("used-up");
  await allow(tenant.id, 5);
  const elsewhere = await Promise.all(Array.from({ length: 6 }, () => read(other, tenant.admin)));
  assert.deepEqual(statuses(elsewhere), { 200: 5, 429: 1 });
  const { entered, go, end } = heldUp(app);
  go();
  try {
    const answers = [await read(app, tenant.admin), await read(app, tenant.admin), await read(app, tenant.admin)];
    assert.deepEqual(answers.map(({ status, body }) => [status, body.code, "items" in body]), [
      [429, "rate_limited", false],
      [429, "rate_limited", false],
      [429, "rate_limited", false],
    ]);
    assert.deepEqual(entered, ["buildings.list"]);
  } finally {
    end();
  }
});

Deno.test("of many reads at once few are done before they are counted", loose, async () => {
  const tenant = await app.tenant("flooding");
  const { entered, go, end } = heldUp(app);
  try {
    const asked = Array.from({ length: 200 }, () => read(app, tenant.admin));
    await app.until("a read", () => Promise.resolve(entered.length > 0));
    await new Promise((resolve) => setTimeout(resolve, 100));
    const early = entered.length;
    go();
    assert.deepEqual(statuses(await Promise.all(asked)), { 200: 200 });
    assert.ok(early <= 11, `${early} were`);
  } finally {
    end();
  }
});

Deno.test(
  "where a signed-in caller could guess a secret, the caller is limited harder, and nobody else",
  loose,
  async () => {
    const tenant = await app.tenant("guessing");
    const guess = (token: string, process: TestProcess) =>
      process.ask("POST", "/v1/auth/change-password", { token, body: { what: "counts whether it is right or not" } });
    const member = await app.memberToken(tenant, "member");
    const answers = await Promise.all(Array.from({ length: 60 }, (_, i) => guess(member, i % 2 ? app : other)));
    assert.deepEqual(statuses(answers), { 400: 40, 429: 20 });
    assert.equal((await guess(tenant.admin, app)).status, 400);
    assert.equal((await read(app, member)).status, 200);
  },
);

Deno.test("a change of a plan reaches every process", loose, async () => {
  const tenant = await app.tenant("upgraded");
  await allow(tenant.id, 50);
  const sql = await adminSql(app.services.servers.settings.platformDatabase);
  await sql`update platform.plans set requests_per_minute = 75
    where name = (select plan from platform.tenants where id = ${tenant.id})`;
  await sql.end();
  await known(tenant.id, 75);
  assert.equal((await read(other, tenant.admin)).headers.get("ratelimit-limit"), "75");
});

Deno.test("while nobody can count, tenants are served and signing in is not; then both are again", loose, async () => {
  const tenant = await app.tenant("uncounted");
  const { doors } = app.services;
  const { asPlatform } = doors;
  const login = () => app.ask("POST", "/v1/operators/login", { body: OPERATOR });
  await allow(tenant.id, 2);
  doors.asPlatform = (context, work) =>
    context.operation === "limits.take" ? Promise.reject(new Error("away")) : asPlatform(context, work);
  try {
    assert.deepEqual(statuses([await read(app, tenant.admin), await read(app, tenant.admin)]), { 200: 2 });
    assert.equal((await read(app, tenant.admin)).status, 429, "what this process counts alone is not limited");
    const { status, body, headers } = await login();
    assert.deepEqual([status, body.code, headers.get("retry-after")], [503, "database_unavailable", "1"]);
  } finally {
    doors.asPlatform = asPlatform;
  }
  await app.until("signing in to be possible again", async () => (await login()).status === 200);
  assert.equal((await read(other, tenant.admin)).status, 200);
});

Deno.test(
  "limitsOfCaller() counts a member and a key by tenant, a key by itself too, an operator nowhere else",
  loose,
  async () => {
    const tenant = await app.tenant("callers");
    const record = (await app.services.directory.byId(tenant.id))!;
    const inside = { tenantId: tenant.id, permissions: {}, accessVersion: 0, expiresAt: new Date() };
    const key = { ...inside, kind: "key" as const, keyId: "k", requestsPerMinute: 7 };
    const operator = { kind: "operator" as const, operatorId: "o", email: "", role: "", keyId: null, accessVersion: 0 };
    const visit = {
      ...inside,
      kind: "impersonator" as const,
      impersonationId: "i",
      operatorId: "o",
      email: "",
      readOnly: true,
    };
    const counted = (principal: Principal, at: TenantRecord | null = record) =>
      limitsOfCaller(principal, at, { services: app.services }).map(({ key, allowance }) => [key, allowance]);
    assert.deepEqual(counted(key), [[`key:${tenant.id}:k`, 7], [`tenant:${tenant.id}`, 1_200]]);
    assert.deepEqual(counted({ ...key, requestsPerMinute: null }), [[`tenant:${tenant.id}`, 1_200]]);
    assert.deepEqual(counted({ ...operator, expiresAt: new Date() }, null), [["operator:o", 1_000_000]]);
    assert.deepEqual(counted(visit), [["operator:o", 1_000_000]]);
    const [strict, ...others] = limitsOfCaller(key, record, { limit: "strict", services: app.services });
    assert.deepEqual([strict.key, strict.closed, others.length], [`strict:${tenant.id}:key:k`, true, 2]);
    assert.deepEqual(limitsOfCaller(key, record, { limit: "none", services: app.services }), []);
  },
);
