// A tenant in the hands of a test: its rows through the real door, its API with a member's token, its jobs.
import type { Work } from "../db/doors.ts";
import type { Placement } from "../tenancy/directory.ts";
import { type MadeMember, type MadeTenant, makeMember, makeTenant } from "./fresh.ts";
import { type TestPlatform, testPlatform } from "./platform.ts";

/** A role that a member may have. */
export type Role = "admin" | "manager" | "member";

/** A request to a tenant's API. */
export interface TenantRequest extends RequestInit {
  /** Whose token is sent; default "admin". null: none is sent. */
  role?: Role | null;
  /** A body, sent as JSON; the method is POST then, unless another is given. */
  json?: unknown;
}

/** What a query runs as. */
export interface Visit {
  /** The member who acts; default: nobody in particular. */
  memberId?: string;
  /** Whether changes are refused. Default: no. */
  readOnly?: boolean;
}

/** A job of a tenant, when it has ended. */
export interface EndedJob {
  status: "succeeded" | "failed";
  result: unknown;
  error: string | null;
}

/** A tenant that a test made. */
export interface TestTenant {
  readonly id: string;
  readonly slug: string;
  readonly tier: "shared" | "dedicated";
  /** Where its rows are. */
  readonly placement: Placement;
  /** The first member. */
  readonly admin: MadeMember;
  /** Runs statements in the tenant, as the login and by the door that requests use. */
  asTenant<T>(work: Work<T>, visit?: Visit): Promise<T>;
  /** A member of this role, the same at each call. */
  member(role: Role): Promise<MadeMember>;
  /** An access token of a member of this role, good for 15 minutes; default "admin". */
  token(role?: Role): Promise<string>;
  /** Calls the API in this process. `path` begins with a slash: "/v1/buildings". */
  fetch(path: string, init?: TenantRequest): Promise<Response>;
  /** Waits until a job has ended. Throws after `ms` milliseconds, default 20,000. */
  job(id: string, ms?: number): Promise<EndedJob>;
}

/**
 * A tenant that nobody else uses, with an active admin: about 5 ms in the shared database, about a second with a
 * database of its own. It is never cleaned up singly: its database goes after the file's last test.
 */
export async function freshTenant(options: { tier?: "shared" | "dedicated" } = {}): Promise<TestTenant> {
  const platform = await testPlatform();
  return new Tenant(platform, await makeTenant(platform, options.tier ?? "shared"));
}

/** Runs statements in a tenant; see {@link TestTenant.asTenant}. */
export function asTenant<T>(tenant: TestTenant, work: Work<T>, visit?: Visit): Promise<T> {
  return tenant.asTenant(work, visit);
}

class Tenant implements TestTenant {
  readonly id: string;
  readonly slug: string;
  readonly tier: "shared" | "dedicated";
  readonly placement: Placement;
  readonly admin: MadeMember;
  #platform: TestPlatform;
  #made: MadeTenant;
  #members = new Map<string, Promise<MadeMember>>();

  constructor(platform: TestPlatform, made: MadeTenant) {
    ({ id: this.id, slug: this.slug, tier: this.tier, placement: this.placement, admin: this.admin } = made);
    this.#platform = platform;
    this.#made = made;
    this.#members.set("admin", Promise.resolve(made.admin));
  }

  async asTenant<T>(work: Work<T>, { memberId, readOnly = false }: Visit = {}): Promise<T> {
    const { doors, targets } = this.#platform.services;
    const entering = {
      actor: memberId && `member:${memberId}`,
      operation: "testing.asTenant",
      requestId: "",
      readOnly,
    };
    return await doors.asTenant(await targets.context(this.#made, entering), work);
  }

  member(role: Role): Promise<MadeMember> {
    const known = this.#members.get(role) ?? makeMember(this.#platform, this.#made, role);
    this.#members.set(role, known);
    return known;
  }

  async token(role: Role = "admin"): Promise<string> {
    const { id: memberId, sessionId } = await this.member(role);
    return await this.#platform.services.tokens.issueMember({ memberId, tenantId: this.id, role, sessionId });
  }

  async fetch(path: string, { role = "admin", json, ...init }: TenantRequest = {}): Promise<Response> {
    const headers = new Headers(init.headers);
    if (role && !headers.has("authorization")) headers.set("authorization", `Bearer ${await this.token(role)}`);
    if (json !== undefined) {
      headers.set("content-type", "application/json");
      init = { method: "POST", ...init, body: JSON.stringify(json) };
    }
    return await this.#platform.fetch(path, { ...init, headers });
  }

  async job(id: string, ms = 20_000): Promise<EndedJob> {
    for (const end = Date.now() + ms; Date.now() < end;) {
      const [job] = await this.asTenant((tx) =>
        tx<EndedJob>`select status, result, error from tenant.jobs where id = ${id} and finished_at is not null`
      );
      if (job) return job;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    throw new Error(`Job "${id}" has not ended within ${ms} ms\n${this.#platform.lines.slice(-10).join("\n")}`);
  }
}

let switched: TestTenant | undefined;

/**
 * Says in which tenant the following lines of a test are, and gives it back: `await switchTenant(a).fetch(…)`.
 * It decides nothing but what {@link currentTenant} gives; the database knows nothing of it.
 */
export function switchTenant(tenant: TestTenant): TestTenant {
  return switched = tenant;
}

/** The tenant that was switched to last. Throws when there was none. */
export function currentTenant(): TestTenant {
  if (!switched) throw new Error("Call switchTenant() first: the test is in no tenant yet");
  return switched;
}
