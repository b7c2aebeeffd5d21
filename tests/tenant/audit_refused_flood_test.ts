// Floods of refused requests: whatever nobody, another tenant's caller or one of the own does, what somebody else is refused
// has its entry, the number of entries is bounded, and what has none of its own is in the number of a folded one.
import assert from "node:assert/strict";
import { type Refusal, Refusals, refusalsOf } from "../../src/tenancy/refusals.ts";
import type { Services } from "../../src/tenancy/services.ts";
import { freshTenant, type TestTenant } from "../../src/testing/mod.ts";
import { testPlatform } from "../../src/testing/platform.ts";

const loose = { sanitizeOps: false, sanitizeResources: false };
const BUDGET = 20;

interface Row {
  actor: string;
  operation: string | null;
  resource: string;
  reason: string;
  times: number;
  address: string | null;
}

/** The refusals in a tenant's audit, oldest first. */
function rowsOf(tenant: TestTenant): PromiseLike<Row[]> {
  return tenant.asTenant((tx) =>
    tx<Row>`select actor, operation, resource, changes ->> 'reason' as reason, (changes ->> 'times')::int as times,
      origin::jsonb ->> 'address' as address
      from tenant.audit where action = 'refused' order by seq`
  );
}

const total = (rows: Row[]) => rows.reduce((sum, { times }) => sum + times, 0);
const folded = (rows: Row[]) => rows.filter(({ resource }) => /^\d+ more refused since \d{4}-/.test(resource));

/** A tenant, and a memory of its own for refusals. */
async function setting(doors: (services: Services) => Partial<Services> = () => ({}), windowMs?: number) {
  const tenant = await freshTenant();
  const { services } = await testPlatform();
  const record = (await services.directory.byId(tenant.id))!;
  const refusals = new Refusals({ ...services, ...doors(services) }, windowMs);
  const refuse = (refusal: Partial<Refusal>) =>
    refusals.record(record, {
      operation: "made.up",
      resource: "GET /",
      reason: "unauthorized",
      requestId: "r",
      ...refusal,
    });
  return { tenant, refusals, refuse };
}

/** From addresses all of them different. */
const from = (i: number) => ({ address: `198.51.${i >> 8}.${i & 255}`, agent: "flood/1" });

Deno.test(
  "what nobody asks for hides neither what members nor what other tenants' members are refused",
  loose,
  async () => {
    const [tenant, other] = [await freshTenant(), await freshTenant()];
    const member = await tenant.member("member");
    const paths = [
      "buildings",
      "properties",
      "renters",
      "meters",
      "readings",
      "tariffs",
      "invoices",
      "reports",
      "members",
    ]
      .flatMap((name) => [`/v1/${name}`, `/v1/${name}/${crypto.randomUUID()}`])
      .concat(
        "/v1/roles",
        "/v1/units",
        "/v1/invitations",
        "/v1/api-keys",
        "/v1/auth/me",
        "/v1/auth/sessions",
        "/v1/audit",
      );
    const nobody = { role: null, headers: { "x-tenant": tenant.slug, authorization: "Bearer a.b.c" } };
    let refusedOfNobody = 0;
    for (const method of ["GET", "DELETE"]) {
      for (const path of paths) {
        const { status } = await tenant.fetch(path, { ...nobody, method });
        if (status === 401) refusedOfNobody++;
        else assert.ok([404, 405].includes(status), `${method} ${path}: ${status}`);
      }
    }
    assert.ok(refusedOfNobody > BUDGET, String(refusedOfNobody));
    const asked: [Promise<Response>, string][] = [
      [tenant.fetch(`/t/${other.slug}/v1/buildings`, { role: "member" }), "buildings.list"],
      [other.fetch(`/t/${tenant.slug}/v1/renters`), "renters.list"],
      [tenant.fetch("/v1/audit/export", { role: "member" }), "audit.export"],
      [tenant.fetch("/v1/members", { role: "member", json: {} }), "members.create"],
    ];
    for (const [response] of asked) assert.equal((await response).status, 403);
    await refusalsOf((await testPlatform()).services).flush();
    const rows = await rowsOf(tenant);
    const entered = rows.map(({ actor, operation, reason }) => `${actor} ${operation} ${reason}`);
    for (
      const entry of [
        `member:${member.id} buildings.list tenant_mismatch`,
        "- renters.list tenant_mismatch",
        `member:${member.id} audit.export forbidden`,
        `member:${member.id} members.create forbidden`,
      ]
    ) assert.ok(entered.includes(entry), `${entry} is not among ${entered.join(", ")}`);
    const nobodys = rows.filter(({ reason }) => reason === "unauthorized");
    assert.deepEqual([nobodys.length, total(nobodys)], [BUDGET + 1, refusedOfNobody]);
    assert.equal((await (await tenant.fetch("/v1/audit/verify")).json()).ok, true);
  },
);

Deno.test("Refusals enters one folded entry a reason for what is over the budget, and loses none", loose, async () => {
  const { tenant, refusals, refuse } = await setting();
  for (let i = 0; i < 5_000; i++) refuse({ origin: from(i), reason: i % 5 ? "unauthorized" : "invalid_credentials" });
  refuse({ reason: "tenant_mismatch", origin: from(1) });
  await refusals.flush();
  const rows = await rowsOf(tenant);
  assert.deepEqual([rows.length, total(rows)], [BUDGET + 2 + 1, 5_001]);
  const more = folded(rows);
  assert.deepEqual(more.map(({ reason }) => reason).sort(), ["invalid_credentials", "unauthorized"]);
  for (const { actor, address, operation, resource, times } of more) {
    assert.deepEqual([actor, address, operation], ["-", null, "made.up"]);
    assert.ok(resource.startsWith(`${times} more refused`));
  }
  assert.ok(rows.some(({ reason, times }) => reason === "tenant_mismatch" && times === 1));
});

Deno.test("Refusals tells of a folded entry what all of it have in common", loose, async () => {
  const { tenant, refusals, refuse } = await setting();
  for (let i = 0; i < 50; i++) refuse({ operation: `made.up_${i}`, origin: { address: "198.51.100.7", agent: "x" } });
  await refusals.flush();
  const [more] = folded(await rowsOf(tenant));
  assert.deepEqual([more.times, more.address, more.operation], [30, "198.51.100.7", null]);
});

Deno.test("Refusals gives each actor a budget, and a tenant's actors together one", loose, async () => {
  const { tenant, refusals, refuse } = await setting();
  const idOf = (number: number) => `member:00000000-0000-4000-8000-${String(number).padStart(12, "0")}`;
  const refuseEach = (actors: number, operations: number, first = 0) => {
    for (let i = 0; i < actors * operations; i++) {
      const actor = idOf(first + i % actors);
      refuse({ actor, proven: true, reason: "forbidden", operation: `made.up_${Math.floor(i / actors)}` });
    }
  };
  refuseEach(1, 100);
  refuseEach(400, 2, 1);
  await refusals.flush();
  const rows = await rowsOf(tenant);
  assert.equal(total(rows), 900);
  assert.ok(rows.length <= 10 * BUDGET + 10, `${rows.length} entries`);
  const first = rows.filter(({ actor }) => actor === idOf(0));
  assert.equal(first.length, BUDGET + 1, "the busy one has its budget and a number");
  assert.ok(new Set(rows.map(({ actor }) => actor)).size > 100, "the others have entries of their own");
});

Deno.test("Refusals enters what is folded when the window ends", loose, async () => {
  const { tenant, refuse } = await setting(undefined, 300);
  for (let i = 0; i < 100; i++) refuse({ origin: from(i) });
  for (let waited = 0; total(await rowsOf(tenant)) < 100 && waited < 20_000; waited += 50) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const rows = await rowsOf(tenant);
  assert.deepEqual([rows.length, total(rows)], [BUDGET + 1, 100]);
});

Deno.test(
  "Refusals tries again in the next window what a database did not take, and asks it once a window",
  loose,
  async () => {
    let isAway = true;
    let asked = 0;
    const { tenant, refusals, refuse } = await setting(({ doors }) => ({
      doors: {
        ...doors,
        asTenant: (context, work) => {
          asked++;
          return isAway ? Promise.reject(new Error("away")) : doors.asTenant(context, work);
        },
      },
    }));
    for (let i = 0; i < 100; i++) refuse({ origin: from(i) });
    await refusals.flush();
    assert.ok(asked <= 2, `${asked} visits of a database that is away`);
    isAway = false;
    await refusals.flush();
    const rows = await rowsOf(tenant);
    assert.deepEqual([rows.length, total(rows), folded(rows).length], [1, 100, 1]);
  },
);

Deno.test("a lockout and a page's change that is refused are entered", loose, async () => {
  const tenant = await freshTenant();
  const login = {
    role: null,
    headers: { "x-tenant": tenant.slug },
    json: { email: "a@b.test", password: "no such one" },
  };
  const statuses: number[] = [];
  for (let i = 0; i < 8; i++) statuses.push((await tenant.fetch("/v1/auth/login", login)).status);
  const locked = statuses.filter((status) => status === 429).length;
  assert.ok(locked > 0, String(statuses));
  const evil = await tenant.fetch(`/t/${tenant.slug}/v1/buildings`, {
    headers: { origin: "https://evil.test" },
    json: { name: "x" },
  });
  assert.equal(evil.status, 403);
  await refusalsOf((await testPlatform()).services).flush();
  const rows = await rowsOf(tenant);
  const of = (reason: string) => rows.filter((row) => row.reason === reason);
  assert.deepEqual([total(of("too_many_attempts")), of("too_many_attempts")[0].operation], [locked, "auth.login"]);
  assert.deepEqual(of("origin_refused").map(({ actor, operation, resource }) => [actor, operation, resource]), [
    [`member:${tenant.admin.id}`, "buildings.create", "POST /v1/buildings"],
  ]);
});
