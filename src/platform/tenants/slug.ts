// What a tenant's slug may be. It becomes a host name label and a path segment, so the rules are those of DNS labels,
// and names that mean something in URLs, mail or our own hosts are kept back. Whether it is free is a query's business.
import { z } from "@hono/zod-openapi";

/** Names that no tenant gets: our own hosts and paths, well-known mail and web names, words that pretend to be us. */
export const RESERVED_SLUGS: ReadonlySet<string> = new Set(
  `www api app apps admin administrator root system platform operator operators bulkhead tenant tenants account
  accounts member members auth login logout signup sso oauth setup-password settings console dashboard billing
  payments pay invoice mail email smtp imap pop pop3 mx webmail postmaster hostmaster webmaster abuse security
  noreply no-reply support help status docs doc blog news static assets cdn media files download downloads upload
  uploads images img public private internal intranet dev test testing stage staging demo prod production sandbox
  beta alpha localhost local localdomain example invalid ns ns1 ns2 dns ftp ssh vpn git db database postgres queue
  jobs worker metrics health healthz openapi webhook webhooks v1 v2 me null undefined well-known wpad autoconfig
  autodiscover shared dedicated byo reference pgboss`
    .split(/\s+/),
);

const LABEL = /^(?!..--)[a-z0-9]+(-+[a-z0-9]+)*$/;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/**
 * A slug as typed, in lower case: 2–63 of `[a-z0-9-]`, alphanumeric at both ends. Refused as well: `--` as third and
 * fourth character (RFC 5891 keeps those for encoded names such as `xn--`), and what could be taken for an id.
 */
export const slugSchema = z.string()
  .min(2, "Use at least 2 characters")
  .max(63, "Use at most 63 characters")
  .toLowerCase()
  .regex(LABEL, "Use letters, digits and hyphens, with a letter or digit at both ends")
  .refine((slug) => !UUID.test(slug), "Use something that does not look like an id")
  .openapi({ description: "Name in URLs; stored in lower case", example: "acme" });

/** Whether a lower-case slug is kept back. */
export function isReserved(slug: string): boolean {
  return RESERVED_SLUGS.has(slug);
}
