// Connections for rollouts and provisioning: as migrator on our servers, as the customer's administrator on theirs.
// Requests never come this way; they have the doors. A customer's host is resolved and checked each time (R10).
import { openDirect, type Sql } from "../../db/direct.ts";
import type { Target } from "../../db/pool.ts";
import { AppError } from "../../errors.ts";
import type { Services } from "../../tenancy/services.ts";
import { type Placement, serverScope } from "./model.ts";

/** Milliseconds that one statement of a rollout may run. */
const STATEMENT_MS = 20_000;

async function byoTarget(services: Services, placement: Placement): Promise<Target> {
  const { server } = placement;
  if (!server.admin_user || !server.admin_secret) throw new AppError("internal", "The customer's server has no login");
  const { address, servername } = await services.egress.resolve(server.host);
  return {
    host: address,
    port: server.port,
    database: placement.database_name,
    user: server.admin_user,
    password: await services.secrets.open(server.admin_secret, serverScope(server.id)),
    tls: { mode: server.tls_mode, ca: server.tls_ca ?? undefined, servername },
    applicationName: "bulkhead provisioning",
  };
}

/** Runs `work` on a connection of its own to the placement's database, as the one who may change it; closes it. */
export async function withPlacement<T>(
  services: Services,
  placement: Placement,
  work: (sql: Sql) => Promise<T>,
): Promise<T> {
  const target = placement.server.kind === "byo"
    ? await byoTarget(services, placement)
    : services.servers.migrator(placement.database_name);
  return await withDirect(target, work);
}

/** Runs `work` on a direct connection and closes it. */
export async function withDirect<T>(target: Target, work: (sql: Sql) => Promise<T>): Promise<T> {
  const sql = await openDirect(target, { statementTimeoutMs: STATEMENT_MS });
  try {
    return await work(sql);
  } finally {
    await sql.end({ timeout: 1 });
  }
}
