// Enters refused access decisions in the audit of the tenant that they are about. A flood of refused requests must not
// become a flood of writes, nor hide what somebody else does: nobody's requests, a tenant's own callers and other tenants'
// are kept apart (refusal_book.ts), and what goes beyond what one of them gets is entered as a number.
import { type Refusal, RefusalBook } from "./refusal_book.ts";
import type { Services } from "./services.ts";
import type { TenantRecord } from "./directory.ts";

export type { Refusal } from "./refusal_book.ts";

/** Milliseconds in which like refusals are one entry. */
const WINDOW_MS = 60_000;

/** What a process remembers of refusals. One a process: see `refusalsOf()`. */
export class Refusals {
  readonly #books: Record<ReturnType<typeof kindOf>, RefusalBook>;
  readonly #soon = new Set<Promise<void>>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(readonly services: Services, readonly windowMs = WINDOW_MS) {
    const book = () => new RefusalBook(services);
    this.#books = { own: book(), others: book(), mismatch: book(), nobody: book() };
  }

  /** Takes a refusal; returns at once and never throws. The first of its like is entered now, the others once a window. */
  record(tenant: TenantRecord, refusal: Refusal): void {
    this.#books[kindOf(refusal)].record(tenant, refusal);
    this.#waitForEnd();
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
      this.#stopWaiting();
      await Promise.all(this.#all.map((book) => book.endWindow({ whole: true })));
      const left = this.#all.reduce((sum, book) => sum + book.left, 0);
      if (left > 0) this.services.log.warn("Refusals could not be entered in audits up to now", { refused: left });
      this.#waitForEnd();
    };
    await Promise.race([written(), late.promise]).finally(() => clearTimeout(timer));
  }

  get #all(): RefusalBook[] {
    return Object.values(this.#books);
  }

  #waitForEnd(): void {
    if (this.#timer !== undefined || this.#all.every((book) => book.isEmpty)) return;
    this.#timer = setTimeout(() => {
      this.#stopWaiting();
      const ended = this.#all.map((book) => book.endWindow());
      void Promise.all(ended).then(() => this.#waitForEnd());
    }, this.windowMs);
    if (typeof this.#timer === "number") Deno.unrefTimer(this.#timer);
  }

  #stopWaiting(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}

/**
 * Whose refusals share a book, so that no flood of one kind hides another: this tenant's own callers and operators, proven
 * callers of another tenant, and nobody's. Of nobody's those that name two tenants are told apart: fewer can be noise.
 */
function kindOf({ actor, proven, reason }: Refusal): "own" | "others" | "mismatch" | "nobody" {
  if (actor !== undefined) return "own";
  if (proven) return "others";
  return reason === "tenant_mismatch" ? "mismatch" : "nobody";
}

const refusals = new WeakMap<Services, Refusals>();

/** The refusals of a process. */
export function refusalsOf(services: Services): Refusals {
  const known = refusals.get(services) ?? new Refusals(services);
  refusals.set(services, known);
  return known;
}
