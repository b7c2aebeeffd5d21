// Examines a customer's server before its application is approved: may we connect there, can it be reached, does the
// login work, is it new enough, has the login the rights, is the database free. The server is a stranger's: one
// deadline holds for everything, what it says is data, and none of its words are passed on.
import { openDirect, type Sql } from "../../db/direct.ts";
import { AppError, type Code } from "../../errors.ts";
import type { Services } from "../../tenancy/services.ts";
import { byoScope } from "../applications/model.ts";
import type { ByoConnection } from "../applications/queries.ts";
import { within } from "./deadline.ts";

/** Milliseconds for the whole examination. */
const DEADLINE_MS = 5_000;
/** Bytes that the server may send meanwhile. */
const BYTE_LIMIT = 64 * 1024;
/** PostgreSQL 15. */
const MIN_VERSION = 150_000;

interface Findings {
  version: number;
  owner: boolean;
  makes_roles: boolean;
  occupied: boolean;
}

/**
 * Examines the server of an application.
 * @returns server_version_num.
 * @throws AppError `egress_refused`, `byo_unreachable`, `byo_auth_failed`, `byo_version_unsupported`,
 * `byo_rights_missing`, or `conflict` when the database holds our schemas already.
 */
export async function examineByoServer(
  services: Services,
  applicationId: string,
  connection: ByoConnection,
): Promise<number> {
  const started = performance.now();
  const { address, servername } = await services.egress.resolve(connection.host);
  const password = await services.secrets.open(connection.password, byoScope(applicationId));
  const { port, database, user, tls_mode: mode } = connection;
  const tls = { mode, ca: connection.tls_ca ?? undefined, servername };
  const target = { host: address, port, database, user, password, tls, applicationName: "bulkhead examination" };
  const left = () => Math.max(1, DEADLINE_MS - (performance.now() - started));
  const limits = { connectMs: left(), statementTimeoutMs: Math.ceil(left()), byteLimit: BYTE_LIMIT };
  const sql = await openDirect(target, limits).catch((error) => Promise.reject(connectFailure(error)));
  try {
    const asked = ask(sql).catch((error) => Promise.reject(connectFailure(error)));
    const findings = await within(left(), asked, () => unreachable("The server does not answer in time"));
    judge(findings);
    return findings.version;
  } finally {
    await sql.end({ timeout: 0 }).catch(() => {});
  }
}

async function ask(sql: Sql): Promise<Findings> {
  const [row] = await sql<Findings[]>`select current_setting('server_version_num')::int as version,
      pg_has_role(current_user, d.datdba, 'member') as owner, r.rolcreaterole or r.rolsuper as makes_roles,
      exists (select from pg_namespace where nspname in ('app', 'tenant', 'reference')) as occupied
    from pg_database d, pg_roles r where d.datname = current_database() and r.rolname = current_user`;
  return row;
}

function judge(findings: Findings | undefined): void {
  if (typeof findings?.version !== "number") throw unreachable("The server does not answer like PostgreSQL");
  if (findings.version < MIN_VERSION) {
    const major = Math.floor(findings.version / 10_000);
    throw new AppError("byo_version_unsupported", `The server is PostgreSQL ${major}; use 15 or newer`);
  }
  const lacking = [
    ...(findings.owner ? [] : ["ownership of the database"]),
    ...(findings.makes_roles ? [] : ["CREATEROLE"]),
  ];
  if (lacking.length > 0) throw new AppError("byo_rights_missing", `The login lacks ${lacking.join(" and ")}`);
  if (findings.occupied) {
    throw new AppError(
      "conflict",
      'The database has a schema "app", "tenant" or "reference" already; give an empty one',
    );
  }
}

const REFUSALS: Record<string, [Code, string]> = {
  "28P01": ["byo_auth_failed", "The server refused the user or the password"],
  "28000": ["byo_auth_failed", "The server lets this user not in from here, or not without TLS"],
  SCRAM_REFUSED: ["byo_auth_failed", "The server could not complete the login by SCRAM-SHA-256"],
  WEAK_AUTHENTICATION: ["byo_auth_failed", "The server asks for a weaker login than SCRAM-SHA-256"],
  "3D000": ["byo_unreachable", "The server has no such database"],
  "42501": ["byo_rights_missing", "The login lacks CONNECT on the database"],
  "53300": ["byo_unreachable", "The server has no connection left"],
  "57P03": ["byo_unreachable", "The server is starting or stopping"],
  ECONNREFUSED: ["byo_unreachable", "Nothing listens on this host and port"],
  CONNECT_TIMEOUT: ["byo_unreachable", "The server does not answer in time"],
  TLS_REFUSED: ["byo_unreachable", "The server does not offer TLS"],
  PROTOCOL: ["byo_unreachable", "The server does not answer like PostgreSQL"],
};

/** What a failed connection means to the operator. */
export function connectFailure(error: unknown): AppError {
  const cause = error instanceof AppError ? error.cause : error;
  const code = (cause as { code?: unknown } | undefined)?.code;
  const [known, detail] = (typeof code === "string" ? REFUSALS[code] : undefined) ?? [];
  if (known) return new AppError(known, detail, { cause: error });
  const certificate = typeof code === "string" && /CERT|SIGNATURE|ALTNAME|SELF_SIGNED/.test(code);
  return unreachable(
    certificate ? "The server's certificate cannot be verified" : "The server cannot be reached",
    error,
  );
}

function unreachable(detail: string, cause?: unknown): AppError {
  return new AppError("byo_unreachable", detail, { cause });
}
