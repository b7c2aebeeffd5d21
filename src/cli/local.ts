// The local platform: without DATABASE_URL an embedded PostgreSQL, always a second one that plays a customer's server,
// everything in the home folder; with DATABASE_URL that server. `dev`, `demo` and `bench` start it here.
import { openDirect } from "../db/direct.ts";
import { OWN_ROLES } from "../db/names.ts";
import type { Target } from "../db/pool.ts";
import { quoteIdentifier, quoteLiteral } from "../db/sql_files.ts";
import type { Config } from "../config.ts";
import { type Cluster, startCluster } from "../embedded/cluster.ts";
import { type Home, openHome } from "../embedded/home.ts";
import { onShutdown } from "../embedded/shutdown.ts";
import { parseMasterKey } from "../identity/keys.ts";
import { otherPort, serve, type Serving } from "../serve.ts";
import { serverSettings } from "../services.ts";
import { Servers } from "../tenancy/servers.ts";
import { surviveStrayErrors } from "./stray_errors.ts";

/** A database that a customer brings, with the login that the customer gives. */
export interface CustomerServer {
  host: string;
  port: number;
  database: string;
  user: string;
  password: string;
  tls_mode: "disable";
}

/** What runs here. */
export interface Local extends Serving {
  home: Home;
  servers: Servers;
  operator: { email: string; password: string };
  customer: CustomerServer;
  /** How long each part took to start, in milliseconds. */
  timings: Record<string, number>;
}

/** How it is started. */
export interface LocalOptions {
  config: Config;
  /** The home folder. */
  dir: string;
  /** Hears what is going on, one sentence each. */
  say: (sentence: string) => void;
}

/** Takes the home folder and starts our own server, if it is the embedded one. Stopped in order at a signal. */
export async function startEmbedded(options: LocalOptions): Promise<{ home: Home; servers: Servers }> {
  const home = await openHome(options.dir);
  onShutdown("home", () => home.release());
  return { home, servers: await ownServer(options, home) };
}

/** Starts everything; what was started is stopped in order at a signal. */
export async function startLocal(options: LocalOptions): Promise<Local> {
  const timings: Record<string, number> = {};
  const timed = async <T>(name: string, work: () => Promise<T>): Promise<T> => {
    const started = performance.now();
    const result = await work();
    timings[name] = Math.round(performance.now() - started);
    return result;
  };
  const { home, servers } = await timed("database server", () => startEmbedded(options));
  const customer = await timed("customer's server", () => customerServer(home, options.say));
  const config: Config = { ...options.config, BYO_ALLOW: [...options.config.BYO_ALLOW, "127.0.0.1/32"] };
  const operator = { email: config.OPERATOR_EMAIL, password: await home.secrets.password("operator") };
  const mailFolder = await home.folder("mail");
  const serving = await timed(
    "rollout and services",
    () => serve({ config, servers, mailFolder, operator, worker: true, sample: true, deploy: true }),
  );
  onShutdown("platform", () => serving.stop());
  const warning = otherPort(config, serving);
  if (warning) options.say(warning);
  await followCustomer(serving, customer);
  surviveStrayErrors(serving.services.log);
  const local: Local = { ...serving, home, servers, operator, customer, timings };
  await home.writeRunFile(runFile(local));
  return local;
}

async function ownServer({ config, say }: LocalOptions, home: Home): Promise<Servers> {
  const masterKey = parseMasterKey(config.BULKHEAD_MASTER_KEY ?? home.secrets.masterKey);
  if (config.DATABASE_URL) return new Servers(serverSettings(config), masterKey);
  const cluster = await embedded(home, "main", 54329, say);
  const { host, port, superuser } = cluster;
  return new Servers({
    host,
    port,
    maintenanceDatabase: superuser.database,
    platformDatabase: "bulkhead",
    sharedDatabase: config.SHARED_DATABASE ?? "bulkhead_shared",
    admin: { user: superuser.user, password: superuser.password },
  }, masterKey);
}

async function embedded(home: Home, name: string, port: number, say: LocalOptions["say"]): Promise<Cluster> {
  const superuserPassword = await home.secrets.password(`postgres-${name}`);
  const cluster = await startCluster({ dir: home.clusters, name, port, superuserPassword, log: say });
  onShutdown(`PostgreSQL "${name}"`, () => cluster.stop());
  return cluster;
}

/** The server that a customer brings, with a login as a customer would make it: owner of its database, may make roles. */
async function customerServer(home: Home, say: LocalOptions["say"]): Promise<CustomerServer> {
  const cluster = await embedded(home, "customer", 54330, say);
  const [user, database] = ["northern_it", "northern_estates"];
  const password = await home.secrets.password("customer");
  const sql = await openDirect(cluster.superuser);
  try {
    const [{ role, base }] = await sql`select exists (select from pg_roles where rolname = ${user}) as role,
      exists (select from pg_database where datname = ${database}) as base`;
    if (!role) {
      await sql.unsafe(`create role ${quoteIdentifier(user)} login createrole password ${quoteLiteral(password)}`);
    }
    if (!base) await sql.unsafe(`create database ${quoteIdentifier(database)} owner ${quoteIdentifier(user)}`);
  } finally {
    await sql.end();
  }
  return { host: cluster.host, port: cluster.port, database, user, password, tls_mode: "disable" };
}

/** Its port may be another one than at the last start, when somebody else had it; a real customer would tell us so. */
async function followCustomer({ services }: Serving, { host, port, database }: CustomerServer): Promise<void> {
  const context = { actor: "system", operation: "demo.followCustomer", requestId: "", readOnly: false };
  await services.doors.asPlatform(
    context,
    (tx) =>
      tx`update platform.servers s set port = ${port} where s.kind = 'byo' and s.host = ${host} and s.port <> ${port}
        and exists (select from platform.placements p where p.server_id = s.id and p.database_name = ${database})`,
  );
}

/** A login on a database, as a URL for other programs. */
export function databaseUrl(target: Pick<Target, "host" | "port" | "database" | "user" | "password">): string {
  const [user, password] = [target.user, target.password].map(encodeURIComponent);
  return `postgres://${user}:${password}@${target.host}:${target.port}/${target.database}`;
}

/** What other programs of this machine's user may know while it runs. */
export function runFile(local: Local) {
  const { servers, url, operator, customer } = local;
  const { platformDatabase, sharedDatabase, maintenanceDatabase, admin } = servers.settings;
  const { host, port } = servers.settings;
  const at = (database: string, user: string, password = servers.password(user)) =>
    databaseUrl({ host, port, database, user, password });
  return {
    url,
    pid: Deno.pid,
    urls: {
      api: url,
      docs: `${url}/docs`,
      openapi: `${url}/openapi.json`,
      mailbox: `${url}/dev/mail`,
      health: `${url}/health`,
    },
    databases: {
      ...(admin && { admin: at(maintenanceDatabase, admin.user, admin.password) }),
      platform: at(platformDatabase, OWN_ROLES.platformLogin),
      queue: at(platformDatabase, OWN_ROLES.queueLogin),
      migrator: at(platformDatabase, OWN_ROLES.migrator),
      tenant: at(sharedDatabase, OWN_ROLES.tenantLogin),
      customer: databaseUrl(customer),
    },
    operator,
    customer,
  };
}
