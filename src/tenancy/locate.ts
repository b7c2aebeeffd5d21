// Which tenant a request names. Every source that is present — host, path, X-Tenant, token — must name the same one (R9):
// nothing is guessed, and no source wins over another.
import { AppError } from "../errors.ts";
import type { Log } from "../telemetry/log.ts";
import type { Directory, TenantRecord } from "./directory.ts";

/** What a request says about its tenant. */
export interface TenantSources {
  /** The Host header as it came. */
  host: string;
  /** The slug in `/t/{slug}/…`. */
  path: string | null;
  /** The `X-Tenant` header as it came: a slug or an id. */
  header: string | null;
  /** The tenant id in a verified token. */
  token: string | null;
}

/** Hosts that are the platform's own. */
export interface Hosts {
  /** Tenants are subdomains of this. */
  baseDomain: string;
  /** Hosts that name no tenant: of PUBLIC_URL and the like, without port. */
  platform: readonly string[];
}

const HOST = /^(?:([a-z0-9_](?:[a-z0-9_.-]{0,251}[a-z0-9])?)|\[[0-9a-f:]{2,39}\])(?::\d{1,5})?$/;
const ADDRESS = /^(\d{1,3}\.){3}\d{1,3}$/;
const SLUG = /^[a-z0-9][a-z0-9-]{0,61}[a-z0-9]$/;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/**
 * The host name of a Host header, lower-case and without port; null for addresses.
 * @throws AppError `invalid_request` for anything but a plain host, an optional port and nothing else.
 */
export function hostName(host: string): string | null {
  const match = HOST.exec(host.toLowerCase());
  if (!match) throw new AppError("invalid_request", 'Send a "Host" header that is a plain host name');
  const name = match[1];
  return !name || ADDRESS.test(name) ? null : name;
}

/** The host that a request was sent to; hosts that call the app themselves give it in the URL only. */
export function requestHost(request: Request): string {
  return request.headers.get("host") ?? new URL(request.url).host;
}

/** The tenant that a host names: a subdomain's slug, a custom domain, or null for the platform's own hosts. */
function fromHost(host: string, hosts: Hosts, directory: Directory): Promise<TenantRecord | null> | null {
  const name = hostName(host);
  if (name === null || name === hosts.baseDomain || hosts.platform.includes(name)) return null;
  if (name.endsWith(`.${hosts.baseDomain}`)) {
    const slug = name.slice(0, -hosts.baseDomain.length - 1);
    return SLUG.test(slug) ? directory.bySlug(slug) : Promise.resolve(null);
  }
  return directory.byHost(name);
}

function fromHeader(header: string, directory: Directory): Promise<TenantRecord | null> {
  const value = header.toLowerCase();
  if (UUID.test(value)) return directory.byId(value);
  if (SLUG.test(value)) return directory.bySlug(value);
  throw new AppError("invalid_request", 'Send one "X-Tenant" header with one slug or id');
}

/**
 * Finds the tenant that all sources name.
 * @returns null when no source names one.
 * @throws AppError `not_found` for an unknown tenant, `unknown_host`, `tenant_mismatch`, `invalid_request`.
 */
export async function locate(
  sources: TenantSources,
  hosts: Hosts,
  directory: Directory,
  log: Log,
): Promise<TenantRecord | null> {
  const byHost = fromHost(sources.host, hosts, directory);
  const byPath = sources.path === null ? null : SLUG.test(sources.path.toLowerCase()) && directory.bySlug(sources.path);
  const byHeader = sources.header === null ? null : fromHeader(sources.header, directory);
  const byToken = sources.token === null ? null : directory.byId(sources.token);
  if (byHost && !await byHost) throw new AppError("unknown_host", "No tenant is served at this host");
  const said = [byHost, byPath, byHeader, byToken].filter((source) => source !== null);
  const named = said.length === 1 ? [await said[0]] : await Promise.all(said);
  if (named.some((tenant) => !tenant)) throw new AppError("not_found", "There is no such tenant");
  if (named.length <= 1) return (named[0] as TenantRecord) ?? null;
  const ids = new Set(named.map((tenant) => (tenant as TenantRecord).id));
  if (ids.size > 1) {
    log.alarm("A request named different tenants", { tenants: [...ids].join(" ") });
    throw new AppError("tenant_mismatch", "Host, path, X-Tenant and token must name the same tenant", {
      cause: [...new Set(named)], // for the audits of those that were named
    });
  }
  return named[0] as TenantRecord;
}
