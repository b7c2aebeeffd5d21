// A tenant's gate: the row in its placement that app.tenant_id() asks at every statement. Closed, it shuts the tenant out
// at its next statement, whatever any process still believes. Moved as the one who may change the placement.
import type { Sql } from "../../db/direct.ts";
import { setGate } from "../../db/rollout.ts";
import { AppError } from "../../errors.ts";
import type { Services } from "../../tenancy/services.ts";
import type { TenantStatus } from "../tenants/model.ts";
import { openPlacement } from "./connect.ts";
import { within } from "./deadline.ts";
import { type Placement, rolesOf } from "./model.ts";

const LIMITS = { connectMs: 5_000, statementTimeoutMs: 5_000, byteLimit: 1024 * 1024 };
const MOVE_MS = 5_000;

/** The gates of one placement, as far as they can be reached. */
export interface Gates {
  /** Opens a tenant's gate for status `active`, closes it for any other. @throws AppError, PostgresError */
  set(tenantId: string, status: TenantStatus): Promise<void>;
  end(): Promise<void>;
}

/**
 * Connects to the gates of a placement, in up to 5 seconds; each move may take as long.
 * @throws AppError as {@link openPlacement}.
 */
export async function reachGates(services: Services, placement: Placement): Promise<Gates> {
  const connection: Sql = await openPlacement(services, placement, LIMITS);
  const late = () => new AppError("database_unavailable", "The tenant's database does not answer in time");
  return {
    async set(tenantId, status) {
      // A customer reads this table: it says no more than the status.
      await within(MOVE_MS, setGate(connection, rolesOf(placement), tenantId, status === "active", status), late);
    },
    end: () => connection.end({ timeout: 0 }).catch(() => {}), // what cannot be closed is gone already
  };
}
