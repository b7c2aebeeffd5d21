// Who calls. Made from a verified token or key only; everything that guards a call decides by it.
import type { Permissions } from "./permissions.ts";

/** What each caller inside a tenant has. */
interface TenantCaller {
  tenantId: string;
  permissions: Permissions;
  /** Of the row that says what it may do: if that has moved on, the database refuses and it is read anew. */
  accessVersion: number;
  expiresAt: Date;
}

/** The one thing that somebody must still do: a token says so that is good for little else. */
export type Duty = "change_password" | "enrol_factor";

/** Who shows a token that was signed here. */
interface TokenBearer extends TenantCaller {
  /** Version of the tenant's key that signed the token; left out where an issuer of the tenant's own did. */
  keyVersion?: number;
}

/** A signed-in person inside one tenant. */
export interface MemberPrincipal extends TokenBearer {
  kind: "member";
  memberId: string;
  sessionId: string;
  role: string;
  /** Whether it sees only the rows of its units. */
  unitsOnly: boolean;
  /** The person at an issuer of the tenant's own whose token was shown, by the rules of that version; there is no session then. */
  external?: { providerId: string; subject: string; version: string };
  /** The account that signed in; null where an issuer of the tenant's own vouched, whose word counts in this tenant only. */
  accountId: string | null;
  /** When the account showed its password, Unix seconds. */
  authenticatedAt: number;
  /** Whether a second factor was shown. */
  mfa: boolean;
  /** What must be done first; there is no session yet, and only routes that say so may be called. Null: nothing. */
  duty: Duty | null;
}

/** A program with an API key of one tenant. */
export interface KeyPrincipal extends TenantCaller {
  kind: "key";
  keyId: string;
  /** A limit of its own, or null. */
  requestsPerMinute: number | null;
}

/** An operator who visits a tenant. */
export interface ImpersonatorPrincipal extends TokenBearer {
  kind: "impersonator";
  impersonationId: string;
  operatorId: string;
  /** The operator's address. */
  email: string;
  readOnly: boolean;
}

/** A signed-in person who runs the platform, or a program with such a person's key. */
export interface OperatorPrincipal {
  kind: "operator";
  operatorId: string;
  /** The key that was shown; null for a person who signed in. */
  keyId: string | null;
  email: string;
  role: string;
  accessVersion: number;
  /** What a person must do first; only routes that say so may be called. Left out: nothing, as for every key. */
  duty?: Extract<Duty, "enrol_factor">;
  expiresAt: Date;
}

/** Who calls inside a tenant. */
export type TenantPrincipal = MemberPrincipal | KeyPrincipal | ImpersonatorPrincipal;

/** Who calls. */
export type Principal = TenantPrincipal | OperatorPrincipal;

/** Who acts, as the signed context and the audit name it. */
export function actorOf(principal: Principal | null): string {
  switch (principal?.kind) {
    case "member":
      return `member:${principal.memberId}${principal.unitsOnly ? ":units" : ""}`;
    case "key":
      return `key:${principal.keyId}`;
    case "impersonator":
    case "operator":
      return `operator:${principal.operatorId}`;
    default:
      return "-";
  }
}

/** The id of the row that says what the caller may do: member, key or visit. */
export function subjectOf(principal: TenantPrincipal): string {
  if (principal.kind === "member") return principal.memberId;
  return principal.kind === "key" ? principal.keyId : principal.impersonationId;
}

/** What the signed context says of a caller: who acts, and which version of their rights the process decided by. */
export function actingAs(principal: TenantPrincipal): { actor: string; access: { subject: string; version: number } } {
  return { actor: actorOf(principal), access: { subject: subjectOf(principal), version: principal.accessVersion } };
}
