// Enters refused access decisions in the audit of the tenant that they are about. A flood of refused requests must not
// become a flood of writes: like refusals of a minute are one entry, a tenant gets at most so many entries a minute, and
// one write at a time is under way in the process. What goes beyond is counted and told in the log.
import type { Services } from "./services.ts";
import type { TenantRecord } from "./directory.ts";

/** One refused decision. Nothing in it may come from another tenant. */
export interface Refusal {
  /** Who was refused, as `actorOf` in ../identity/principal.ts writes it; left out when nobody of this tenant acted. */
  actor?: string;
  operation: string;
  /** What was asked for, for example the path. */
  resource: string;
  /** The stable code of the error, and what may be told of it. */
  reason: string;
  requestId: string;
  origin?: { address: string | null; agent: string | null; impersonating?: string };
}

/** Milliseconds in which like refusals are one entry. */
const WINDOW_MS = 60_000;
/** Entries that one tenant gets in a window. */
const PER_TENANT = 20;
/** Refusals that wait or are counted, of all tenants. */
const MOST = 500;

interface Counted {
  tenant: TenantRecord;
  refusal: Refusal;
  /** How often since it was last entered. */
  times: number;
}

/** What a process remembers of refusals. One a process: see `refusalsOf()`. */
export class Refusals {
  /** Refusals of this window by what makes them alike. */
  readonly #alike = new Map<string, Counted>();
  readonly #entries = new Map<string, number>();
  readonly #soon = new Set<Promise<void>>();
  #passedOver = 0;
  #tail: Promise<void> = Promise.resolve();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(readonly services: Services, readonly windowMs = WINDOW_MS) {}

  /** Takes a refusal; returns at once and never throws. The first of its like is entered now, the others once a window. */
  record(tenant: TenantRecord, refusal: Refusal): void {
    const { actor, operation, reason, origin } = refusal;
    const key = JSON.stringify([tenant.id, actor, operation, reason, origin?.address]);
    const known = this.#alike.get(key);
    if (known) return void known.times++;
    const entries = this.#entries.get(tenant.id) ?? 0;
    if (entries >= PER_TENANT || this.#alike.size >= MOST) return void this.#passedOver++;
    this.#entries.set(tenant.id, entries + 1);
    this.#alike.set(key, { tenant, refusal, times: 0 });
    this.#enter(tenant, refusal, 1);
    this.#timer ??= setTimeout(() => this.#endWindow(), this.windowMs);
    if (typeof this.#timer === "number") Deno.unrefTimer(this.#timer);
  }

  /** Takes refusals that are still being looked into. */
  recordSoon(refusals: Promise<[TenantRecord, Refusal][]>): void {
    const told = refusals.then((found) => found.forEach(([tenant, refusal]) => this.record(tenant, refusal)))
      .catch((error) => this.services.log.warn("A refusal could not be told", { reason: String(error) }))
      .finally(() => this.#soon.delete(told));
    this.#soon.add(told);
  }

  /** Enters what was counted and waits until all is written, not longer than `ms`: for a process that stops, and for tests. */
  async flush(ms = 30_000): Promise<void> {
    const late = Promise.withResolvers<void>();
    const timer = setTimeout(late.resolve, ms);
    const written = async () => {
      await Promise.all(this.#soon);
      this.#endWindow();
      await this.#tail;
    };
    await Promise.race([written(), late.promise]).finally(() => clearTimeout(timer));
  }

  #endWindow(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    for (const { tenant, refusal, times } of this.#alike.values()) if (times > 0) this.#enter(tenant, refusal, times);
    this.#alike.clear();
    this.#entries.clear();
    if (this.#passedOver > 0) {
      this.services.log.warn("Refused requests are too many for the audit", { passed_over: this.#passedOver });
    }
    this.#passedOver = 0;
  }

  #enter(tenant: TenantRecord, refusal: Refusal, times: number): void {
    this.#tail = this.#tail.then(() => this.#write(tenant, refusal, times)).catch((error) =>
      this.services.log.warn("A refusal could not be entered in the audit", {
        tenant: tenant.id,
        request: refusal.requestId,
        reason: String(error),
      })
    );
  }

  async #write(tenant: TenantRecord, refusal: Refusal, times: number): Promise<void> {
    const { actor, operation, resource, reason, requestId, origin } = refusal;
    if (tenant.status !== "active") return; // its gate is closed: the log has told it
    const entering = { actor, origin, operation, requestId, readOnly: false };
    const context = await this.services.targets.context(tenant, entering);
    await this.services.doors.asTenant(
      { ...context, deadlineMs: 5_000 },
      (tx) => tx`select tenant.audit_refused(${operation}, ${resource}, ${reason}, ${times}::int)`,
    );
  }
}

const refusals = new WeakMap<Services, Refusals>();

/** The refusals of a process. */
export function refusalsOf(services: Services): Refusals {
  const known = refusals.get(services) ?? new Refusals(services);
  refusals.set(services, known);
  return known;
}
