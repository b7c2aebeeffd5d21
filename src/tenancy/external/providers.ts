// The issuers that a tenant trusts, as rows of its placement and as what checks their tokens. A row counts in its own tenant
// only, whatever it says: its placement's owner can write it. What must not happen here: opening a secret that another
// tenant or provider sealed.
import { z } from "zod";
import { sql, type Tx } from "../../db/sql.ts";
import type { ExternalIssuer } from "../../identity/external_tokens.ts";
import type { SecretScope } from "../../integrations/secrets/secrets.ts";
import type { OidcConfig } from "../../integrations/oidc/oidc.ts";
import type { TenantRecord } from "../directory.ts";
import type { Services } from "../services.ts";

const claimName = z.string().min(1).max(200);

/** Claims that carry something; what is left out has its usual name. */
export const claimNames = z.strictObject({
  subject: claimName.optional(),
  email: claimName.optional(),
  email_verified: claimName.optional(),
  name: claimName.optional(),
  given_name: claimName.optional(),
  family_name: claimName.optional(),
  role: claimName.optional(),
  tenant: claimName.optional(),
});

/** How an issuer's tokens are checked and read. */
export const ruleFields = {
  algorithms: z.array(z.enum(["RS256", "PS256", "ES256", "EdDSA"])).min(1).max(4),
  client_auth: z.enum(["basic", "post"]),
  required: z.record(claimName, z.union([z.string().max(500), z.number(), z.boolean()])),
};

/** The column `claims`. */
const providerRules = z.strictObject({
  algorithms: ruleFields.algorithms.default(["RS256"]),
  client_auth: ruleFields.client_auth.default("basic"),
  names: claimNames.default({}),
  roles: z.array(z.string().max(40)).max(50).default([]),
  required: ruleFields.required.default({}),
  trust_email: z.boolean().default(false),
});
export type ProviderRules = z.output<typeof providerRules>;

/** The rules of a row; null for what was written past the API and says nonsense. */
export function readRules(claims: unknown): ProviderRules | null {
  return providerRules.safeParse(claims).data ?? null;
}

/** A row of tenant.identity_providers, as signing in reads it. */
export interface Provider {
  id: string;
  name: string;
  issuer: string;
  client_id: string | null;
  client_secret_sealed: string | null;
  audience: string | null;
  jwks_uri: string | null;
  claims: ProviderRules;
  email_domains: string[];
  joins: boolean;
  join_role: string;
  enabled: boolean;
  /** Another one with each change. */
  version: string;
}

/** Its columns. */
export const providerColumns =
  sql`id, name, issuer, client_id, client_secret_sealed, audience, jwks_uri, claims, email_domains,
  joins, join_role, enabled, updated_at::text as version`;

/** The issuers that are in use, or the one that is named. Rows that were written past the API and say nonsense are left out. */
export function listEnabledProviders(tx: Tx, id: string | null = null) {
  return tx<Provider>`select ${providerColumns} from tenant.identity_providers
    where enabled and (${id}::uuid is null or id = ${id}) order by name, id limit 100`.map((rows) =>
    rows.flatMap((row) => {
      const claims = readRules(row.claims);
      return claims ? [{ ...row, claims }] : [];
    })
  );
}

/** What a provider's client secret is sealed for. */
export function secretScope(tenantId: string, providerId: string): SecretScope {
  return { purpose: "oidc.client", id: `${tenantId}:${providerId}` };
}

/** What signs people in there by redirect. Throws AppError `internal` when the secret is not this provider's. */
export async function oidcConfig(
  { secrets }: Pick<Services, "secrets">,
  tenant: Pick<TenantRecord, "id">,
  provider: Provider,
): Promise<OidcConfig> {
  const { issuer, client_id, client_secret_sealed: sealed, claims } = provider;
  return {
    issuer,
    clientId: client_id!,
    clientSecret: sealed === null ? undefined : await secrets.open(sealed, secretScope(tenant.id, provider.id)),
    clientAuth: claims.client_auth,
    algorithm: claims.algorithms[0],
  };
}

/** What checks its bearer tokens; null where it gives none. */
export function bearerRules({ issuer, audience, jwks_uri: jwksUri, claims }: Provider): ExternalIssuer | null {
  if (audience === null) return null;
  const { subject, email, email_verified: emailVerified, name } = claims.names;
  return {
    issuer,
    audience,
    jwksUri: jwksUri ?? undefined,
    algorithms: claims.algorithms,
    claims: { subject, email, emailVerified, name },
    trustEmail: claims.trust_email,
    required: claims.required,
  };
}

/** Milliseconds that a process believes what it has read; what a change takes away is taken at once by access versions. */
const LIFE_MS = 10_000;
const MAX_TENANTS = 5_000;

/** The issuers of each tenant, kept for ten seconds: tokens come with each request. */
export class TrustedIssuers {
  #kept = new Map<string, { until: number; providers: Promise<Provider[]> }>();

  /** The issuers of a tenant that are in use. */
  list(services: Services, tenant: TenantRecord): Promise<Provider[]> {
    const known = this.#kept.get(tenant.id);
    if (known && known.until > Date.now()) return known.providers;
    const entry = { until: Date.now() + LIFE_MS, providers: read(services, tenant) };
    this.#kept.delete(tenant.id);
    if (this.#kept.size >= MAX_TENANTS) this.#kept.delete(this.#kept.keys().next().value!);
    this.#kept.set(tenant.id, entry);
    entry.providers.catch(() => this.#kept.get(tenant.id) === entry && this.#kept.delete(tenant.id));
    return entry.providers;
  }

  /** Forgets a tenant's at once in this process. */
  forget(tenantId: string): void {
    this.#kept.delete(tenantId);
  }
}

async function read(services: Services, tenant: TenantRecord): Promise<Provider[]> {
  const entering = { operation: "identity_providers.read", requestId: "", readOnly: true };
  const context = await services.targets.context(tenant, entering);
  return await services.doors.asTenant(context, (tx) => listEnabledProviders(tx));
}
