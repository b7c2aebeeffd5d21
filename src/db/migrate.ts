// Applies the migrations of one plane inside the caller's transaction and keeps the history with the hash of each file.
// History is append-only: an applied file that was edited, renamed or removed stops the rollout and is named.
import type { Sql } from "./direct.ts";
import { fill, located, migrationFiles, type Plane, quoteIdentifier } from "./sql_files.ts";

/** Where a plane keeps its history. A placement's is made with its frame, in 10_context.sql. */
const HISTORY: Record<Plane, string> = { platform: "platform.migrations", tenant: "app.migrations" };

/** One migration and whether it is applied. */
export interface MigrationState {
  plane: Plane;
  name: string;
  appliedAt: string | null;
  changed: boolean;
}

interface Applied {
  name: string;
  sha256: string;
  applied_at: string;
}

async function history(sql: Sql, plane: Plane): Promise<Applied[]> {
  const [{ present }] = await sql.unsafe(`select to_regclass('${HISTORY[plane]}') is not null as present`);
  if (!present) return [];
  const rows = await sql.unsafe(`select name, sha256, applied_at::text from ${HISTORY[plane]} order by name`);
  return rows as unknown as Applied[];
}

/** What is applied, what is not, and which applied files were changed since. Reads only. */
export async function migrationStatus(sql: Sql, plane: Plane): Promise<MigrationState[]> {
  const applied = new Map((await history(sql, plane)).map((row) => [row.name, row]));
  const states = migrationFiles(plane).map((file) => {
    const row = applied.get(file.name);
    return { plane, name: file.name, appliedAt: row?.applied_at ?? null, changed: !!row && row.sha256 !== file.sha256 };
  });
  const known = new Set(states.map((s) => s.name));
  for (const row of applied.values()) {
    if (!known.has(row.name)) states.push({ plane, name: row.name, appliedAt: row.applied_at, changed: true });
  }
  return states;
}

/**
 * Applies what is pending, as the owner role, in the current transaction.
 * Returns the names applied. Throws when history and files disagree; nothing is applied then.
 */
export async function applyMigrations(sql: Sql, plane: Plane, variables: Record<string, string>): Promise<string[]> {
  const owner = quoteIdentifier(variables.owner);
  await sql.unsafe(`create schema if not exists ${plane} authorization ${owner};
    set local role ${owner};
    revoke all on schema ${plane} from public;`);
  if (plane === "platform") {
    await sql.unsafe(`create table if not exists platform.migrations (
      name text primary key, sha256 text not null, applied_at timestamptz not null default now());
      comment on table platform.migrations is 'Platform migrations applied here, with the hash that each file had';
      comment on column platform.migrations.name is 'File name';
      comment on column platform.migrations.sha256 is 'SHA-256 of the file when it was applied';
      comment on column platform.migrations.applied_at is 'When it was applied'`);
  }
  const changed = (await migrationStatus(sql, plane)).filter((state) => state.changed);
  if (changed.length) {
    const names = changed.map((state) => `"${state.name}"`).join(", ");
    throw new Error(
      `Applied migrations of plane "${plane}" were changed or removed: ${names}. Restore them and add a new file`,
    );
  }
  const done = new Set((await history(sql, plane)).map((row) => row.name));
  const pending = migrationFiles(plane).filter((file) => !done.has(file.name));
  for (const file of pending) {
    const text = fill(file, variables);
    await sql.unsafe(text).catch((error) => {
      throw located(error, file, text);
    });
    await sql.unsafe(`insert into ${HISTORY[plane]} (name, sha256) values ('${file.name}', '${file.sha256}')`);
  }
  await sql.unsafe("reset role");
  return pending.map((file) => file.name);
}
