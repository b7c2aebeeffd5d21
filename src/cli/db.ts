// `db deploy`, `db status`, `db new`: the schema of our own server. Without DATABASE_URL the embedded server is used.
import { join } from "node:path";
import type { Config } from "../config.ts";
import { type Sql, withDirect } from "../db/direct.ts";
import { type MigrationState, migrationStatus } from "../db/migrate.ts";
import { OWN_ROLES } from "../db/names.ts";
import { migrationFiles, type Plane } from "../db/sql_files.ts";
import { deployOwnServer, versionWarning } from "../platform/fleet/deploy.ts";
import { ownServers } from "../services.ts";
import type { Servers } from "../tenancy/servers.ts";
import { QUEUES } from "../worker.ts";
import { startEmbedded } from "./local.ts";
import { endProgram } from "../embedded/shutdown.ts";
import { withServers } from "./running.ts";

/** Where the schema is. */
export interface DbOptions {
  config: Config;
  dir: string;
  json: boolean;
}

/** Like withServers(), but not beside a process that serves here: it rolls out itself when it starts. */
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

/** Shows each migration and whether it is applied, also while `dev` or `demo` runs. Exits with 1 when one was changed after it was applied. */
export async function status(options: DbOptions): Promise<void> {
  await withServers(options, async (servers) => {
    const { platformDatabase, sharedDatabase, maintenanceDatabase } = servers.settings;
    const rolledOut = await withDirect(servers.admin(maintenanceDatabase), databasesOfMigrator);
    const read = async (database: string, plane: Plane) =>
      rolledOut.has(database)
        ? await withDirect(servers.migrator(database), (sql) => historyOf(sql, plane))
        : migrationFiles(plane).map(({ name }) => ({ plane, name, appliedAt: null, changed: false }));
    const states = [...await read(platformDatabase, "platform"), ...await read(sharedDatabase, "tenant")];
    if (options.json) console.log(JSON.stringify(states, null, 2));
    else for (const state of states) console.log(line(state));
    if (states.some((state) => state.changed)) Deno.exitCode = 1;
  });
}

/** What the migrator may have rolled out: nothing before the first rollout has made it. */
async function databasesOfMigrator(sql: Sql): Promise<Set<string>> {
  const rows = await sql`select datname from pg_database
    where exists (select from pg_roles where rolname = ${OWN_ROLES.migrator})`;
  return new Set(rows.map(({ datname }) => datname));
}

/** The history is the owner's, as whom the migrator rolls out. */
async function historyOf(sql: Sql, plane: Plane): Promise<MigrationState[]> {
  return await sql.begin("read only", async (tx) => {
    await tx`select set_config('role', ${OWN_ROLES.owner}, true)`;
    return await migrationStatus(tx as unknown as Sql, plane);
  }) as MigrationState[];
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
  // A module's own file comes after 33_rows.sql, which has what it calls; see docs/add-a-module.md.
  const rights = plane === "tenant" ? "sql/policies/34_<module>.sql" : "sql/policies/20_platform.sql";
  Deno.writeTextFileSync(
    path,
    `-- Why:   \n-- Locks: \n-- Undo:  \n-- Shape only: grants and policies go into ${rights}.\n\n`,
    { createNew: true },
  );
  console.log(`Wrote ${path}`);
  return path;
}
