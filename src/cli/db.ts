// `db deploy`, `db status`, `db new`: the schema of our own server. Without DATABASE_URL the embedded server is used.
import { join } from "node:path";
import type { Config } from "../config.ts";
import { withDirect } from "../db/direct.ts";
import { type MigrationState, migrationStatus } from "../db/migrate.ts";
import { migrationFiles, type Plane } from "../db/sql_files.ts";
import { deployOwnServer, versionWarning } from "../platform/fleet/deploy.ts";
import { ownServers } from "../services.ts";
import type { Servers } from "../tenancy/servers.ts";
import { QUEUES } from "../worker.ts";
import { startEmbedded } from "./local.ts";
import { endProgram } from "../embedded/shutdown.ts";

/** Where the schema is. */
export interface DbOptions {
  config: Config;
  dir: string;
  json: boolean;
}

async function withServer(options: DbOptions, work: (servers: Servers) => Promise<void>): Promise<void> {
  if (options.config.DATABASE_URL && options.config.BULKHEAD_MASTER_KEY) return await work(ownServers(options.config));
  const { servers } = await startEmbedded({ ...options, say: () => {} });
  await work(servers);
  await endProgram(Deno.exitCode);
}

/** Rolls out everything that is pending, and proves it. */
export async function deploy(options: DbOptions): Promise<void> {
  await withServer(options, async (servers) => {
    const report = await deployOwnServer(servers, QUEUES);
    if (options.json) return console.log(JSON.stringify(report, null, 2));
    for (const plane of ["platform", "shared"] as const) {
      const { applied, proofMs } = report[plane];
      console.log(
        `${plane}: ${applied.length ? `applied ${applied.join(", ")}` : "nothing pending"}; proof passed in ${
          Math.round(proofMs)
        } ms`,
      );
    }
    for (const residual of report.residuals) console.log(`left open: ${residual}`);
    const warning = versionWarning(report.serverVersion);
    if (warning) console.log(`warning: ${warning}`);
    console.log(`done in ${Math.round(report.ms)} ms`);
  });
}

/** Shows each migration and whether it is applied. Exits with 1 when one was changed after it was applied. */
export async function status(options: DbOptions): Promise<void> {
  await withServer(options, async (servers) => {
    const { platformDatabase, sharedDatabase } = servers.settings;
    const read = (database: string, plane: Plane) =>
      withDirect(servers.admin(database), (sql) => migrationStatus(sql, plane)).catch(() => unknown(plane));
    const states = [...await read(platformDatabase, "platform"), ...await read(sharedDatabase, "tenant")];
    if (options.json) console.log(JSON.stringify(states, null, 2));
    else for (const state of states) console.log(line(state));
    if (states.some((state) => state.changed)) Deno.exitCode = 1;
  });
}

/** The database is not there yet. */
function unknown(plane: Plane): MigrationState[] {
  return migrationFiles(plane).map((file) => ({ plane, name: file.name, appliedAt: null, changed: false }));
}

function line({ plane, name, appliedAt, changed }: MigrationState): string {
  const what = changed ? "CHANGED after it was applied" : appliedAt ? `applied ${appliedAt}` : "pending";
  return `${plane.padEnd(9)} ${name.padEnd(44)} ${what}`;
}

/** Writes an empty migration with the next number. Returns its path. */
export function newMigration(plane: Plane, name: string): string {
  if (!/^[a-z][a-z0-9_]{1,60}$/.test(name)) throw new Error(`Name the migration with [a-z0-9_], not "${name}"`);
  const last = migrationFiles(plane).at(-1)?.name ?? "0000";
  const number = String(Number(last.slice(0, 4)) + 1).padStart(4, "0");
  const path = join("sql", "migrations", plane, `${number}_${name}.sql`);
  const rights = plane === "tenant" ? "sql/policies/30_tenant.sql" : "sql/policies/20_platform.sql";
  Deno.writeTextFileSync(
    path,
    `-- Why:   \n-- Locks: \n-- Undo:  \n-- Shape only: grants and policies go into ${rights}.\n\n`,
    { createNew: true },
  );
  console.log(`Wrote ${path}`);
  return path;
}
