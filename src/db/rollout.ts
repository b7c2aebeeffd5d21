// The rollout: roles → databases → migrations → queue schema → policies → proof. Idempotent; one transaction a database,
// so a hole that the proof finds takes everything back. Connects as administrator or migrator, never as a run-time login.
import { applyMigrations } from "./migrate.ts";
import { OWN_ROLES, type PlacementRoles } from "./names.ts";
import { scramVerifier } from "./scram.ts";
import type { Sql } from "./direct.ts";
import { fill, located, policyFiles, quoteIdentifier, quoteLiteral } from "./sql_files.ts";

/** One advisory lock for all rollouts of a database: "bulkhead" as a number. */
const ROLLOUT_LOCK = 0x62756c6b;

/** What one database's rollout did, with durations in milliseconds. */
export interface RolloutReport {
  applied: string[];
  migrationsMs: number;
  policiesMs: number;
  proofMs: number;
}

/** The context-signing key of a placement: its id and the two padded HMAC blocks (RFC 2104). */
export interface PlacementKey {
  id: number;
  inner: Uint8Array;
  outer: Uint8Array;
}

function variables(roles: PlacementRoles): Record<string, string> {
  return {
    owner: roles.owner,
    keeper: roles.keeper,
    tenant_login: roles.tenantLogin,
    platform_login: OWN_ROLES.platformLogin,
    queue_login: OWN_ROLES.queueLogin,
    migrator: OWN_ROLES.migrator,
  };
}

async function runFiles(sql: Sql, roles: PlacementRoles, ...prefixes: string[]): Promise<number> {
  const started = performance.now();
  for (const file of policyFiles(...prefixes)) {
    const text = fill(file, variables(roles));
    await sql.unsafe(text).catch((error) => {
      throw located(error, file, text);
    });
  }
  return performance.now() - started;
}

/** Sets up the roles of a server as its administrator. `passwords` holds one for each login, with the salt of its verifier. */
export async function deployRoles(
  admin: Sql,
  roles: PlacementRoles,
  passwords: Record<string, { password: string; salt: Uint8Array }>,
): Promise<void> {
  await admin.begin(async (sql) => {
    await sql.unsafe(`select pg_advisory_xact_lock(${ROLLOUT_LOCK})`);
    await runFiles(sql as unknown as Sql, roles, "00");
    for (const [login, secret] of Object.entries(passwords)) await setPassword(sql as unknown as Sql, login, secret);
  });
}

async function setPassword(sql: Sql, login: string, secret: { password: string; salt: Uint8Array }): Promise<void> {
  const verifier = scramVerifier(secret.password, secret.salt);
  await sql.unsafe(`alter role ${quoteIdentifier(login)} password ${quoteLiteral(verifier)}`);
}

/**
 * Makes the roles of one placement if they are missing: NOLOGIN owner and keeper, and the login with its password.
 * Run as the migrator (or the customer's administrator); makes itself a member of owner and keeper, as SET ROLE needs.
 */
export async function ensurePlacementRoles(
  sql: Sql,
  roles: PlacementRoles,
  secret: { password: string; salt: Uint8Array },
): Promise<void> {
  await sql.begin(async (tx) => {
    await tx.unsafe(`select pg_advisory_xact_lock(${ROLLOUT_LOCK})`);
    const wanted: [string, string][] = [
      [roles.owner, "nologin"],
      [roles.keeper, "nologin"],
      [roles.tenantLogin, "login noinherit connection limit 100"],
    ];
    for (const [role, attributes] of wanted) {
      const [{ exists }] = await tx`select exists (select from pg_roles where rolname = ${role}) as exists`;
      if (!exists) await tx.unsafe(`create role ${quoteIdentifier(role)} ${attributes}`);
    }
    for (const role of [roles.owner, roles.keeper]) {
      const [{ member }] = await tx`select pg_has_role(current_user, ${role}, 'member')
        and (current_setting('server_version_num')::int < 160000 or pg_has_role(current_user, ${role}, 'set')) as member`;
      if (!member) await tx.unsafe(`grant ${quoteIdentifier(role)} to current_user`);
    }
    await setPassword(tx as unknown as Sql, roles.tenantLogin, secret);
    await tx.unsafe(`alter role ${quoteIdentifier(roles.tenantLogin)} set statement_timeout = '60s';
      alter role ${quoteIdentifier(roles.tenantLogin)} set idle_in_transaction_session_timeout = '60s';
      alter role ${quoteIdentifier(roles.tenantLogin)} set lock_timeout = '10s';
      alter role ${quoteIdentifier(roles.tenantLogin)} set client_connection_check_interval = '10s'`);
  });
}

/** Makes a database if it is missing, owned by the caller. Returns whether it was made. */
export async function createDatabase(sql: Sql, name: string): Promise<boolean> {
  const [{ exists }] = await sql`select exists (select from pg_database where datname = ${name}) as exists`;
  if (exists) return false;
  await sql.unsafe(`create database ${quoteIdentifier(name)} template template1 strategy wal_log encoding 'UTF8'`)
    .catch((error) => {
      if (error.code !== "42P04") throw error; // another process made it just now
    });
  return true;
}

/** Closes the current database to PUBLIC and opens it to `logins` (R8). Run by the database's owner. */
export async function closeDatabase(sql: Sql, logins: string[]): Promise<void> {
  const [{ name }] = await sql`select current_database() as name`;
  const grants = logins.map((login) =>
    `grant connect on database ${quoteIdentifier(name)} to ${quoteIdentifier(login)};`
  );
  await sql.unsafe(`revoke all on database ${quoteIdentifier(name)} from public; ${grants.join(" ")}`);
}

/**
 * Brings one placement's database to the current schema, rights and key, and proves it.
 * Throws with SQLSTATE BH900 when the proof finds a hole; nothing was changed then.
 */
export async function deployPlacement(sql: Sql, roles: PlacementRoles, key: PlacementKey): Promise<RolloutReport> {
  return await sql.begin(async (transaction) => {
    const tx = transaction as unknown as Sql;
    await tx.unsafe(`select pg_advisory_xact_lock(${ROLLOUT_LOCK})`);
    const started = performance.now();
    await runFiles(tx, roles, "10");
    const applied = await applyMigrations(tx, "tenant", variables(roles));
    const migrationsMs = performance.now() - started;
    await installKey(tx, roles, key);
    const policiesMs = await runFiles(tx, roles, "3");
    const proofMs = await runFiles(tx, roles, "90");
    return { applied, migrationsMs, policiesMs, proofMs };
  }) as RolloutReport;
}

/** Puts a key into a placement, beside those that are there, inside the caller's transaction. */
export async function installKey(sql: Sql, roles: PlacementRoles, key: PlacementKey): Promise<void> {
  const bytes = (block: Uint8Array) => `'\\x${Array.from(block, (b) => b.toString(16).padStart(2, "0")).join("")}'`;
  await sql.unsafe(`set local role ${quoteIdentifier(roles.keeper)};
    insert into app.keys (id, inner_block, outer_block) values (${Number(key.id)}, ${bytes(key.inner)}, ${
    bytes(key.outer)
  })
    on conflict (id) do update set inner_block = excluded.inner_block, outer_block = excluded.outer_block
      where app.keys.inner_block <> excluded.inner_block;
    reset role`);
}

/** Opens or closes the gate of a tenant in its placement; bites at the tenant's next statement, in every process. */
export async function setGate(
  sql: Sql,
  roles: PlacementRoles,
  tenantId: string,
  open: boolean,
  reason: string | null = null,
): Promise<void> {
  await sql.begin(async (tx) => {
    await tx.unsafe(`set local role ${quoteIdentifier(roles.keeper)}`);
    await tx`insert into app.gates (tenant_id, open, reason) values (${tenantId}, ${open}, ${reason})
      on conflict (tenant_id) do update set open = excluded.open, reason = excluded.reason, changed_at = now()`;
  });
}

/** Brings the platform database to the current schema and rights; pg-boss's tables must be there already. */
export async function deployPlatform(sql: Sql, roles: PlacementRoles): Promise<RolloutReport> {
  return await sql.begin(async (transaction) => {
    const tx = transaction as unknown as Sql;
    await tx.unsafe(`select pg_advisory_xact_lock(${ROLLOUT_LOCK})`);
    const started = performance.now();
    const applied = await applyMigrations(tx, "platform", variables(roles));
    const migrationsMs = performance.now() - started;
    const policiesMs = await runFiles(tx, roles, "20", "40");
    const proofMs = await runFiles(tx, roles, "90");
    return { applied, migrationsMs, policiesMs, proofMs };
  }) as RolloutReport;
}

/**
 * What only a superuser can do in the current database: no large objects for PUBLIC (they know no tenant), no ending of
 * other sessions (those of the same login may be other tenants'), nothing in the log of changes that no rollback undoes, and in a placement, whose `roles` are given, the event
 * trigger.
 */
export async function hardenDatabase(admin: Sql, roles: PlacementRoles | null): Promise<void> {
  if (roles) await runFiles(admin, roles, "15");
  await admin.unsafe(`do $$ declare f regprocedure; begin
    for f in select p.oid from pg_proc p where p.pronamespace = 'pg_catalog'::regnamespace
      and (p.proname ~ '^lo_(creat|create|from_bytea|import|open|put|unlink|export)$'
        or p.proname in ('pg_terminate_backend', 'pg_cancel_backend', 'pg_logical_emit_message')) loop
      execute format('revoke execute on function %s from public', f);
    end loop; end $$`);
}
