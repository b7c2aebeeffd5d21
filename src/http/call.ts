// One call of a route: binds the doors to this request's tenant and caller, so that a handler can enter nothing else.
import { randomUUID } from "node:crypto";
import type { Work } from "../db/doors.ts";
import type { Tx } from "../db/sql.ts";
import { AppError } from "../errors.ts";
import type { Permissions } from "../identity/permissions.ts";
import {
  actingAs,
  actorOf,
  type ImpersonatorPrincipal,
  type OperatorPrincipal,
  type Principal,
  subjectOf,
} from "../identity/principal.ts";
import type { TenantRecord } from "../tenancy/directory.ts";
import { enqueue, relay } from "../tenancy/jobs.ts";
import type { Services } from "../tenancy/services.ts";
import type { Input } from "./input.ts";
import { type KeyStore, memberKeys, platformKeys } from "./idempotency.ts";
import { isHeldUp, permit } from "./permit.ts";
import type { Call, MemberCaller, OperatorCaller, Route } from "./route.ts";

/** What a call is made of. */
export interface CallParts {
  route: Route;
  request: Request;
  requestId: string;
  principal: Principal | null;
  tenant: TenantRecord | null;
  services: Services;
  origin: Call["origin"];
}

function absent(what: string): never {
  throw new AppError("internal", `This route's group provides no ${what}`);
}

/** A call whose doors are bound; `inside` makes both doors use one open transaction (for idempotent creates). */
export class BoundCall implements Call {
  params: unknown;
  query: unknown;
  body: unknown;
  readonly request: Request;
  readonly requestId: string;
  readonly operation: string;
  readonly services: Services;
  readonly log: Call["log"];
  readonly #parts: CallParts;
  #inside: Tx | null = null;
  #after: (() => Promise<void>)[] = [];

  constructor(parts: CallParts) {
    this.#parts = parts;
    this.request = parts.request;
    this.requestId = parts.requestId;
    this.operation = parts.route.operation;
    this.services = parts.services;
    this.log = parts.services.log.child({
      request: parts.requestId,
      operation: parts.route.operation,
      ...(parts.tenant && { tenant: parts.tenant.id }),
    });
  }

  accept(input: Input): void {
    Object.assign(this, { params: input.params, query: input.query, body: input.body });
  }

  get member(): MemberCaller {
    const { principal } = this.#parts;
    if (principal?.kind !== "member") return absent("member");
    return { ...principal, id: principal.memberId };
  }

  get visitor(): ImpersonatorPrincipal {
    const { principal } = this.#parts;
    return principal?.kind === "impersonator" ? principal : absent("visitor");
  }

  get memberId(): string | null {
    const { principal } = this.#parts;
    return principal?.kind === "member" ? principal.memberId : null;
  }

  get permissions(): Permissions {
    const { principal } = this.#parts;
    return principal && principal.kind !== "operator" ? principal.permissions : absent("permissions");
  }

  get origin(): Call["origin"] {
    return this.#parts.origin;
  }

  get operator(): OperatorCaller {
    const { principal } = this.#parts;
    if (principal?.kind !== "operator") return absent("operator");
    const { operatorId: id, email, role, keyId, accessVersion, duty = null } = principal;
    return { id, email, role, keyId, accessVersion, duty };
  }

  get tenant(): TenantRecord {
    return this.#parts.tenant ?? absent("tenant");
  }

  /** Where this call's idempotency keys are kept. */
  get keys(): KeyStore {
    const { principal } = this.#parts;
    if (!this.#parts.tenant) return platformKeys(principal ? actorOf(principal) : "anonymous");
    return memberKeys(principal && principal.kind !== "operator" ? subjectOf(principal) : absent("caller"));
  }

  async asTenant<T>(work: Work<T>, options: { deadlineMs?: number } = {}): Promise<T> {
    if (this.#inside) return await work(this.#inside);
    const before = this.#after.length;
    const result = await this.#visit(work, options).catch(async (error) => {
      if (!isAccessChanged(error) || this.request.bodyUsed && this.#parts.route.stream) throw error;
      this.#after.length = before;
      await this.#renew();
      return await this.#visit(work, options);
    });
    await this.#committed();
    return result;
  }

  async stillIn(): Promise<void> {
    await this.asTenant((tx) => tx`select app.tenant_id()`);
  }

  /** Decides whether the caller may call this route. What is refused may have been allowed since: that is read anew. */
  async permit(): Promise<void> {
    const { route, principal, services, tenant } = this.#parts;
    if (!principal) return;
    if (principal.kind === "operator") return permit(route, principal);
    this.#parts.principal = services.access.newest(principal);
    try {
      permit(route, this.#parts.principal);
    } catch (error) {
      if (!tenant || principal.kind === "impersonator" || isHeldUp(route, principal)) throw error;
      await this.#renew();
    }
  }

  /** What the caller may do has changed since the token was issued: reads it anew and decides again. */
  async #renew(): Promise<void> {
    const { principal, tenant, services, route } = this.#parts;
    if (principal?.kind === "operator") {
      permit(route, this.#parts.principal = await services.access.renewOperator(services, principal));
      return;
    }
    if (!tenant || !principal) return;
    this.#parts.principal = await services.access.renew(services, tenant, principal);
    permit(route, this.#parts.principal);
  }

  async #visit<T>(work: Work<T>, { deadlineMs }: { deadlineMs?: number }): Promise<T> {
    const { route, principal, services } = this.#parts;
    const caller = principal && principal.kind !== "operator" ? principal : null;
    const context = await services.targets.context(this.tenant, {
      ...(caller ? actingAs(caller) : {}),
      origin: caller?.kind === "impersonator" ? { ...this.origin, impersonating: caller.impersonationId } : this.origin,
      operation: route.operation,
      requestId: this.requestId,
      readOnly: this.#readOnly,
      deadlineMs,
    });
    return await services.doors.asTenant(context, work);
  }

  /** Whether the database refuses to write: for what only reads, and for all that a visit does which may only look. */
  get #readOnly(): boolean {
    const { route, principal } = this.#parts;
    if (principal?.kind === "impersonator" && principal.readOnly && !route.leaves) return true;
    return route.readOnly ?? route.method === "get";
  }

  async asPlatform<T>(work: Work<T>): Promise<T> {
    if (this.#inside && !this.#parts.tenant) return await work(this.#inside);
    const before = this.#after.length;
    const result = await this.#visitPlatform(work).catch(async (error) => {
      if (!isAccessChanged(error)) throw error;
      this.#after.length = before;
      await this.#renew();
      return await this.#visitPlatform(work);
    });
    if (!this.#inside) await this.#committed();
    return result;
  }

  async #visitPlatform<T>(work: Work<T>): Promise<T> {
    const { route, principal, services } = this.#parts;
    return await services.doors.asPlatform({
      actor: principal ? actorOf(principal) : "anonymous",
      access: principal?.kind === "operator" ? operatorAccess(principal) : undefined,
      operation: route.operation,
      requestId: this.requestId,
      readOnly: this.#readOnly,
    }, work);
  }

  /** Runs `body` with both doors inside one transaction of the call's own plane. */
  async within<T>(body: (tx: Tx) => Promise<T>): Promise<T> {
    const work = async (tx: Tx) => {
      this.#inside = tx;
      try {
        return await body(tx);
      } finally {
        this.#inside = null;
      }
    };
    return this.#parts.tenant ? await this.asTenant(work) : await this.asPlatform(work);
  }

  afterCommit(work: () => Promise<void>): void {
    this.#after.push(work);
  }

  async enqueue(tx: Tx, kind: string, params: Record<string, unknown>): Promise<{ id: string }> {
    const job = await enqueue(tx, kind, params, this.memberId);
    const { services } = this.#parts;
    const tenant = this.tenant;
    this.afterCommit(async () => void await relay(services, tenant));
    return job;
  }

  async #committed(): Promise<void> {
    const work = this.#after.splice(0);
    for (const piece of work) {
      await piece().catch((error) => this.log.error("Work after the commit failed", { reason: String(error) }));
    }
  }
}

function isAccessChanged(error: unknown): boolean {
  return error instanceof AppError && error.code === "access_changed";
}

/** The row that the platform compares an operator's version with. */
function operatorAccess({ keyId, operatorId, accessVersion: version }: OperatorPrincipal) {
  return keyId ? { kind: "operator_key", id: keyId, version } : { kind: "operator", id: operatorId, version };
}

/** A request's id: the caller's if it is plain, else a new one. */
export function requestId(request: Request): string {
  const given = request.headers.get("x-request-id");
  return given && /^[A-Za-z0-9._-]{1,64}$/.test(given) ? given : randomUUID();
}
