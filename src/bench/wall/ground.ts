// The ground of the measurements: an embedded cluster in a temporary folder with 1,000 tenants of 1,000 renters each, the
// same rows in a copy with the usual policy on a plain setting, and a login for each way to read them.
import { type Sql, withDirect } from "../../db/direct.ts";
import { quoteLiteral } from "../../db/sql_files.ts";
import type { Config } from "../../config.ts";
import { startEmbedded } from "../../cli/local.ts";
import { deployOwnServer } from "../../platform/fleet/deploy.ts";
import { createTokens } from "../../identity/tokens.ts";
import type { Servers } from "../../tenancy/servers.ts";
import { QUEUES } from "../../worker.ts";

export const TENANTS = 1_000;
export const ROWS = 1_000;
/** So many tenants ask; their rows lie everywhere among the others'. */
export const ASKING = 100;

/** The logins of the contenders. */
export const LOGINS = { plain: "bench_plain", naive: "bench_naive" } as const;

/** What the measurements stand on. */
export interface Ground {
  dir: string;
  servers: Servers;
  /** Tenants that ask, spread over all. */
  tenants: string[];
  placementId: string;
  /** An access token of a member of each. */
  tokens: string[];
  /** Password of the contenders' logins. */
  password: string;
  /** Milliseconds that the rows took. */
  filledIn: number;
}

/** Starts the cluster, rolls it out and fills it. */
export async function prepareGround(config: Config, dir: string): Promise<Ground> {
  const { servers } = await startEmbedded({ config, dir, say: () => {} });
  await deployOwnServer(servers, QUEUES);
  const password = crypto.randomUUID();
  const started = performance.now();
  const { ids, placementId } = await withDirect(
    servers.admin(servers.settings.platformDatabase),
    (sql) => fillPlatform(sql),
  );
  await withDirect(
    servers.admin(servers.settings.sharedDatabase),
    (sql) => fillPlacement(sql, ids, password),
  );
  const filledIn = performance.now() - started;
  const tenants = ids.filter((_, at) => at % (TENANTS / ASKING) === 0);
  const { issueMember } = createTokens(servers.masterKey, { issuer: "bulkhead", versions: [1] });
  const tokens = await Promise.all(
    tenants.map((tenantId) =>
      issueMember({ memberId: tenantId, tenantId, role: "admin", sessionId: crypto.randomUUID() })
    ),
  );
  return { dir, servers, tenants, placementId, tokens, password, filledIn };
}

async function fillPlatform(sql: Sql): Promise<{ ids: string[]; placementId: string }> {
  const rows = await sql<{ id: string; placement_id: string }[]>`
    insert into platform.tenants (id, slug, name, tier, status, placement_id, contact_name, contact_email, status_actor)
    select gen_random_uuid(), 'bench-' || n, 'Bench ' || n, 'shared', 'active', p.id, 'Ada Admin', 'ada@bench.test', 'system'
    from generate_series(1, ${TENANTS}::int) n, platform.placements p where p.kind = 'shared'
    returning id, placement_id`;
  return { ids: rows.map((row) => row.id), placementId: rows[0].placement_id };
}

/** Indexes are made after the rows, and only what the measured query can use is copied. */
async function fillPlacement(sql: Sql, ids: string[], password: string): Promise<void> {
  await sql`set session_replication_role = replica`;
  await sql`set maintenance_work_mem = '256MB'`;
  await sql`insert into app.gates (tenant_id, open) select unnest(${`{${ids}}`}::text::uuid[]), true`;
  // Each tenant's administrator has the tenant's own id; the trigger that tells who is let in does not fire here.
  await sql`insert into tenant.members (tenant_id, id, first_name, last_name, email, role, status)
    select id, id, 'Ada', 'Admin', 'ada@bench.test', 'admin', 'active' from unnest(${`{${ids}}`}::text::uuid[]) id`;
  await sql`insert into app.access (tenant_id, subject, version) select id, id, 1 from unnest(${`{${ids}}`}::text::uuid[]) id`;
  const indexes = await sql<{ name: string; definition: string }[]>`
    select indexrelid::regclass::text as name, pg_get_indexdef(indexrelid) as definition
    from pg_index where indrelid = 'tenant.renters'::regclass and not indisprimary`;
  for (const { name } of indexes) await sql.unsafe(`drop index ${name}`);
  await sql`insert into tenant.renters
      (tenant_id, first_name, last_name, email, phone, lease_starts_on, created_at, updated_at)
    select t.id, 'Rena', 'Renter ' || n, 'renter' || n || '@example.test', '+1 555 0100', date '2011-01-01' + n % 700,
      timestamptz '2011-01-01' + n * interval '1 hour', timestamptz '2012-01-01'
    from unnest(${`{${ids}}`}::text::uuid[]) t(id), generate_series(1, ${ROWS}::int) n`;
  for (const { definition } of indexes) await sql.unsafe(definition);
  await sql`create schema bench`;
  await sql`create table bench.renters (like tenant.renters including defaults including generated)`;
  const copied = (await sql<{ columns: string }[]>`
    select string_agg(quote_ident(attname), ', ') as columns from pg_attribute
    where attrelid = 'tenant.renters'::regclass and attnum > 0 and not attisdropped and attgenerated = ''`)[0].columns;
  await sql.unsafe(`insert into bench.renters (${copied}) select ${copied} from tenant.renters`);
  await sql`alter table bench.renters add primary key (tenant_id, id)`;
  await sql`create index on bench.renters (tenant_id, last_name_key, id)`;
  await sql`alter table bench.renters enable row level security`;
  await sql`create policy by_setting on bench.renters
    using (tenant_id = current_setting('jwt.claims.tenant_id', true)::uuid)`;
  await grantLogins(sql, password);
  await sql`vacuum analyze tenant.renters`;
  await sql`vacuum analyze bench.renters`;
  await sql`analyze app.keys, app.gates, app.access`; // as autovacuum does within a minute
}

/** `plain` reads the very table, without policies; `naive` the copy, by the policy on a plain setting. */
async function grantLogins(sql: Sql, password: string): Promise<void> {
  const [{ database }] = await sql<{ database: string }[]>`select quote_ident(current_database()) as database`;
  for (const login of Object.values(LOGINS)) {
    const rights = login === LOGINS.plain ? "bypassrls" : "";
    await sql.unsafe(`create role ${login} login ${rights} password ${quoteLiteral(password)}`);
    await sql.unsafe(`grant connect on database ${database} to ${login}`);
  }
  await sql.unsafe(`grant usage on schema tenant to ${LOGINS.plain}; grant usage on schema bench to ${LOGINS.naive}`);
  await sql.unsafe(`grant select on tenant.renters to ${LOGINS.plain}`);
  await sql.unsafe(`grant select on bench.renters to ${LOGINS.naive}`);
}
