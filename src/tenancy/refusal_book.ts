// Refusals of one kind, as a process remembers them for a window. Like ones are one entry and a number at the end; what goes
// beyond a budget, and what could not be written, is folded into one entry a tenant, actor and reason. Nothing is forgotten
// silently, and what is remembered is bounded whatever is asked.
import type { TenantRecord } from "./directory.ts";
import type { Services } from "./services.ts";

/** One refused decision. Nothing in it may come from another tenant. */
export interface Refusal {
  /** Who was refused, as `actorOf` in ../identity/principal.ts writes it; left out when nobody of this tenant acted. */
  actor?: string;
  /** Whether the caller has proven to be somebody, of whatever tenant. */
  proven?: boolean;
  /** Null for several. */
  operation: string | null;
  /** What was asked for, for example the path. */
  resource: string;
  /** The stable code of the error, and what may be told of it. */
  reason: string;
  requestId: string;
  origin?: { address: string | null; agent: string | null; impersonating?: string };
}

/** Entries that one actor of a tenant gets in a window; and all together of those that are no actor of it. */
const BUDGET = 20;
/** Entries that one tenant gets in a window. */
const PER_TENANT = 200;
/** Refusals that are remembered one by one, and that wait to be written. */
const MOST = 1_000;
/** Folded entries that are remembered. */
const MOST_FOLDED = 10_000;
/** How often what cannot be written is tried: once a window. */
const TRIES = 60;

/** What is to be entered. */
interface Entry {
  tenant: TenantRecord;
  refusal: Refusal;
  times: number;
  /** Since when it was folded, if it was. */
  since?: Date;
  tries: number;
}

/** The refusals of one kind. */
export class RefusalBook {
  /** Refusals of this window by what makes them alike. `times`: since it was last entered. */
  readonly #alike = new Map<string, Entry>();
  readonly #taken = new Map<string, number>();
  readonly #folded = new Map<string, Entry>();
  /** Tenants whose database did not take an entry in this window: it is not asked for each. */
  readonly #ailing = new Set<string>();
  #untold = 0;
  #waiting = 0;
  #tail: Promise<void> = Promise.resolve();

  constructor(readonly services: Services) {}

  /** Whether nothing is remembered that a window's end would do something about. */
  get isEmpty(): boolean {
    return this.#alike.size === 0 && this.#folded.size === 0 && this.#untold === 0;
  }

  /** How many refusals wait for the next window because their database did not take them. */
  get left(): number {
    return [...this.#folded.values()].reduce((sum, { times }) => sum + times, this.#untold);
  }

  /** Takes a refusal; writes the first of its like, within the budgets. Never throws. */
  record(tenant: TenantRecord, refusal: Refusal): void {
    const { actor, operation, reason, origin } = refusal;
    const key = JSON.stringify([tenant.id, actor, operation, reason, origin?.address]);
    const known = this.#alike.get(key);
    if (known) return void known.times++;
    const entry = { tenant, refusal, times: 1, tries: 0 };
    const budget = `${tenant.id} ${actor ?? ""}`;
    const [ofActor, ofTenant] = [this.#taken.get(budget) ?? 0, this.#taken.get(tenant.id) ?? 0];
    if (ofActor >= BUDGET) return this.#fold(entry);
    if (ofTenant >= PER_TENANT || this.#alike.size >= MOST) {
      return this.#fold({ ...entry, refusal: { ...refusal, actor: undefined } }); // actors may be many, too
    }
    this.#taken.set(budget, ofActor + 1);
    this.#taken.set(tenant.id, ofTenant + 1);
    this.#alike.set(key, { ...entry, times: 0 });
    this.#enter(entry);
  }

  /**
   * Enters what was counted in this window; resolves when it is written or has failed.
   * @param options `whole`: also what would make more wait than should, because the process stops.
   */
  endWindow({ whole = false } = {}): Promise<void> {
    const counted = [...this.#alike.values(), ...this.#folded.values()].filter(({ times }) => times > 0);
    this.#alike.clear();
    this.#taken.clear();
    this.#folded.clear();
    this.#ailing.clear();
    for (const entry of counted) this.#enter(entry, whole);
    if (this.#untold > 0) {
      this.services.log.warn("Refused requests are too many for the audit", { untold: this.#untold });
    }
    this.#untold = 0;
    return this.#tail;
  }

  #fold({ tenant, refusal, times, since = new Date(), tries }: Entry): void {
    const key = JSON.stringify([tenant.id, refusal.actor, refusal.reason]);
    const known = this.#folded.get(key);
    if (known) {
      known.times += times;
      known.tries = Math.max(known.tries, tries);
      known.refusal = common(known.refusal, refusal);
    } else if (tries >= TRIES || this.#folded.size >= MOST_FOLDED) this.#untold += times;
    else this.#folded.set(key, { tenant, refusal, times, since, tries });
  }

  #enter(entry: Entry, whole = false): void {
    if (this.#waiting >= MOST && !whole) return this.#fold(entry);
    this.#waiting++;
    this.#tail = this.#tail.then(() => this.#tryToWrite(entry)).finally(() => void this.#waiting--);
  }

  async #tryToWrite(entry: Entry): Promise<void> {
    const { tenant, refusal } = entry;
    if (this.#ailing.has(tenant.id)) return this.#fold(entry);
    try {
      await this.#write(entry);
    } catch (error) {
      this.#ailing.add(tenant.id);
      this.#fold({ ...entry, tries: entry.tries + 1 });
      this.services.log.warn("A refusal could not be entered in the audit", {
        tenant: tenant.id,
        request: refusal.requestId,
        reason: String(error),
      });
    }
  }

  async #write({ tenant, refusal, times, since }: Entry): Promise<void> {
    const { actor, operation, reason, requestId, origin } = refusal;
    if (tenant.status !== "active") return; // its gate is closed: the log has told it
    const resource = since ? `${times} more refused since ${since.toISOString()}` : refusal.resource;
    const entering = { actor, origin, operation: operation ?? "audit.refused", requestId, readOnly: false };
    const context = await this.services.targets.context(tenant, entering);
    await this.services.doors.asTenant(
      { ...context, deadlineMs: 5_000 },
      (tx) => tx`select tenant.audit_refused(${operation}, ${resource}, ${reason}, ${times}::int)`,
    );
  }
}

/** What two refusals that are told as one have in common. */
function common(one: Refusal, other: Refusal): Refusal {
  const address = one.origin?.address === other.origin?.address ? one.origin?.address ?? null : null;
  const impersonating = one.origin?.impersonating === other.origin?.impersonating && one.origin?.impersonating;
  return {
    ...one,
    operation: one.operation === other.operation ? one.operation : null,
    origin: { address, agent: null, ...(impersonating ? { impersonating } : {}) },
  };
}
