// Wrong passwords, tokens, links and customers' servers: each is refused with its code, and what was sent as a secret turns up
// nowhere: not in the log, not in an answer, not in a table, not in the queue.
import assert from "node:assert/strict";
import { customerDatabase, submit } from "../platform/setup.ts";
import type { TestTenant } from "../support/app.ts";
import { adminSql, secondTestServer } from "../support/postgres.ts";
import { BUILDING } from "./furnished.ts";
import { watch, Watched } from "./watched.ts";

const loose = { sanitizeOps: false, sanitizeResources: false };
const CONTEXT = { operation: "test", requestId: "", readOnly: true };
let watched: Watched;
let tenant: TestTenant;
let operator: string;

Deno.test.beforeAll(async () => {
  watched = await watch();
  tenant = await watched.app.tenant("bad-secrets");
  operator = await watched.app.operator();
  watched.secrets.add(tenant.admin).add(operator);
});
Deno.test.afterAll(() => watched.stop());

/** As the tenant's administrator. */
function refused(expected: string, method: string, path: string, asking: Record<string, unknown> = {}) {
  return watched.refused(expected, method, path, { token: tenant.admin, ...asking });
}

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

Deno.test("a customer's server that turns away its login later shows no secret of it", loose, async () => {
  const byo = await watched.app.tenant("bad-server", "byo");
  watched.secrets.add(byo.admin).add("customer_bad_server_password");
  const { targets, directory } = watched.app.services;
  const context = await targets.context((await directory.byId(byo.id))!, CONTEXT);
  watched.secrets.add(context.target.password);
  const sql = await adminSql("postgres", await secondTestServer());
  const login = context.target.user;
  await sql.unsafe(`alter role "${login}" nologin`);
  await sql`select pg_terminate_backend(pid) from pg_stat_activity where usename = ${login}`;
  const { status, body } = await watched.ask("GET", "/v1/buildings", { token: byo.admin });
  assert.equal(status, 503, JSON.stringify(body));
  await sql.unsafe(`alter role "${login}" login`);
  await sql.end();
  await watched.app.until(
    "an answer again",
    async () => (await watched.ask("GET", "/v1/buildings", { token: byo.admin })).status === 200,
  );
});

Deno.test(
  "nothing of this is in the log, the answers or the tables, and nothing was an error of ours",
  loose,
  async () => {
    await watched.saidNothingSecret({ outage: true });
  },
);
