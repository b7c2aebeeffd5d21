// Connections for rollouts and provisioning: as migrator on our servers, as the customer's administrator on theirs.
// Requests never come this way; they have the doors. A customer's host is resolved and checked each time (R10).
import { type DirectOptions, openDirect, type Sql, withDirect } from "../../db/direct.ts";
import type { Target } from "../../db/pool.ts";
import { AppError } from "../../errors.ts";
import type { Services } from "../../tenancy/services.ts";
import { within } from "./deadline.ts";
import { connectFailure } from "./examine.ts";
import { type Placement, serverScope } from "./model.ts";

/** Milliseconds for one statement of a rollout, and bytes for all answers: the server may be a stranger's. */
export const ROLLOUT_LIMITS = { statementTimeoutMs: 20_000, byteLimit: 64 * 1024 * 1024 };
const WORK_MS = 60_000;

/**
 * How to connect to a placement's database as the one who may change it.
 * @throws AppError `egress_refused` when a customer's host may not be connected to.
 */
export async function placementTarget(services: Services, placement: Placement): Promise<Target> {
  const { server } = placement;
  if (server.kind === "own") return services.servers.migrator(placement.database_name);
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

/**
 * Connects to a placement's database as the one who may change it; close the connection with `end()`.
 * @throws AppError `egress_refused`; `byo_unreachable`, `byo_auth_failed` … for a customer's server, `database_unavailable`
 * for ours.
 */
export async function openPlacement(
  services: Services,
  placement: Placement,
  limits: DirectOptions = ROLLOUT_LIMITS,
): Promise<Sql> {
  const target = await placementTarget(services, placement);
  try {
    return await openDirect(target, limits);
  } catch (error) {
    throw placement.server.kind === "byo" ? connectFailure(error) : error;
  }
}

/** Runs `work` on a connection of its own and closes it; a minute is the most that it may take. */
export async function withinLimits<T>(target: Target, work: (sql: Sql) => Promise<T>): Promise<T> {
  return await withDirect(target, (sql) => within(WORK_MS, work(sql), late), ROLLOUT_LIMITS);
}

/**
 * Runs `work` in a transaction of a placement's database as its keeper, who alone sees keys and gates.
 * @throws AppError as {@link openPlacement}.
 */
export async function asKeeper<T>(
  services: Services,
  placement: Placement,
  work: (tx: Sql) => Promise<T>,
): Promise<T> {
  const sql = await openPlacement(services, placement);
  const transaction = sql.begin(async (tx) => {
    await tx`set local role ${tx(placement.keeper_role)}`;
    return await work(tx as unknown as Sql);
  }) as Promise<T>;
  try {
    return await within(WORK_MS, transaction, late);
  } finally {
    await sql.end({ timeout: 1 }).catch(() => {}); // a connection that cannot be closed is gone already
  }
}

function late(): AppError {
  return new AppError("database_unavailable", "The database does not answer in time");
}
