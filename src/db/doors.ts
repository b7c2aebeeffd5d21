// The two doors, and no third: asTenant and asPlatform are the only ways from code to a transaction. Each sends who acts
// with the first statement of the transaction, transaction-local; a lone statement makes the whole visit one round trip.
// What must not happen here: a query outside a context, anything session-level, a pool handed out.
import type { Log } from "../telemetry/log.ts";
import { type Context, ContextStatement, type Pool } from "./pool.ts";
import type { Target } from "./pool.ts";
import type { Pools } from "./pools.ts";
import { Proofs, type Signature } from "./proofs.ts";
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
export interface TenantContext extends Signature {
  target: Target;
  tenantId: string;
  /** Operation name, for example `invoices.list`. */
  operation: string;
  requestId: string;
  readOnly: boolean;
  /** Whether `sign` signs an actor who is limited to units. */
  limited?: boolean;
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

const READ_TENANT = new ContextStatement(
  "bulkhead_read",
  `select set_config('app.tenant_id', $1, true), set_config('app.proof', $2, true), set_config('transaction_read_only', 'on', true)`,
  2,
);

/** What writes says for what and from where, for the audit. */
const WRITE_TENANT = new ContextStatement(
  "bulkhead_write",
  `select set_config('app.tenant_id', $1, true), set_config('app.proof', $2, true), set_config('transaction_read_only', 'off', true),
    set_config('app.operation', $3, true), set_config('app.origin', $4, true)`,
  4,
);

/** A mark that nothing in the transaction can take off again: see sql/policies/33_rows.sql. */
const LIMITED = new ContextStatement("bulkhead_limited", "set transaction_deferrable = on", 0);

const REMEMBER = new ContextStatement("bulkhead_remember", "select app.remember($1, $2, $3)", 3);

const NOBODY: Access = { kind: "-", id: "", version: 0 };

const ENTER_PLATFORM = new ContextStatement(
  "bulkhead_platform",
  `select set_config('app.actor', $1, true), set_config('app.operation', $2, true),
    set_config('transaction_read_only', $3, true), platform.check_access($4, nullif($5, '')::uuid, $6::int)`,
  6,
);

/** Makes the doors over the process's pools. `platform` is the control plane's database and login. */
export function createDoors(pools: Pools, platform: Target, log: Log): Doors {
  const proofs = new Proofs();
  async function visit<T>(pool: Pool, context: Context, work: Work<T>, deadlineMs?: number) {
    return await pool.run(context, work, { deadlineMs });
  }
  return {
    async asTenant(context, work) {
      const { tenantId, operation } = context;
      const told = context.readOnly ? [] : [operation, JSON.stringify(context.origin ?? {})];
      const entering: Context = {
        statement: context.readOnly ? READ_TENANT : WRITE_TENANT,
        values: (pid) => [tenantId, proofs.prove(context, pid), ...told],
        mark: context.limited ? LIMITED : undefined,
        aside(pid) {
          const told = context.limited ? null : proofs.permit(context, pid);
          return told && { statement: REMEMBER, values: [tenantId, ...told] };
        },
      };
      try {
        return await visit(pools.get(context.target), entering, work, context.deadlineMs);
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
