// Which limits a request is counted against, and how it is told: RateLimit headers on each counted answer, 429 with
// Retry-After on a refusal. The counting is in ../tenancy/limits.ts; a refused request changes nothing and is told nothing.
import { createHmac } from "node:crypto";
import type { Config } from "../config.ts";
import { AppError } from "../errors.ts";
import { actorOf, type Principal } from "../identity/principal.ts";
import type { TenantRecord } from "../tenancy/directory.ts";
import type { Limit, Limits, Standing } from "../tenancy/limits.ts";
import type { Services } from "../tenancy/services.ts";
import { addressGroup, clientAddress } from "./client_address.ts";

/** What a route says of its limit: `strict` where secrets could be guessed, `none` for what must always answer. */
export type RouteLimit = "strict" | "none";

/** Limits of whoever is not signed in: by address. All who come without one share one. */
export function limitsOfAddress(request: Request, limit: RouteLimit | undefined, services: Services): Limit[] {
  if (limit === "none") return [];
  const { LIMIT_ANONYMOUS_PER_MINUTE, LIMIT_STRICT_PER_MINUTE } = services.config;
  const address = clientAddress(request);
  const who = address ? digest(addressGroup(address), services) : "unknown";
  const anyone: Limit = { name: "address", key: `address:${who}`, allowance: LIMIT_ANONYMOUS_PER_MINUTE };
  if (limit !== "strict") return [anyone];
  return [{ name: "strict", key: `strict:${who}`, allowance: LIMIT_STRICT_PER_MINUTE, closed: true }, anyone];
}

/**
 * Limits of who is signed in: a tenant's by its plan and a key's own, or an operator's, wherever the operator is. The
 * strict one goes by the caller: who has stolen a token can guess from many addresses.
 */
export function limitsOfCaller(
  principal: Principal,
  tenant: TenantRecord | null,
  { limit, services }: { limit?: RouteLimit; services: Services },
): Limit[] {
  if (limit === "none") return [];
  const limits = standingLimits(principal, tenant, services.config);
  if (limit !== "strict") return limits;
  // Ids are a placement's own: they count beside their tenant. The same person, whatever rows are seen.
  const key = `strict:${tenant ? `${tenant.id}:` : ""}${actorOf(principal).replace(":units", "")}`;
  return [{ name: "strict", key, allowance: services.config.LIMIT_STRICT_PER_MINUTE, closed: true }, ...limits];
}

/** Limits of a caller on every route. */
function standingLimits(principal: Principal, tenant: TenantRecord | null, config: Config): Limit[] {
  if (principal.kind === "operator" || principal.kind === "impersonator") {
    const key = `operator:${principal.operatorId}`;
    return [{ name: "operator", key, allowance: config.LIMIT_OPERATOR_PER_MINUTE }];
  }
  if (!tenant) return [];
  const allowance = config.LIMIT_TENANT_PER_MINUTE ?? tenant.limits.requests_per_minute;
  const limits: Limit[] = [{ name: "tenant", key: `tenant:${tenant.id}`, allowance }];
  if (principal.kind === "key" && principal.requestsPerMinute !== null) {
    limits.unshift({ name: "key", key: `key:${tenant.id}:${principal.keyId}`, allowance: principal.requestsPerMinute });
  }
  return limits;
}

/** Addresses are personal data: the database keeps a keyed digest of them. */
function digest(text: string, services: Services): string {
  return createHmac("sha256", services.servers.hashKey).update(`rate limit ${text}`).digest("base64url").slice(0, 22);
}

/** How one request stands with its limits. */
export class Admission {
  readonly #limits: Limits;
  #pending: Promise<Standing[]> | null = null;
  #asked: Limit[] = [];
  #standings: Standing[] = [];

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  /** Begins to count the request. Throws AppError `rate_limited` at once where that is known at once. */
  count(limits: Limit[]): void {
    if (limits.length === 0) return;
    const counted = this.#limits.take(limits);
    if (!(counted instanceof Promise)) return this.#judge(counted);
    this.#pending = counted;
    this.#asked = limits;
  }

  /**
   * Counts nothing, and throws AppError `rate_limited` where these are known to be used up: before a token or key is looked
   * up that may be none. Those that are none are counted afterwards.
   */
  refuseExhausted(limits: Limit[]): void {
    this.#judge(this.#limits.exhausted(limits));
  }

  /** Whether the request is being counted just now and can expect to be granted. */
  get isPromising(): boolean {
    return this.#pending !== null && this.#limits.arePromising(this.#asked);
  }

  /**
   * Does `work` while the request is being counted. A refusal goes before whatever `work` came to.
   * @throws AppError `rate_limited`, or `database_unavailable` where nobody could count what must be; what `work` throws.
   */
  async alongside<T>(work: Promise<T>): Promise<T> {
    const pending = this.#pending;
    if (!pending) return await work;
    const [standings, result] = await Promise.allSettled([pending, work]);
    this.#pending = null;
    if (standings.status === "rejected") throw standings.reason;
    this.#judge(standings.value);
    if (result.status === "rejected") throw result.reason;
    return result.value;
  }

  /** Tells in the headers of an answer how the request stands with its limits. */
  async tell(headers: Headers): Promise<void> {
    const { windowSeconds } = this.#limits;
    const standings = this.#standings;
    if (this.#pending) standings.push(...await this.#pending);
    if (standings.length === 0) return;
    const seconds = ({ resetMs }: Standing) => Math.ceil(resetMs / 1_000);
    const nearest = standings.reduce((a, b) => share(b) < share(a) ? b : a);
    headers.set("ratelimit-limit", String(nearest.limit.allowance));
    headers.set("ratelimit-remaining", String(nearest.remaining));
    headers.set("ratelimit-reset", String(seconds(nearest)));
    const list = (one: (standing: Standing) => string) => standings.map(one).join(", ");
    headers.set("ratelimit-policy", list(({ limit }) => `"${limit.name}";q=${limit.allowance};w=${windowSeconds}`));
    headers.set("ratelimit", list((one) => `"${one.limit.name}";r=${one.remaining};t=${seconds(one)}`));
  }

  #judge(standings: Standing[]): void {
    this.#standings.push(...standings);
    const refused = standings.find(({ granted }) => !granted);
    if (!refused) return;
    const { limit, resetMs, window } = refused;
    if (limit.closed && window === "") {
      throw new AppError("database_unavailable", "This cannot be counted just now; try again", { retryAfter: 1 });
    }
    const seconds = Math.max(1, Math.ceil(resetMs / 1_000));
    const detail = `At most ${limit.allowance} requests a minute are allowed here (${limit.name}); wait ${seconds} s`;
    throw new AppError("rate_limited", detail, { retryAfter: seconds });
  }
}

/** Which part of its allowance is left: the smallest is what the caller meets first. */
function share({ granted, remaining, limit }: Standing): number {
  return granted ? remaining / limit.allowance : -1;
}
