// Makes what a process shares: pools, doors, directory, queue, keys, mail. Called once, by an entry point or a test.
import { type Config } from "./config.ts";
import { checkRuntimeLogins } from "./db/boot_check.ts";
import { createDoors } from "./db/doors.ts";
import { OWN_ROLES } from "./db/names.ts";
import type { Target } from "./db/pool.ts";
import { Pools } from "./db/pools.ts";
import { parseMasterKey } from "./identity/keys.ts";
import { createPasswords } from "./identity/passwords.ts";
import { createTokens } from "./identity/tokens.ts";
import { createEgress, type Egress } from "./integrations/egress/egress.ts";
import { createEgressFetch } from "./integrations/egress/fetch.ts";
import { type Mail, noMail } from "./integrations/mail/mail.ts";
import { createSmtpMail, type SmtpSettings } from "./integrations/mail/smtp.ts";
import { createOidc } from "./integrations/oidc/oidc.ts";
import { createLocalSecrets } from "./integrations/secrets/local_secrets.ts";
import { Queue } from "./queue/queue.ts";
import { createLog, type Log } from "./telemetry/log.ts";
import { CurrentAccess } from "./tenancy/access.ts";
import { Directory } from "./tenancy/directory.ts";
import { createExternal } from "./tenancy/external/bearer.ts";
import { listenForChanges } from "./tenancy/invalidation.ts";
import { Limits } from "./tenancy/limits.ts";
import type { Hosts } from "./tenancy/locate.ts";
import { refusalsOf } from "./tenancy/refusals.ts";
import { Servers, type ServerSettings } from "./tenancy/servers.ts";
import type { Services } from "./tenancy/services.ts";
import { TenantTargets } from "./tenancy/targets.ts";

/** How long a process that stops waits for refusals to be entered in the audit. */
const FLUSH_MS = 3_000;

/** What the entry point decides. */
export interface Wiring {
  config: Config;
  servers: Servers;
  publicUrl: string;
  /** Whether this process works the queue. */
  worker: boolean;
  /** Whether it hears at once what other processes change; by default, as on an edge, it may take 10 seconds. */
  listen?: boolean;
  /** Where mail goes when no SMTP server is configured; by default nowhere. */
  localMail?: Mail;
  log?: Log;
  /** Threads for password hashes; 0 on an edge. */
  hashWorkers?: number;
}

/** Services and how they are closed. */
export interface Running {
  services: Services;
  stop(): Promise<void>;
}

/** Takes `DATABASE_URL` apart: unknown parameters of a URL must never reach the driver. */
export function serverSettings(config: Config): ServerSettings {
  const url = new URL(config.DATABASE_URL!);
  const database = decodeURIComponent(url.pathname.slice(1)) || "bulkhead";
  const tls: Target["tls"] = config.DATABASE_TLS === "require"
    ? { mode: "require", ca: config.DATABASE_CA }
    : undefined;
  return {
    host: url.hostname.replace(/^\[|\]$/g, ""),
    port: Number(url.port || 5432),
    tls,
    pooler: poolerSettings(config),
    maintenanceDatabase: database,
    platformDatabase: database,
    sharedDatabase: config.SHARED_DATABASE ?? `${database}_shared`,
    admin: url.username ? { user: decodeURIComponent(url.username), password: decodeURIComponent(url.password) } : null,
  };
}

/** The pooler that requests and jobs go through, if there is one. */
export function poolerSettings(config: Config): ServerSettings["pooler"] {
  return config.POOLER_HOST ? { host: config.POOLER_HOST, port: config.POOLER_PORT } : undefined;
}

/** Takes `SMTP_URL` apart; TLS is off only with `?tls=none`, for a relay on a trusted network. */
function smtpSettings(config: Config): SmtpSettings {
  const url = new URL(config.SMTP_URL!);
  const implicit = url.protocol === "smtps:";
  const [, fromName, address] = /^(.*?)\s*<(.+)>$/.exec(config.MAIL_FROM) ?? [null, undefined, config.MAIL_FROM];
  return {
    host: url.hostname,
    port: Number(url.port || (implicit ? 465 : 587)),
    tls: implicit ? "implicit" : url.searchParams.get("tls") === "none" ? "none" : "starttls",
    user: url.username ? decodeURIComponent(url.username) : undefined,
    password: url.password ? decodeURIComponent(url.password) : undefined,
    from: address,
    fromName,
  };
}

/** Our own server, from the configuration. Throws when `DATABASE_URL` or the master key is missing. */
export function ownServers(config: Config): Servers {
  if (!config.DATABASE_URL || !config.BULKHEAD_MASTER_KEY) {
    throw new Error('Set "DATABASE_URL" and "BULKHEAD_MASTER_KEY"');
  }
  return new Servers(serverSettings(config), parseMasterKey(config.BULKHEAD_MASTER_KEY));
}

/** The hosts that are the platform's own. */
export function platformHosts(config: Config, publicUrl: string): Hosts {
  return { baseDomain: config.BASE_DOMAIN, platform: [new URL(publicUrl).hostname, "localhost"] };
}

/** What must not stand in any line of the log, whatever its shape. */
function configuredSecrets(config: Config, servers: Servers): string[] {
  const mail = config.SMTP_URL ? decodeURIComponent(new URL(config.SMTP_URL).password) : "";
  const logins = Object.values(OWN_ROLES).map((login) => servers.password(login));
  return [config.BULKHEAD_MASTER_KEY, config.TICK_SECRET, servers.settings.admin?.password, mail, ...logins]
    .filter((secret): secret is string => !!secret);
}

/** The log of a process; configured secrets are hidden in it, whatever stands around them. */
export function createProcessLog(config: Config, servers: Servers): Log {
  if (config.LOG_LEVEL === "silent") return createLog({ level: "error", write: () => {} });
  return createLog({ level: config.LOG_LEVEL, secrets: configuredSecrets(config, servers) });
}

/** Signing in at tenants' own issuers; on this machine only where private addresses of it are opened. */
function externalSignIn(config: Config, egress: Egress) {
  const reach = {
    fetch: createEgressFetch(egress, { plainLoopback: true }),
    allowLoopback: config.BYO_ALLOW.some((range) => range.startsWith("127.") || range.startsWith("::1")),
  };
  return createExternal({ ...reach, oidc: createOidc(reach) });
}

/** Connects and wires everything. */
export async function createServices(wiring: Wiring): Promise<Running> {
  const { config, servers, publicUrl } = wiring;
  const log = wiring.log ?? createProcessLog(config, servers);
  const pools = new Pools({
    maxConnections: config.POOL_CONNECTIONS,
    perPool: config.POOL_PER_DATABASE,
    idleMs: 30_000,
  });
  const doors = createDoors(pools, servers.platform(), log);
  const tenants = servers.target(servers.settings.sharedDatabase, OWN_ROLES.tenantLogin);
  await checkRuntimeLogins(doors, [servers.platform(), servers.queue(), tenants]).catch(async (error) => {
    await pools.end();
    throw error;
  });
  const egress = createEgress(config.BYO_ALLOW);
  const queue = await Queue.open(servers.queue(), { worker: wiring.worker, log });
  const passwords = createPasswords({ workers: wiring.hashWorkers ?? 2 });
  const directory = new Directory(doors);
  const listening = wiring.listen ? await listenForChanges(servers.listener(), directory, log) : null;
  const services: Services = {
    config,
    publicUrl,
    log,
    doors,
    servers,
    queue,
    passwords,
    egress,
    directory,
    limits: new Limits(doors, log),
    targets: new TenantTargets(servers, egress),
    access: new CurrentAccess(),
    external: externalSignIn(config, egress),
    tokens: createTokens(servers.masterKey, { issuer: "bulkhead", versions: config.OPERATOR_SIGNING_KEYS }),
    secrets: createLocalSecrets(servers.masterKey),
    mail: config.SMTP_URL ? createSmtpMail(smtpSettings(config)) : wiring.localMail ?? noMail,
  };
  return {
    services,
    async stop() {
      await listening?.stop();
      await queue.stop();
      await services.limits.stop();
      await refusalsOf(services).flush(FLUSH_MS);
      await pools.end();
      passwords.close();
    },
  };
}
