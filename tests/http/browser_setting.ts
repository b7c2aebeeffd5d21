// Two tenants and the app as it is behind an https address, for tests of what browsers do. Requests are handed to the app,
// so that they can carry what only browsers may send: Origin, Cookie, Sec-Fetch-Site.
import assert from "node:assert/strict";
import { createApp } from "../../src/app.ts";
import { type Answer, bootApp, type TestApp, type TestTenant } from "../support/app.ts";
import { adminSql } from "../support/postgres.ts";

export const PUBLIC = "https://bulkhead.test";
export const BUILDING = { name: "House", address: "1", city: "C", country: "CA" };

/** A request of a browser. */
export interface Visit {
  token?: string;
  /** Access token in the cookie. */
  cookie?: string;
  origin?: string;
  body?: unknown;
  headers?: Record<string, string>;
}

/** The setting; `stop()` it. */
export interface Setting {
  app: TestApp;
  a: TestTenant;
  b: TestTenant;
  /** The app that is served at {@link PUBLIC}; tests may add routes before the first request. */
  https: ReturnType<typeof createApp>;
  /** Sends a request to the https app, by whole address. */
  visit(method: string, url: string, visit?: Visit): Promise<Answer>;
  /** Gives the first tenant a domain of its own. */
  addDomain(host: string, proven: boolean): Promise<void>;
}

/** Boots a platform with two tenants. */
export async function bootSetting(): Promise<Setting> {
  const app = await bootApp();
  const [a, b] = await Promise.all([app.tenant("acorn"), app.tenant("birch")]);
  const https = createApp({ ...app.services, publicUrl: PUBLIC }, { baseDomain: "bulkhead.test", platform: [] });
  return {
    app,
    a,
    b,
    https,
    async visit(method, url, { token, cookie, origin, body, headers: more } = {}) {
      const headers = new Headers(more);
      if (token) headers.set("authorization", `Bearer ${token}`);
      if (cookie) headers.set("cookie", `__Host-bulkhead_access=${cookie}`);
      if (origin !== undefined) headers.set("origin", origin);
      if (body !== undefined && !headers.has("content-type")) headers.set("content-type", "application/json");
      const sent = body === undefined ? undefined : typeof body === "string" ? body : JSON.stringify(body);
      const response = await https.fetch(new Request(url, { method, headers, body: sent }));
      const text = await response.text();
      const json = /json/.test(response.headers.get("content-type") ?? "");
      return { status: response.status, headers: response.headers, body: json ? JSON.parse(text) : text };
    },
    async addDomain(host, proven) {
      const sql = await adminSql(app.services.servers.settings.platformDatabase);
      await sql`insert into platform.domains (id, tenant_id, host, verified_at)
        values (${crypto.randomUUID()}, ${a.id}, ${host}, ${proven ? new Date() : null})`;
      await sql.end();
      app.services.directory.forgetAll();
    },
  };
}

/** Lists a tenant's origins. */
export async function listOrigins({ app }: Setting, tenant: TestTenant, origins: string[]): Promise<void> {
  const answer = await app.ask("PUT", "/v1/origins", { token: tenant.admin, body: { origins } });
  assert.equal(answer.status, 200, JSON.stringify(answer.body));
  app.services.directory.forgetAll();
}

/** Asserts which origin may read an answer; null: none. `Vary: Origin` is there in any case. */
export function readableBy(answer: Answer, origin: string | null, told = ""): void {
  assert.equal(answer.headers.get("access-control-allow-origin"), origin, told);
  assert.match(answer.headers.get("vary") ?? "", /\bOrigin\b/, told);
}

/** Asserts a status and the code of a problem. */
export function answered(answer: Answer, status: number, code?: string, told = ""): void {
  assert.equal(answer.status, status, `${told} ${JSON.stringify(answer.body)}`);
  if (code) assert.equal(answer.body.code, code, told);
}
