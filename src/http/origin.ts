// Origins (RFC 6454): reading them, and which ones are a tenant's. They are compared whole, as browsers write them, never
// by how they begin: "https://a.example" is neither "https://a.example.evil.test" nor "http://a.example".
import type { TenantRecord } from "../tenancy/directory.ts";
import { type Hosts, locate, requestHost } from "../tenancy/locate.ts";
import type { Services } from "../tenancy/services.ts";
import { isHttps } from "./security_headers.ts";

const LISTABLE =
  /^(https:\/\/[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|http:\/\/(?:(?:[a-z0-9-]+\.)?localhost|127\.0\.0\.1|\[::1\]))(?::\d+)?$/;

/** The origin, if the text is exactly one as a browser sends it; else null. "null", which sandboxed pages send, is none. */
export function readOrigin(text: string): string | null {
  if (!/^https?:\/\//.test(text)) return null; // of other schemes every origin is "null"
  return URL.canParse(text) && new URL(text).origin === text ? text : null;
}

/** Whether a tenant may list it: an exact origin without wildcard, https, or http on the developer's own machine. */
export function isListable(text: string): boolean {
  return text.length <= 300 && LISTABLE.test(text) && readOrigin(text) !== null;
}

/** The origins of pages at a host and port; where the platform is reached over https, http pages are somebody else's. */
function originsAt(host: string, publicUrl: string): string[] {
  const schemes = isHttps(publicUrl) ? ["https"] : ["http", "https"];
  return schemes.map((scheme) => `${scheme}://${host}`).filter((url) => URL.canParse(url)).map((url) =>
    new URL(url).origin
  );
}

/** Whether a page of this origin was served by the very host that the request was sent to. */
export function isSameHost(request: Request, origin: string, publicUrl: string): boolean {
  return originsAt(requestHost(request).toLowerCase(), publicUrl).includes(origin);
}

/** Whether an origin is the tenant's: one that it lists, its subdomain, or a domain that it has proven to be its own. */
export function isOriginOf(tenant: TenantRecord, origin: string, { services, hosts }: Site): boolean {
  const { port } = new URL(services.publicUrl);
  const own = [`${tenant.slug}.${hosts.baseDomain}`, ...tenant.domains].map((host) => port ? `${host}:${port}` : host);
  return tenant.origins.includes(origin) || own.some((host) => originsAt(host, services.publicUrl).includes(origin));
}

/** What origins are judged by. */
export interface Site {
  services: Services;
  hosts: Hosts;
}

/** Whether an origin is any tenant's. Whose is not told: a preflight does not say which tenant the request will name. */
export async function isKnown(origin: string, site: Site): Promise<boolean> {
  const { directory, log } = site.services;
  const host = new URL(origin).host;
  const at = await locate({ host, path: null, header: null, token: null }, site.hosts, directory, log).catch(() =>
    null
  );
  return (at !== null && isOriginOf(at, origin, site)) || await directory.byOrigin(origin) !== null;
}
