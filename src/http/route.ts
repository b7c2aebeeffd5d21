// A route is a value: who may call it, what it takes, what it answers, and its handler, under one operation name that is
// also the OpenAPI operationId, the log's operation and the database's app.operation. mount.ts serves it.
import type { z } from "@hono/zod-openapi";
import type { Work } from "../db/doors.ts";
import type { Tx } from "../db/sql.ts";
import type { Code } from "../errors.ts";
import type { Permission, Permissions } from "../identity/permissions.ts";
import type { Duty, ImpersonatorPrincipal, MemberPrincipal, TenantPrincipal } from "../identity/principal.ts";
import type { Log } from "../telemetry/log.ts";
import type { TenantRecord } from "../tenancy/directory.ts";
import type { Services } from "../tenancy/services.ts";
import type { RouteLimit } from "./rate_limit.ts";

/** Who is signed in as a member of a tenant. */
export type MemberCaller = MemberPrincipal & { id: string };

/** Who is signed in as an operator of the platform, or whose key is shown. */
export interface OperatorCaller {
  id: string;
  email: string;
  role: string;
  /** The key that was shown; null for a person who signed in. */
  keyId: string | null;
  accessVersion: number;
  /** What must be done first; null: nothing. */
  duty: Duty | null;
}

/** Callers of routes by which somebody could stay in a tenant: not an operator on a visit. */
export const NO_VISITORS = ["member", "key"] as const satisfies readonly TenantPrincipal["kind"][];

/** One call of a route. What its group does not provide throws when it is read. */
export interface Call<P = unknown, Q = unknown, B = unknown> {
  params: P;
  query: Q;
  body: B;
  request: Request;
  requestId: string;
  operation: string;
  log: Log;
  /** The caller, in the groups signedIn and tenantMember. */
  readonly member: MemberCaller;
  /** The member who calls, or null for a program with a key and for an operator's visit: what `created_by` columns hold. */
  readonly memberId: string | null;
  /** The operator who visits, on routes for them. */
  readonly visitor: ImpersonatorPrincipal;
  /** What the caller may do, in tenant groups. */
  readonly permissions: Permissions;
  /** Where the request came from. */
  readonly origin: { address: string | null; agent: string | null };
  /** The caller, in the group platformStaff. */
  readonly operator: OperatorCaller;
  /** The tenant that was entered, in tenant groups. */
  readonly tenant: TenantRecord;
  /** Runs work in this call's tenant, in a transaction (the one of the Idempotency-Key, if there is one). */
  asTenant<T>(work: Work<T>, options?: { deadlineMs?: number }): Promise<T>;
  /** Asks the tenant's database whether the caller is still let in: for routes that would not visit it. Throws `unauthorized`. */
  stillIn(): Promise<void>;
  /** Runs work on the platform database. */
  asPlatform<T>(work: Work<T>): Promise<T>;
  /** Runs after the transaction is committed; a failure is logged and does not change the answer. */
  afterCommit(work: () => Promise<void>): void;
  /** Writes a job of this tenant in the transaction; it reaches the queue after the commit. */
  enqueue(tx: Tx, kind: string, params: Record<string, unknown>): Promise<{ id: string }>;
  services: Services;
}

/** Everything that a route says of itself. */
export interface RouteSpec<
  P extends z.ZodType = z.ZodType,
  Q extends z.ZodType = z.ZodType,
  B extends z.ZodType = z.ZodType,
  A extends z.ZodType | null | "stream" = z.ZodType | null | "stream",
> {
  /** Stable name, `things.verb`. */
  operation: string;
  method: "get" | "post" | "put" | "patch" | "delete";
  /** OpenAPI path, `/v1/things/{id}`. */
  path: string;
  summary: string;
  description?: string;
  tag: string;
  /** The permission that callers in a tenant need; every caller there may if absent. */
  can?: Permission;
  /** Who may call it in a tenant: by default members, programs with an API key, and operators on a visit. */
  callers?: readonly TenantPrincipal["kind"][];
  /** Duties during which it may be called: see `duty` of a member and of an operator. By default none. */
  during?: readonly Duty[];
  /** A refresh token in a cookie is enough to call it: then there is no caller, and the handler verifies the token. */
  orRefreshCookie?: boolean;
  /** A visit that may only look may call it all the same: it changes nothing of the tenant's. */
  leaves?: boolean;
  /** Operator roles that may call it, of routes of the platform; every operator if absent. */
  roles?: readonly string[];
  /** Whether operators call it themselves and their keys may not. */
  people?: boolean;
  params?: P;
  query?: Q;
  body?: B;
  /** The body is not parsed: the handler reads `call.request.body`. Content types that are accepted. */
  stream?: readonly string[];
  /** A create: honours Idempotency-Key; the handler runs inside the transaction that keeps the key. */
  idempotent?: boolean;
  /** Opens read-only transactions; GET routes do. */
  readOnly?: boolean;
  /** `strict` where secrets could be guessed (login, reset); `none` for what must always answer (health). */
  limit?: RouteLimit;
  /** Errors that are its own, beside those of its group: for the OpenAPI document. */
  errors?: readonly Code[];
  /** Whether it may send the browser on to another page. */
  redirects?: boolean;
  /** Status of success; 200 if absent. */
  status?: 200 | 201 | 202 | 204;
  /** Schema of the answer; null for 204; "stream" where the handler gives a Response. */
  answer: A;
  /** Content types of a streamed answer. */
  answerTypes?: readonly string[];
  handler(
    call: Call<z.output<P>, z.output<Q>, z.output<B>>,
  ): Promise<A extends z.ZodType ? z.input<A> : A extends "stream" ? Response : void | null>;
}

/** A route as it is mounted. */
export type Route = Omit<RouteSpec, "handler"> & { handler(call: Call): Promise<unknown> };

/** Declares a route; its types come from its schemas. */
export function route<
  P extends z.ZodType = z.ZodType<Record<string, string>>,
  Q extends z.ZodType = z.ZodType<Record<string, never>>,
  B extends z.ZodType = z.ZodType<undefined>,
  A extends z.ZodType | null | "stream" = null,
>(spec: RouteSpec<P, Q, B, A>): Route {
  return spec as unknown as Route;
}

/** The routes in tenants by their handlers in the app: for what refuses a request before it reaches its own. */
export const tenantRoutes = new WeakMap<object, Route>();
