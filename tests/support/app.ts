// The whole platform for a test file: its own platform and shared databases on the test server, a real HTTP port, a real
// worker, a mailbox in a temporary folder. Tests talk to it over HTTP; `services` is there for looking behind the curtain.
import assert from "node:assert/strict";
import { readConfig, UNLIMITED } from "../../src/config.ts";
import { serve, type Serving } from "../../src/serve.ts";
import { poolerSettings } from "../../src/services.ts";
import { createLog } from "../../src/telemetry/log.ts";
import { Servers } from "../../src/tenancy/servers.ts";
import { adminSql, secondTestServer, testServer } from "./postgres.ts";

/** Logins' passwords derive from it and roles are server-wide, so all test files share one. */
export const MASTER_KEY = btoa(String.fromCharCode(...new Uint8Array(32).map((_, i) => i * 7 % 256)));

export const OPERATOR = { email: "first.operator@bulkhead.test", password: "a long operator passphrase" };
export const MEMBER_PASSWORD = "a long member passphrase";

/** An answer, parsed. */
export interface Answer {
  status: number;
  headers: Headers;
  // deno-lint-ignore no-explicit-any -- tests look into answers of every shape
  body: any;
}

/** What a request of a test is. */
export interface Asking {
  token?: string;
  tenant?: string;
  body?: unknown;
  raw?: BodyInit;
  headers?: Record<string, string>;
}

/** A process that serves, and how to talk to it. */
export interface TestProcess extends Serving {
  /** Every line of the log so far. */
  lines: string[];
  ask(method: string, path: string, asking?: Asking): Promise<Answer>;
}

/** A booted platform. */
export interface TestApp extends TestProcess {
  mailFolder: string;
  /** Serves the same platform a second time, without a worker, with caches and connections of its own; `stop()` it. */
  secondProcess(options?: { listen?: boolean }): Promise<TestProcess>;
  /** A token of the first operator. */
  operator(): Promise<string>;
  /** Applies, approves, waits, sets the admin's password. Gives the tenant's id, slug and an admin's token. */
  tenant(slug: string, tier?: "shared" | "dedicated" | "byo"): Promise<TestTenant>;
  /** Adds a member with this role, who sets a password, and signs in. */
  memberToken(tenant: TestTenant, role: "admin" | "manager" | "member"): Promise<string>;
  signIn(slug: string, email: string): Promise<string>;
  /** Polls until `look` gives something. */
  until<T>(what: string, look: () => Promise<T | undefined | null | false>, ms?: number): Promise<T>;
  /** Waits for a tenant job and gives it. */
  // deno-lint-ignore no-explicit-any -- results have every shape
  job(token: string, id: string): Promise<any>;
}

/** A provisioned tenant. */
export interface TestTenant {
  id: string;
  slug: string;
  tier: string;
  adminEmail: string;
  admin: string;
  applicationId: string;
}

/** Boots a platform; call `stop()` at the end. */
export async function bootApp(options: { env?: Record<string, string>; worker?: boolean } = {}): Promise<TestApp> {
  const server = await testServer();
  const name = `t_${crypto.randomUUID().slice(0, 8)}`;
  const mailFolder = await Deno.makeTempDir({ prefix: "bulkhead-mail-" });
  // The limits are on, and high: tests ask thousands of times from one address.
  const limits = Object.fromEntries(Object.entries(UNLIMITED).map(([name, limit]) => [name, String(limit)]));
  const config = readConfig({ PORT: "0", BYO_ALLOW: "127.0.0.0/8", LOG_LEVEL: "debug", ...limits, ...options.env });
  const servers = new Servers({
    host: server.host,
    port: server.port,
    pooler: poolerSettings(config),
    maintenanceDatabase: "postgres",
    platformDatabase: name,
    sharedDatabase: `${name}_shared`,
    admin: { user: server.user, password: server.password },
  }, Uint8Array.from(atob(MASTER_KEY), (c) => c.charCodeAt(0)));
  const common = { config, servers, mailFolder, operator: OPERATOR, sample: true };
  const start = async (more: { worker: boolean; deploy: boolean; listen?: boolean }): Promise<TestProcess> => {
    const lines: string[] = [];
    const log = createLog({ level: "debug", write: (line) => void lines.push(line) });
    const serving = await serve({ ...common, ...more, log });
    return { ...serving, lines, ask: asking(serving.url) };
  };
  const first = await start({ worker: options.worker ?? true, deploy: true });
  return testApp(first, name, mailFolder, (more) => start({ worker: false, deploy: false, ...more }));
}

function asking(url: string): TestProcess["ask"] {
  return async (method, path, asking = {}) => {
    const headers = new Headers(asking.headers);
    if (asking.token) headers.set("authorization", `Bearer ${asking.token}`);
    if (asking.tenant) headers.set("x-tenant", asking.tenant);
    if (asking.body !== undefined) headers.set("content-type", "application/json");
    const body = asking.raw ?? (asking.body === undefined ? undefined : JSON.stringify(asking.body));
    const response = await fetch(url + path, { method, headers, body, redirect: "manual" });
    const text = await response.text();
    const json = /^application\/(problem\+)?json\b/.test(response.headers.get("content-type") ?? "");
    return { status: response.status, headers: response.headers, body: json ? JSON.parse(text) : text };
  };
}

function testApp(
  process: TestProcess,
  name: string,
  mailFolder: string,
  secondProcess: TestApp["secondProcess"],
): TestApp {
  let operatorToken: Promise<string> | undefined;
  const { ask, lines } = process;
  const app: TestApp = {
    ...process,
    mailFolder,
    secondProcess,
    operator() {
      return operatorToken ??= ask("POST", "/v1/operators/login", { body: OPERATOR }).then((answer) => {
        assert.equal(answer.status, 200, JSON.stringify(answer.body));
        return answer.body.access_token;
      });
    },
    async signIn(slug, email) {
      const body = { email, password: MEMBER_PASSWORD };
      const answer = await ask("POST", "/v1/auth/login", { tenant: slug, body });
      assert.equal(answer.status, 200, JSON.stringify(answer.body));
      return answer.body.access_token;
    },
    async until(what, look, ms = 20_000) {
      for (const end = Date.now() + ms; Date.now() < end;) {
        const found = await look();
        if (found) return found;
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      throw new Error(`Waited ${ms} ms for ${what}\n${lines.slice(-15).join("\n")}`);
    },
    tenant: (slug, tier = "shared") => provision(app, slug, tier),
    memberToken: (tenant, role) => addMember(app, tenant, role),
    job: (token, id) =>
      app.until(`job ${id}`, async () => {
        const { body } = await ask("GET", `/v1/jobs/${id}`, { token });
        return ["succeeded", "failed"].includes(body.status) && body;
      }),
    async stop() {
      await process.stop();
      const sql = await adminSql("postgres");
      for (
        const { datname } of await sql`select datname from pg_database where datname in (${name}, ${`${name}_shared`})`
      ) {
        await sql.unsafe(`drop database "${datname}" with (force)`);
      }
      await sql.end();
      await Deno.remove(mailFolder, { recursive: true });
    },
  };
  return app;
}

/** The token in the newest mail to an address. */
async function mailedToken(app: TestApp, to: string): Promise<string> {
  return await app.until(`a mail to ${to}`, async () => {
    const { body } = await app.ask("GET", "/dev/mail", { headers: { accept: "application/json" } });
    const mail = body.items.find((item: { to: string; text: string }) => item.to === to);
    return /token=([\w.-]+)/.exec(mail?.text ?? "")?.[1];
  });
}

async function setPassword(app: TestApp, slug: string, email: string): Promise<string> {
  const body = { token: await mailedToken(app, email), password: MEMBER_PASSWORD };
  const answer = await app.ask("POST", "/v1/auth/setup-password", { tenant: slug, body });
  assert.equal(answer.status, 204, JSON.stringify(answer.body));
  return await app.signIn(slug, email);
}

async function byoFields(slug: string) {
  const server = await secondTestServer();
  const [user, password, database] = [`customer_${slug}`, `customer-${slug}-password`, `db_${slug}`].map((text) =>
    text.replaceAll("-", "_")
  );
  const sql = await adminSql("postgres", server);
  const [role] = await sql`select 1 from pg_roles where rolname = ${user}`;
  if (!role) await sql.unsafe(`create role ${user} login createrole password '${password}'`);
  const random = crypto.randomUUID().slice(0, 8);
  await sql.unsafe(`create database ${database}_${random} owner ${user}`);
  await sql.end();
  const { host, port } = server;
  return { host, port, database: `${database}_${random}`, user, password, tls_mode: "disable" };
}

async function provision(app: TestApp, slug: string, tier: string): Promise<TestTenant> {
  const adminEmail = `admin@${slug}.test`;
  const application = {
    organization_name: `Organisation ${slug}`,
    slug,
    contact_first_name: "Ada",
    contact_last_name: "Admin",
    contact_email: adminEmail,
    tier,
    time_zone: "America/Toronto",
    currency: "CAD",
    ...(tier === "byo" && { byo: await byoFields(slug) }),
  };
  const submitted = await app.ask("POST", "/v1/applications", { body: application });
  assert.equal(submitted.status, 201, JSON.stringify(submitted.body));
  const token = await app.operator();
  const path = `/v1/applications/${submitted.body.id}`;
  const approved = await app.ask("POST", `${path}/approve`, { token, body: { tier, notes: "Known to us" } });
  assert.equal(approved.status, 202, JSON.stringify(approved.body));
  const done = await app.until(`tenant "${slug}"`, async () => {
    const { body } = await app.ask("GET", path, { token });
    assert.notEqual(body.status, "failed", JSON.stringify(body));
    return body.status === "provisioned" && body;
  });
  const admin = await setPassword(app, slug, adminEmail);
  return { id: done.tenant_id, slug, tier, adminEmail, admin, applicationId: submitted.body.id };
}

async function addMember(app: TestApp, tenant: TestTenant, role: string): Promise<string> {
  const email = `${role}-${crypto.randomUUID().slice(0, 8)}@${tenant.slug}.test`;
  const body = { first_name: "Max", last_name: "Member", email, role };
  const made = await app.ask("POST", "/v1/members", { token: tenant.admin, body });
  assert.equal(made.status, 201, JSON.stringify(made.body));
  return await setPassword(app, tenant.slug, email);
}
