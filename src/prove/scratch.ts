// A deployment made for the proof alone: its own platform and shared databases on a given server, tenants in all tiers, and
// in every placement a second tenant, so that there is somebody to be attacked in each. Gone when it ends.
import { createApp } from "../app.ts";
import { type Config, UNLIMITED } from "../config.ts";
import { openDirect, withDirect } from "../db/direct.ts";
import { OWN_ROLES } from "../db/names.ts";
import type { Target } from "../db/pool.ts";
import { quoteIdentifier, quoteLiteral } from "../db/sql_files.ts";
import { refuseTarget } from "../http/target.ts";
import { deployOwnServer } from "../platform/fleet/deploy.ts";
import { prepareFirstOperator } from "../platform/operators/first.ts";
import { createServices, platformHosts } from "../services.ts";
import { createLog } from "../telemetry/log.ts";
import { Servers } from "../tenancy/servers.ts";
import type { Services } from "../tenancy/services.ts";
import { handlers, QUEUES } from "../worker.ts";
import { openSite, type Resident, type Site } from "./site.ts";

/** The administrator of a server. */
export type Administrator = Pick<Target, "host" | "port" | "database" | "user" | "password">;

/** Where the scratch deployment is made. */
export interface Grounds {
  config: Config;
  masterKey: Uint8Array;
  /** The server that plays ours. */
  own: Administrator;
  /** The server that plays a customer's. */
  customer: Administrator;
}

/** Sends a request to the app, as a listening server would. */
export type Fetch = (request: Request) => Promise<Response>;

/** The deployment. */
export interface Scratch {
  services: Services;
  /** One placement a tier: shared, dedicated, byo. */
  sites: Site[];
  /** Every line of the log so far. */
  lines: string[];
  /** What must not stand in any line. */
  secrets: string[];
  platform: { database: string; admin: Target };
  /** The app over these services, or over ones that were spoiled on purpose. */
  app(services?: Services): Fetch;
  /** Works what waits in the queue. */
  work(): Promise<number>;
  end(): Promise<void>;
}

const PUBLIC_URL = "http://localhost";
/** The secrets that a log must not show even where nobody knows their shape. */
const CANARY = { operator: "canary-operator-passphrase", customer: "canary-customer-password" };

/** Makes it. `prefix` begins the names of its databases. */
export async function makeScratch(grounds: Grounds, prefix = "prove"): Promise<Scratch> {
  const name = `${prefix}_${crypto.randomUUID().slice(0, 8)}`;
  const { own, masterKey } = grounds;
  const ours = { ...UNLIMITED, OPERATOR_MFA_REQUIRED: "off" } as const;
  const config: Config = { ...grounds.config, ...ours, BYO_ALLOW: [...grounds.config.BYO_ALLOW, "127.0.0.0/8"] };
  const servers = new Servers({
    host: own.host,
    port: own.port,
    maintenanceDatabase: own.database,
    platformDatabase: name,
    sharedDatabase: `${name}_shared`,
    admin: { user: own.user, password: own.password },
  }, masterKey);
  const made = new Leftovers(grounds, name);
  try {
    await deployOwnServer(servers, QUEUES);
    return await furnish(grounds, config, servers, made);
  } catch (error) {
    await made.remove();
    throw error;
  }
}

async function furnish(grounds: Grounds, config: Config, servers: Servers, made: Leftovers): Promise<Scratch> {
  const lines: string[] = [];
  const logins = Object.values(OWN_ROLES).map((login) => servers.password(login));
  const secrets = [btoa(String.fromCharCode(...servers.masterKey)), grounds.own.password, ...logins];
  const log = createLog({ level: "debug", write: (line) => void lines.push(line), secrets });
  // Mail goes nowhere, but is taken: a provisioning that cannot send is tried again, in the middle of a check.
  const localMail = { send: () => Promise.resolve() };
  const running = await createServices({
    localMail,
    config,
    servers,
    publicUrl: PUBLIC_URL,
    worker: false,
    log,
    hashWorkers: 0,
  });
  made.stop = () => running.stop();
  const { services } = running;
  await prepareFirstOperator(services, { email: "operator@prove.test", password: CANARY.operator });
  const hosts = platformHosts(config, PUBLIC_URL);
  const app: Scratch["app"] = (over = services) => {
    const hono = createApp(over, hosts);
    return async (request) => refuseTarget(request) ?? await hono.fetch(request);
  };
  const work = () => services.queue.tick(handlers(services), { maxJobs: 200, maxMs: 60_000 });
  const tenants = await provisioned(app(), services, work, made);
  const sites = await openSites(grounds, services, tenants);
  made.sites = sites;
  const platform = {
    database: servers.settings.platformDatabase,
    admin: servers.admin(servers.settings.platformDatabase),
  };
  return {
    services,
    sites,
    lines,
    secrets: [...secrets, ...Object.values(CANARY)],
    platform,
    app,
    work,
    end: () => made.remove(),
  };
}

/** The tenants, by the order in which they apply: two in the shared placement, one dedicated, one byo. */
async function provisioned(
  fetch: Fetch,
  services: Services,
  work: () => Promise<number>,
  made: Leftovers,
): Promise<Resident[]> {
  const send = async (path: string, body: unknown, token?: string) => {
    const headers = { "content-type": "application/json", ...(token && { authorization: `Bearer ${token}` }) };
    const answer = await fetch(new Request(PUBLIC_URL + path, { method: "POST", headers, body: JSON.stringify(body) }));
    const text = await answer.text();
    if (answer.status >= 300) throw new Error(`The scratch deployment could not be furnished: ${path}: ${text}`);
    return text ? JSON.parse(text) : null;
  };
  const { access_token } = await send("/v1/operators/login", {
    email: "operator@prove.test",
    password: CANARY.operator,
  });
  const wanted = [["prove-one", "shared"], ["prove-two", "shared"], ["prove-alone", "dedicated"], ["prove-own", "byo"]];
  const ids: string[] = [];
  for (const [slug, tier] of wanted) {
    const byo = tier === "byo" ? await made.customerDatabase() : undefined;
    const { id } = await send("/v1/applications", {
      organization_name: `Organisation ${slug}`,
      slug,
      contact_first_name: "Ada",
      contact_last_name: "Prover",
      contact_email: `admin@${slug}.test`,
      tier,
      time_zone: "America/Toronto",
      currency: "CAD",
      ...(byo && { byo }),
    });
    await send(`/v1/applications/${id}/approve`, { tier }, access_token);
    ids.push(id);
  }
  await work();
  return await Promise.all(wanted.map(async ([slug]) => {
    const record = await services.directory.bySlug(slug);
    if (record) return { id: record.id, slug, record };
    throw new Error(`The tenant "${slug}" was not provisioned: ${ids.join(", ")}`);
  }));
}

async function openSites(grounds: Grounds, services: Services, tenants: Resident[]): Promise<Site[]> {
  const [one, two, alone, own] = tenants;
  const decoy = (): Resident => ({ id: crypto.randomUUID(), slug: null, record: null });
  return await Promise.all([
    openSite(services, grounds.own, one, two),
    openSite(services, grounds.own, alone, decoy()),
    openSite(services, grounds.customer, own, decoy()),
  ]);
}

/** What has to go at the end. */
class Leftovers {
  sites: Site[] = [];
  stop: () => Promise<void> = () => Promise.resolve();
  readonly #customer: string;

  constructor(readonly grounds: Grounds, readonly name: string) {
    this.#customer = `${name}_customer`;
  }

  /** A database of a customer's own, with a login that owns it and may make roles. */
  async customerDatabase() {
    const { host, port } = this.grounds.customer;
    const [user, password] = [this.#customer, CANARY.customer];
    await withDirect(this.grounds.customer, async (sql) => {
      await sql.unsafe(`create role ${quoteIdentifier(user)} login createrole password ${quoteLiteral(password)}`);
      await sql.unsafe(`create database ${quoteIdentifier(user)} owner ${quoteIdentifier(user)}`);
    });
    return { host, port, database: user, user, password, tls_mode: "disable" };
  }

  async remove(): Promise<void> {
    for (const site of this.sites) await site.end();
    await this.stop();
    const { own, customer } = this.grounds;
    const alone = this.sites.filter(({ tier }) => tier !== "shared").map(({ placement }) => placement);
    const dedicated = alone.filter(({ kind }) => kind === "dedicated");
    await dropAll(
      own,
      [this.name, `${this.name}_shared`, ...dedicated.map(({ database }) => database)],
      dedicated.map(({ login }) => login),
    );
    const roles = alone.filter(({ kind }) => kind === "byo").flatMap(({ login }) =>
      ["bh_l_", "bh_o_", "bh_k_"].map((prefix) => login.replace("bh_l_", prefix))
    );
    await dropAll(customer, [this.#customer], [...roles, this.#customer]);
  }
}

async function dropAll(server: Administrator, databases: string[], roles: string[]): Promise<void> {
  const sql = await openDirect(server);
  for (const name of databases) await sql.unsafe(`drop database if exists ${quoteIdentifier(name)} with (force)`);
  for (const name of roles) await sql.unsafe(`drop role if exists ${quoteIdentifier(name)}`).catch(() => {});
  await sql.end({ timeout: 1 });
}
