// What callers may do, where it has moved on since their token was issued: read anew from the tenant's placement and kept
// in this process until it moves on again. Whether it has, the database says with each statement (app.tenant_id).
import { Buffer } from "node:buffer";
import { sql, type Tx } from "../db/sql.ts";
import { AppError } from "../errors.ts";
import type { PresentedKey } from "../identity/api_keys.ts";
import { rightsOf, type RoleRow } from "../identity/permissions.ts";
import type { KeyPrincipal, MemberPrincipal, OperatorPrincipal, TenantPrincipal } from "../identity/principal.ts";
import type { TenantRecord } from "./directory.ts";
import { readKey, readOperatorKey } from "./key_rows.ts";
import type { Services } from "./services.ts";

const MAX_CALLERS = 4_096;

interface MemberRow extends RoleRow {
  access_version: number;
}

/** What the member of a live session, or of a trusted issuer, may do now; no row when it is not let in any more. */
function readMember(tx: Tx, { memberId, sessionId, external }: MemberPrincipal) {
  const live = external
    ? sql`exists (select from tenant.identities i
        join tenant.identity_providers p on p.tenant_id = i.tenant_id and p.id = i.provider_id
        where i.member_id = m.id and i.provider_id = ${external.providerId} and i.subject = ${external.subject}
          and p.enabled and p.updated_at::text = ${external.version})`
    : sql`exists (select from tenant.sessions s where s.tenant_id = m.tenant_id and s.member_id = m.id
        and s.id = ${sessionId} and s.revoked_at is null and s.expires_at > now())`;
  return tx<MemberRow>`select m.role, m.access_version, r.effective, r.units_only
    from tenant.members m left join tenant.roles r on r.tenant_id = m.tenant_id and r.key = m.custom_role
    where m.id = ${memberId} and m.status = 'active' and m.deleted_at is null and ${live}`.map((rows) => rows[0]);
}

/** The callers of a process whose access has moved on. */
export class CurrentAccess {
  #known = new Map<string, TenantPrincipal>();
  #keys = new Map<string, KeyPrincipal | OperatorPrincipal>();

  /** The caller as last read here, if that is newer than what the token says. */
  newest<P extends TenantPrincipal>(principal: P): P {
    const known = this.#known.get(idOf(principal));
    if (!known || known.accessVersion <= principal.accessVersion) return principal;
    return { ...known, expiresAt: principal.expiresAt } as P;
  }

  /** Reads what the caller may do now. Throws AppError `unauthorized` when it is not let in any more. */
  async renew(services: Services, tenant: TenantRecord, principal: TenantPrincipal): Promise<TenantPrincipal> {
    const fresh = principal.kind === "member"
      ? await this.#member(services, tenant, principal)
      : principal.kind === "key"
      ? await this.#key(services, tenant, principal)
      : null;
    this.#known.delete(idOf(principal));
    if (principal.kind === "key") this.forgetKey(principal.keyId);
    if (principal.kind === "member" && principal.external) services.external.forget(tenant.id, principal.sessionId);
    if (!fresh) throw new AppError("unauthorized", "Sign in again: your access has ended");
    if (this.#known.size >= MAX_CALLERS) this.#known.delete(this.#known.keys().next().value!);
    this.#known.set(idOf(fresh), fresh);
    return fresh;
  }

  async #member(services: Services, tenant: TenantRecord, principal: MemberPrincipal) {
    const row = await read(services, tenant, (tx) => readMember(tx, principal));
    return row && {
      ...principal,
      role: row.role,
      ...rightsOf(row),
      accessVersion: row.access_version,
    };
  }

  async #key(services: Services, tenant: TenantRecord, principal: KeyPrincipal) {
    return await readTenantKey(services, tenant, { id: principal.keyId });
  }

  /** The caller with this key, if it was looked up here before. */
  knownKey(key: PresentedKey): KeyPrincipal | OperatorPrincipal | undefined {
    const known = this.#keys.get(hashText(key));
    return known && known.expiresAt.getTime() > Date.now() ? known : undefined;
  }

  /** Looks a tenant's key up; null when there is no such live one. */
  async findTenantKey(services: Services, tenant: TenantRecord, key: PresentedKey): Promise<KeyPrincipal | null> {
    return this.#keep(key, await readTenantKey(services, tenant, key));
  }

  /** Looks an operator's key up; null when there is no such live one, or its owner may not act with its role any more. */
  async findOperatorKey(services: Services, key: PresentedKey): Promise<OperatorPrincipal | null> {
    const context = { actor: "system", operation: "access.read", requestId: "", readOnly: true };
    return this.#keep(key, await services.doors.asPlatform(context, (tx) => readOperatorKey(tx, key)));
  }

  /** Reads anew what an operator's key may do. Throws AppError `unauthorized` when it is not let in any more, or for a token. */
  async renewOperator(services: Services, { keyId }: OperatorPrincipal): Promise<OperatorPrincipal> {
    const context = { actor: "system", operation: "access.read", requestId: "", readOnly: true };
    if (keyId) this.forgetKey(keyId);
    const fresh = keyId && await services.doors.asPlatform(context, (tx) => readOperatorKey(tx, { id: keyId }));
    if (!fresh) throw new AppError("unauthorized", "Sign in again: your access has changed or ended");
    return fresh;
  }

  /** Forgets a key in this process: the database has refused it. */
  forgetKey(id: string): void {
    for (const [hash, known] of this.#keys) {
      if (known.keyId === id) this.#keys.delete(hash);
    }
  }

  #keep<P extends KeyPrincipal | OperatorPrincipal>(key: PresentedKey, found: P | undefined): P | null {
    if (!found) return null;
    if (this.#keys.size >= MAX_CALLERS) this.#keys.delete(this.#keys.keys().next().value!);
    this.#keys.set(hashText(key), found);
    return found;
  }
}

function hashText({ hash }: PresentedKey): string {
  return Buffer.from(hash).toString("base64");
}

async function read<T>(services: Services, tenant: TenantRecord, work: (tx: Tx) => PromiseLike<T>): Promise<T> {
  const entering = { operation: "access.read", requestId: "", readOnly: true };
  return await services.doors.asTenant(await services.targets.context(tenant, entering), work);
}

/** Whatever a placement says of a key, it is one of the tenant that was entered. */
async function readTenantKey(services: Services, tenant: TenantRecord, by: { id: string } | { hash: Uint8Array }) {
  const found = await read(services, tenant, (tx) => readKey(tx, by));
  return found && { ...found, tenantId: tenant.id };
}

/** What a caller is known by: ids are the placements' own, so those of two tenants may be the same. */
function idOf(principal: TenantPrincipal): string {
  const { tenantId, kind } = principal;
  const id = kind === "member" ? principal.sessionId : kind === "key" ? principal.keyId : principal.impersonationId;
  return `${tenantId} ${id}`;
}
