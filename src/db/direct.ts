// A single connection for rollouts, provisioning and listening: the stock driver client with all it can do (several
// statements at once, begin, copy), over the same wire in pass-through mode. Never for requests: nothing scopes it.
// It does not reconnect: after a fault every call is refused and the caller opens another.
import postgres from "postgres";
import { AppError } from "../errors.ts";
import { driverOptions } from "./connection.ts";
import { Wire } from "./wire.ts";
import { openSession, type Target } from "./wire_connect.ts";

/** The driver's client; values and rows are the driver's own here (dates are `Date`, for example). */
export type Sql = postgres.Sql;

export interface DirectOptions {
  /** Milliseconds for connecting and logging in; default 5,000. */
  connectMs?: number;
  /** Milliseconds that one statement may run, kept by the server; default 0, no limit. */
  statementTimeoutMs?: number;
  /** Bytes that the server may send; then the connection is cut. Default: no limit. */
  byteLimit?: number;
  onNotice?: (notice: postgres.Notice) => void;
  /** Called for each notification after `listen channel`. */
  onNotify?: (channel: string, payload: string) => void;
  /** Called once when the connection is gone, also after `end()`. */
  onDown?: () => void;
}

/**
 * Opens the connection; close it with `end()`.
 * @throws AppError `database_unavailable`; its cause says why, see `openSession()`.
 */
export async function openDirect(target: Target, options: DirectOptions = {}): Promise<Sql> {
  const { connectMs, statementTimeoutMs = 0, byteLimit = Infinity, onNotice = () => {}, onNotify, onDown } = options;
  const parameters: Record<string, string> = statementTimeoutMs > 0
    ? { statement_timeout: String(statementTimeoutMs) }
    : {};
  if (statementTimeoutMs > 0 && target.pooler === "transaction") {
    throw new AppError("internal", "A pooler takes no statement timeout: open the connection to the server itself");
  }
  const session = await openSession(target, { connectMs, parameters });
  const wire = new Wire(target, session, { scoped: false });
  wire.startLease(byteLimit);
  if (onDown) wire.once("down", onDown);
  // unnamed statements: a rollout changes the schema under prepared ones; begin() needs a pipeline of one
  return postgres(driverOptions(wire, { prepare: false, max_pipeline: 1, onnotice: onNotice, onnotify: onNotify }));
}

/** Opens a connection for the length of `work`. */
export async function withDirect<T>(
  target: Target,
  work: (sql: Sql) => Promise<T>,
  options: DirectOptions = {},
): Promise<T> {
  const sql = await openDirect(target, options);
  try {
    return await work(sql);
  } finally {
    await sql.end({ timeout: 1 }).catch(() => {}); // a connection that cannot be closed is gone already
  }
}
