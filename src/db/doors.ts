// The two doors, and no third: asTenant and asPlatform are the only ways from code to a transaction. Each sends who acts
// with the first statement of the transaction, transaction-local; a lone statement makes the whole visit one round trip.
// What must not happen here: a query outside a context, anything session-level, a pool handed out.
import type { Log } from "../telemetry/log.ts";
import { ContextStatement, type Pool } from "./pool.ts";
import type { Target } from "./pool.ts";
import type { Pools } from "./pools.ts";
import type { Query, Tx } from "./sql.ts";
import { fromDatabase, isRefusal } from "./sqlstate.ts";

/** The row that says what an operator may do, and its version when that was read. */
export interface Access {
  /** See platform.check_access() in sql/policies/20_platform.sql. */
  kind: string;
  id: string;
  version: number;
}

/** Where a request came from. */
export interface Origin {
  request?: string;
  address?: string | null;
  agent?: string | null;
  impersonating?: string;
}

/** Who enters which tenant, where it lives, and for what. */
export interface TenantContext {
  target: Target;
  tenantId: string;
  /** The signature for a backend: see tenancy/context.ts. */
  sign(pid: number): string;
  /** Operation name, for example `invoices.list`. */
  operation: string;
  requestId: string;
  readOnly: boolean;
  /** Where the request came from, for the audit. */
  origin?: Origin;
  /** Milliseconds that the whole visit may take. */
  deadlineMs?: number;
}

/** Who acts on the platform, and for what. */
export interface PlatformContext {
  /** `operator:<id>`, `system` or `anonymous`. */
  actor: string;
  /** What an operator was given, compared with what is in force. */
  access?: Access;
  operation: string;
  requestId: string;
  readOnly: boolean;
  deadlineMs?: number;
}

/** A piece of work on a transaction; a lazily returned single query costs one round trip. */
export type Work<T> = (tx: Tx) => PromiseLike<T> | Query<T>;

/** The two doors of a process. */
export interface Doors {
  /** Runs `work` in the tenant. Throws AppError; an error rolls everything back. */
  asTenant<T>(context: TenantContext, work: Work<T>): Promise<T>;
  /** Runs `work` on the platform database. Throws AppError; an error rolls everything back. */
  asPlatform<T>(context: PlatformContext, work: Work<T>): Promise<T>;
}

const ENTER_TENANT = new ContextStatement(
  "bulkhead_tenant",
  `select set_config('app.tenant_id', $1, true), set_config('app.proof', $2, true),
    set_config('app.operation', $3, true), set_config('app.origin', $4, true), set_config('transaction_read_only', $5, true)`,
  5,
);

const NOBODY: Access = { kind: "-", id: "", version: 0 };

const ENTER_PLATFORM = new ContextStatement(
  "bulkhead_platform",
  `select set_config('app.actor', $1, true), set_config('app.operation', $2, true),
    set_config('transaction_read_only', $3, true), platform.check_access($4, nullif($5, '')::uuid, $6::int)`,
  6,
);

/** Makes the doors over the process's pools. `platform` is the control plane's database and login. */
export function createDoors(pools: Pools, platform: Target, log: Log): Doors {
  async function visit<T>(pool: Pool, context: Parameters<Pool["run"]>[0], work: Work<T>, deadlineMs?: number) {
    return await pool.run(context, work, { deadlineMs });
  }
  return {
    async asTenant(context, work) {
      const { tenantId, operation, readOnly } = context;
      const origin = JSON.stringify(context.origin ?? {});
      const values = (pid: number) => [tenantId, context.sign(pid), operation, origin, readOnly ? "on" : "off"];
      try {
        return await visit(pools.get(context.target), { statement: ENTER_TENANT, values }, work, context.deadlineMs);
      } catch (error) {
        if (isRefusal(error)) {
          log.alarm("The database refused a tenant operation", {
            tenant: tenantId,
            operation,
            request: context.requestId,
            reason: (error as Error).message,
          });
        }
        throw fromDatabase(error);
      }
    },
    async asPlatform(context, work) {
      const { kind, id, version } = context.access ?? NOBODY;
      const entered = [context.readOnly ? "on" : "off", kind, id, String(version)];
      const values = () => [context.actor, context.operation, ...entered];
      try {
        return await visit(pools.get(platform), { statement: ENTER_PLATFORM, values }, work, context.deadlineMs);
      } catch (error) {
        throw fromDatabase(error);
      }
    },
  };
}
