// What the control plane's tests share: applications in many variants, and customers' databases on the second server.
import assert from "node:assert/strict";
import type { Services } from "../../src/tenancy/services.ts";
import type { Work } from "../../src/db/doors.ts";
import { provision, type ProvisionOptions } from "../../src/platform/provisioning/saga.ts";
import type { TestApp } from "../support/app.ts";
import { adminSql, freshDatabase, secondTestServer } from "../support/postgres.ts";

/** The body of an application. */
export function application(slug: string, changes: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    organization_name: `Organisation ${slug}`,
    slug,
    contact_first_name: "Ada",
    contact_last_name: "Lovelace",
    contact_email: `ada@${slug.toLowerCase()}.test`,
    tier: "shared",
    time_zone: "America/Toronto",
    locale: "en-CA",
    currency: "CAD",
    ...changes,
  };
}

/** Submits an application and gives its id. */
export async function submit(app: TestApp, slug: string, changes: Record<string, unknown> = {}): Promise<string> {
  const answer = await app.ask("POST", "/v1/applications", { body: application(slug, changes) });
  assert.equal(answer.status, 201, JSON.stringify(answer.body));
  return answer.body.id;
}

/** Approves an application; it must be accepted. */
export async function approve(app: TestApp, id: string, tier: string): Promise<void> {
  const answer = await app.ask("POST", `/v1/applications/${id}/approve`, {
    token: await app.operator(),
    body: { tier },
  });
  assert.equal(answer.status, 202, JSON.stringify(answer.body));
}

/** Approves an application without a job for it: the test runs the saga itself. */
export async function approveUnqueued(app: TestApp, id: string, tier: string): Promise<void> {
  await asPlatform(
    app.services,
    (tx) => tx`update platform.applications set status = 'approved', tier = ${tier} where id = ${id}`,
  );
}

/** Reads a path as operator; it must answer 200. */
// deno-lint-ignore no-explicit-any -- answers have every shape
export async function read(app: TestApp, path: string): Promise<any> {
  const answer = await app.ask("GET", path, { token: await app.operator() });
  assert.equal(answer.status, 200, JSON.stringify(answer.body));
  return answer.body;
}

/** A database of a customer's own on the second server. */
export interface CustomerDatabase {
  byo: { host: string; port: number; database: string; user: string; password: string; tls_mode: "disable" };
  drop(): Promise<void>;
}

/** Makes a login with these attributes, and a database that it owns or not. */
export async function customerDatabase(
  options: { attributes?: string; owner?: boolean } = {},
): Promise<CustomerDatabase> {
  const server = await secondTestServer();
  const user = `customer_${crypto.randomUUID().slice(0, 8)}`;
  const password = `secret-${crypto.randomUUID()}`;
  const made = await freshDatabase("customer", { server });
  const sql = await adminSql("postgres", server);
  await sql.unsafe(`create role ${user} login ${options.attributes ?? "createrole"} password '${password}'`);
  if (options.owner ?? true) await sql.unsafe(`alter database ${made.database} owner to ${user}`);
  await sql.end();
  return {
    byo: { host: server.host, port: server.port, database: made.database, user, password, tls_mode: "disable" },
    drop: made.drop,
  };
}

/** Runs work on the platform database. */
export function asPlatform<T>(services: Services, work: Work<T>): Promise<T> {
  return services.doors.asPlatform({ actor: "test", operation: "test", requestId: "", readOnly: false }, work);
}

/** Runs the saga once, as a worker would. */
export function runSaga(
  services: Services,
  applicationId: string,
  options: Partial<ProvisionOptions> = {},
): Promise<void> {
  return provision(services, { applicationId, jobId: crypto.randomUUID(), lastAttempt: false, ...options });
}
