// One call of a route: binds the doors to this request's tenant and caller, so that a handler can enter nothing else.
import { randomUUID } from "node:crypto";
import type { Work } from "../db/doors.ts";
import type { Tx } from "../db/sql.ts";
import { AppError } from "../errors.ts";
import type { Principal } from "../identity/tokens.ts";
import type { TenantRecord } from "../tenancy/directory.ts";
import { enqueue, relay } from "../tenancy/jobs.ts";
import type { Services } from "../tenancy/services.ts";
import type { Input } from "./input.ts";
import { type KeyStore, memberKeys, platformKeys } from "./idempotency.ts";
import type { Call, MemberCaller, OperatorCaller, Role, Route } from "./route.ts";

/** What a call is made of. */
export interface CallParts {
  route: Route;
  request: Request;
  requestId: string;
  principal: Principal | null;
  tenant: TenantRecord | null;
  services: Services;
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
    const { memberId: id, tenantId, role, sessionId } = principal;
    return { id, tenantId, role: role as Role, sessionId };
  }

  get operator(): OperatorCaller {
    const { principal } = this.#parts;
    if (principal?.kind !== "operator") return absent("operator");
    return { id: principal.operatorId, email: principal.email, role: principal.role };
  }

  get tenant(): TenantRecord {
    return this.#parts.tenant ?? absent("tenant");
  }

  /** Where this call's idempotency keys are kept. */
  get keys(): KeyStore {
    const { principal } = this.#parts;
    if (this.#parts.tenant) return memberKeys(this.member.id);
    return platformKeys(principal?.kind === "operator" ? `operator:${principal.operatorId}` : "anonymous");
  }

  async asTenant<T>(work: Work<T>, options: { deadlineMs?: number } = {}): Promise<T> {
    if (this.#inside) return await work(this.#inside);
    const { route, principal, services } = this.#parts;
    const context = await services.targets.context(this.tenant, {
      userId: principal?.kind === "member" ? principal.memberId : null,
      operation: route.operation,
      requestId: this.requestId,
      readOnly: route.readOnly ?? route.method === "get",
      deadlineMs: options.deadlineMs,
    });
    const result = await services.doors.asTenant(context, work);
    await this.#committed();
    return result;
  }

  async asPlatform<T>(work: Work<T>): Promise<T> {
    if (this.#inside && !this.#parts.tenant) return await work(this.#inside);
    const { route, principal, services } = this.#parts;
    const result = await services.doors.asPlatform({
      actor: principal?.kind === "operator" ? `operator:${principal.operatorId}` : "anonymous",
      operation: route.operation,
      requestId: this.requestId,
      readOnly: route.readOnly ?? route.method === "get",
    }, work);
    if (!this.#inside) await this.#committed();
    return result;
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
    const job = await enqueue(tx, kind, params, this.#parts.principal?.kind === "member" ? this.member.id : null);
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

/** A request's id: the caller's if it is plain, else a new one. */
export function requestId(request: Request): string {
  const given = request.headers.get("x-request-id");
  return given && /^[A-Za-z0-9._-]{1,64}$/.test(given) ? given : randomUUID();
}
