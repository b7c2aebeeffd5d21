// The platform that a test file runs against: databases of its own, the real app and a real worker, in this process and
// without a port. It starts at its first use and ends after the file's last test.
import { createApp } from "../app.ts";
import { readConfig, UNLIMITED } from "../config.ts";
import { openDirect, type Sql } from "../db/direct.ts";
import { newId } from "../db/ids.ts";
import { refuseTarget } from "../http/target.ts";
import type { Message } from "../integrations/mail/mail.ts";
import { deployOwnServer } from "../platform/fleet/deploy.ts";
import { routed } from "../platform/placements/model.ts";
import { findSharedPlacement } from "../platform/placements/queries.ts";
import { putProvider, readReference } from "../platform/reference/queries.ts";
import { SAMPLE_PROVIDER } from "../platform/reference/sample.ts";
import { syncReference } from "../platform/reference/sync.ts";
import { createServices, platformHosts, type Running } from "../services.ts";
import { createLog } from "../telemetry/log.ts";
import type { Placement } from "../tenancy/directory.ts";
import { Servers } from "../tenancy/servers.ts";
import type { Services } from "../tenancy/services.ts";
import { QUEUES, startWorker } from "../worker.ts";
import { openServer, type TestServer } from "./cluster.ts";

/** The platform of a test file. */
export interface TestPlatform {
  /** What routes and jobs are given. */
  services: Services;
  /** Every line of the log so far, as JSON. */
  lines: string[];
  /** Mail that was sent. */
  mails: Message[];
  /** The shared placement. */
  shared: Placement;
  /** Calls the app in this process; `path` begins with a slash. */
  fetch(path: string, init?: RequestInit): Promise<Response>;
  /** A connection as superuser, past row-level security, to look behind the curtain. One a database, closed at the end. */
  admin(database: string): Promise<Sql>;
  /** Databases to drop at the end, and then logins. */
  databases: Set<string>;
  roles: Set<string>;
  /** Ends everything and drops the databases; called by itself after the file's last test. */
  stop(): Promise<void>;
}

/**
 * Logins' passwords derive from it and roles are server-wide: platforms on one test server must share one. The same as
 * in tests/support/app.ts.
 */
const MASTER_KEY = new Uint8Array(32).map((_, i) => i * 7 % 256);

/** The app has no port: requests are handed over in this process under this name. */
const ORIGIN = "http://localhost";

let started: Promise<TestPlatform> | undefined;

/** The platform, started at the first call: about 3 seconds, or 5 where a server must be started too. */
export function testPlatform(): Promise<TestPlatform> {
  return started ??= startPlatform();
}

// Registered as this file is loaded, so before the hooks of the tests that import it: it runs after theirs.
Deno.test.afterAll?.(async () => {
  const platform = await started?.catch(() => undefined);
  started = undefined;
  await platform?.stop();
});

async function startPlatform(): Promise<TestPlatform> {
  const server = await openServer();
  const name = `k_${newId().replaceAll("-", "").slice(-12)}`;
  const servers = new Servers({
    host: server.host,
    port: server.port,
    maintenanceDatabase: "postgres",
    platformDatabase: name,
    sharedDatabase: `${name}_shared`,
    admin: { user: server.user, password: server.password },
  }, MASTER_KEY);
  const databases = new Set([name, `${name}_shared`]);
  try {
    await deployOwnServer(servers, QUEUES);
    return await wire(server, servers, databases);
  } catch (error) {
    await dropAll(server, databases, new Set());
    throw error;
  }
}

async function wire(server: TestServer, servers: Servers, databases: Set<string>): Promise<TestPlatform> {
  const lines: string[] = [];
  const mails: Message[] = [];
  const roles = new Set<string>();
  const config = { ...readConfig({ LOG_LEVEL: "debug" }), ...UNLIMITED };
  const running = await createServices({
    config,
    servers,
    publicUrl: ORIGIN,
    worker: true,
    listen: true,
    localMail: { send: (mail) => Promise.resolve(void mails.push(mail)) },
    log: createLog({ level: "debug", write: (line) => void lines.push(line) }),
  });
  const { services } = running;
  const admins = new Map<string, Promise<Sql>>();
  const admin = (database: string) => {
    const known = admins.get(database) ?? openDirect(servers.admin(database));
    admins.set(database, known);
    return known;
  };
  const shared = await prepare(services, admin);
  const app = createApp(services, platformHosts(config, ORIGIN));
  const stopWorker = await startWorker(services);
  return {
    services,
    lines,
    mails,
    shared,
    databases,
    roles,
    admin,
    async fetch(path, init) {
      const request = new Request(ORIGIN + path, init);
      return refuseTarget(request) ?? await app.fetch(request);
    },
    async stop() {
      stopWorker();
      await stop(running, admins);
      await dropAll(server, databases, roles);
    },
  };
}

/** Publishes the sample tariff, and finds the shared placement. */
async function prepare(services: Services, admin: TestPlatform["admin"]): Promise<Placement> {
  const context = { actor: "system", operation: "testing.prepare", requestId: "", readOnly: false };
  const { doors } = services;
  await doors.asPlatform(context, (tx) => putProvider(tx, SAMPLE_PROVIDER));
  const placement = await doors.asPlatform(context, (tx) => findSharedPlacement(tx));
  const data = await doors.asPlatform(context, (tx) => readReference(tx));
  await syncReference(await admin(placement!.database_name), placement!.owner_role, data);
  return routed(placement!);
}

async function stop(running: Running, admins: Map<string, Promise<Sql>>): Promise<void> {
  for (const admin of admins.values()) await admin.then((sql) => sql.end({ timeout: 1 })).catch(() => {});
  await running.stop();
}

async function dropAll(server: TestServer, databases: Set<string>, roles: Set<string>): Promise<void> {
  const { host, port, user, password } = server;
  const sql = await openDirect({ host, port, user, password, database: "postgres" });
  for (const database of databases) await sql.unsafe(`drop database if exists "${database}" with (force)`);
  for (const role of roles) await sql.unsafe(`drop role if exists "${role}"`);
  await sql.end();
  await server.stop();
}
