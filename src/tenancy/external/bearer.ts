// Bearer tokens of issuers that a tenant trusts: verified, and the member found that the person is. Who that is is kept for
// ten seconds; that the member may still do what it did, the database says with each statement, as for everyone.
import { AppError } from "../../errors.ts";
import { createExternalIssuers, type ExternalIssuers, issuerOf } from "../../identity/external_tokens.ts";
import type { Fetch } from "../../integrations/egress/fetch.ts";
import type { Oidc } from "../../integrations/oidc/oidc.ts";
import { rightsOf } from "../../identity/permissions.ts";
import type { MemberPrincipal } from "../../identity/principal.ts";
import type { TenantRecord } from "../directory.ts";
import type { Services } from "../services.ts";
import { findMember, type KnownMember } from "./members.ts";
import { personId, readPerson } from "./person.ts";
import { bearerRules, type Provider, TrustedIssuers } from "./providers.ts";

/** What a process shares for signing in at other issuers. */
export interface External {
  oidc: Oidc;
  issuers: ExternalIssuers;
  trusted: TrustedIssuers;
  people: KnownPeople;
  /** What is kept of a tenant's issuers and of a person has moved on. */
  forget(tenantId: string, person: string): void;
  /** Goes out through the egress check. */
  fetch: Fetch;
  /** Whether issuers on this machine may speak plain http. */
  allowLoopback: boolean;
}

/** @param options `fetch`, also that of `oidc`, must go through the egress check. */
export function createExternal(options: Pick<External, "oidc" | "fetch" | "allowLoopback">): External {
  const [trusted, people] = [new TrustedIssuers(), new KnownPeople()];
  return {
    ...options,
    issuers: createExternalIssuers(options),
    trusted,
    people,
    forget(tenantId, person) {
      trusted.forget(tenantId);
      people.forget(person);
    },
  };
}

const LIFE_MS = 10_000;
const MAX_PEOPLE = 10_000;

/** Which person of which issuer is which member, for ten seconds. */
export class KnownPeople {
  #kept = new Map<string, { until: number; member: KnownMember }>();

  get(key: string): KnownMember | undefined {
    const known = this.#kept.get(key);
    return known && known.until > Date.now() ? known.member : undefined;
  }

  forget(key: string): void {
    this.#kept.delete(key);
  }

  keep(key: string, member: KnownMember): void {
    this.#kept.delete(key);
    if (this.#kept.size >= MAX_PEOPLE) this.#kept.delete(this.#kept.keys().next().value!);
    this.#kept.set(key, { until: Date.now() + LIFE_MS, member });
  }
}

/** A request that shows a token. */
export interface Showing {
  tenant: TenantRecord;
  operation: string;
  requestId: string;
  /** Called before a person is looked up. */
  beforeLookup(): void;
}

/**
 * The member that a token of an external issuer names.
 * @throws AppError `unauthorized`, `token_expired`, `forbidden`, `mfa_required`, `plan_limit`, `issuer_unavailable`.
 */
export async function identifyToken(services: Services, token: string, showing: Showing): Promise<MemberPrincipal> {
  const { tenant, beforeLookup } = showing;
  const { trusted, issuers, people } = services.external;
  const iss = issuerOf(token);
  const provider = (await trusted.list(services, tenant)).find(({ issuer }) => issuer === iss);
  const rules = provider && bearerRules(provider);
  if (!provider || !rules) throw new AppError("unauthorized", "The token's issuer is not trusted here");
  const identity = await issuers.verify(token, [rules]);
  const person = readPerson(identity, provider, tenant);
  const key = personId(tenant.id, provider.id, person.subject);
  let member = people.get(key);
  if (!member) {
    beforeLookup();
    member = await findMember(services, showing, { provider, person });
    people.keep(key, member);
  }
  if (member.mfa_required && !person.mfa) throw new AppError("mfa_required", "This tenant wants a second factor");
  return toPrincipal(member, {
    tenant,
    provider,
    subject: person.subject,
    mfa: person.mfa,
    expiresAt: identity.expiresAt,
  });
}

function toPrincipal(
  member: KnownMember,
  by: { tenant: TenantRecord; provider: Provider; subject: string; mfa: boolean; expiresAt: Date },
): MemberPrincipal {
  return {
    kind: "member",
    memberId: member.id,
    tenantId: by.tenant.id,
    // There is no session: the person's name in its place, which no row has.
    sessionId: personId(by.tenant.id, by.provider.id, by.subject),
    external: { providerId: by.provider.id, subject: by.subject, version: by.provider.version },
    role: member.role,
    ...rightsOf(member),
    accountId: null,
    authenticatedAt: 0,
    mfa: by.mfa,
    duty: null,
    accessVersion: member.access_version,
    expiresAt: by.expiresAt,
  };
}
