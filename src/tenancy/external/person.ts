// Who an issuer's token names, in the words of the tenant's configuration. Claims are somebody else's text: each is checked
// for its kind and length, and a role is taken only from the list that the tenant made.
import { createHash } from "node:crypto";
import { AppError } from "../../errors.ts";
import { claimAt } from "../../identity/external_tokens.ts";
import type { TenantRecord } from "../directory.ts";
import type { Provider } from "./providers.ts";

/** A person as an issuer tells of it. */
export interface Person {
  subject: string;
  email: string | null;
  emailVerified: boolean;
  firstName: string;
  lastName: string;
  /** The role that the issuer asks for, if it may. */
  role: string | null;
  /** Whether the issuer says that a second factor was shown. */
  mfa: boolean;
}

/** What both kinds of tokens come to. */
export interface Identified {
  subject: string;
  email: string | null;
  emailVerified: boolean;
  name: string | null;
  claims: Record<string, unknown>;
}

const ADDRESS = /^[^\s@\p{Cc}]{1,64}@[a-z0-9.-]{1,189}$/iu;

/** @throws AppError `forbidden` when the token is for another tenant. */
export function readPerson(identity: Identified, provider: Provider, tenant: TenantRecord): Person {
  const { names, roles, required } = provider.claims;
  refuseOtherTenant(identity, names.tenant, tenant);
  for (const [claim, value] of Object.entries(required)) {
    if (claimAt(identity.claims, claim) !== value) {
      throw new AppError("forbidden", `Your identity provider does not say what this tenant wants of "${claim}"`);
    }
  }
  const address = names.email === undefined ? identity.email : claimAt(identity.claims, names.email);
  const email = typeof address === "string" && ADDRESS.test(address) ? address : null;
  const said = names.email_verified === undefined
    ? identity.emailVerified
    : [true, "true"].includes(claimAt(identity.claims, names.email_verified) as never);
  const given = name(claimAt(identity.claims, names.given_name ?? "given_name"));
  const family = name(claimAt(identity.claims, names.family_name ?? "family_name"));
  const whole = name(identity.name) ?? email?.split("@")[0].slice(0, 100) ?? "Unknown";
  const cut = whole.lastIndexOf(" ");
  const asked = names.role === undefined ? [] : [claimAt(identity.claims, names.role)].flat();
  return {
    subject: identity.subject,
    email,
    emailVerified: email !== null && (said || provider.claims.trust_email),
    firstName: given ?? (cut > 0 ? whole.slice(0, cut) : whole),
    lastName: family ?? (cut > 0 ? whole.slice(cut + 1) : whole),
    role: roles.find((role) => asked.includes(role)) ?? null,
    mfa: showsFactor(identity.claims),
  };
}

function refuseOtherTenant({ claims }: Identified, claim: string | undefined, { id, slug }: TenantRecord): void {
  if (claim === undefined) return;
  const named = claimAt(claims, claim);
  if (named !== id && named !== slug) throw new AppError("forbidden", "The token is not for this tenant");
}

/** `amr` (RFC 8176) of OpenID Connect, `aal` of Supabase. */
function showsFactor({ amr, aal }: Record<string, unknown>): boolean {
  return (Array.isArray(amr) && amr.includes("mfa")) || aal === "aal2";
}

function name(value: unknown): string | null {
  if (typeof value !== "string") return null;
  const text = value.replace(/\p{Cc}+/gu, " ").trim().slice(0, 100).trim();
  return text === "" ? null : text;
}

/** Whether the provider may speak for this address. `strictly`: an empty list of domains stands for none, not for all. */
export function speaksFor({ email_domains: domains }: Provider, email: string, strictly: boolean): boolean {
  if (domains.length === 0) return !strictly;
  return domains.includes(email.slice(email.lastIndexOf("@") + 1).toLowerCase());
}

/** A name of a person of an issuer in a tenant, in the form of a UUID: always the same for the same one. */
export function personId(tenantId: string, providerId: string, subject: string): string {
  const hex = createHash("sha256").update(JSON.stringify([tenantId, providerId, subject])).digest("hex");
  return hex.replace(/^(.{8})(.{4}).(.{3}).(.{3})(.{12}).*$/, "$1-$2-8$3-8$4-$5");
}
