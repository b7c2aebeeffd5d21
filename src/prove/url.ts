// The proof of a database that is in use: the rights, and the attacks on every table of its catalogue, between two tenants
// that are made inside one transaction and undone with it. Their contexts are signed with a key that is made and undone there
// too, so that no secret of the deployment is needed. Nothing is left but dead rows for the next vacuum.
import { type Sql, withDirect } from "../db/direct.ts";
import type { PlacementRoles } from "../db/names.ts";
import type { Target } from "../db/pool.ts";
import { installKey } from "../db/rollout.ts";
import { quoteIdentifier } from "../db/sql_files.ts";
import { keyBlocks } from "../tenancy/context.ts";
import { runAttacks } from "./attacks/attack_run.ts";
import { ATTACKS } from "./attacks/catalogue.ts";
import type { Battlefield } from "./attacks/ground.ts";
import { readTables, type Table } from "./catalogue.ts";
import type { Report } from "./report/report.ts";
import { proveRights } from "./rights.ts";
import { Rows } from "./rows.ts";
import { type Attacker, entering, hear } from "./session.ts";

export interface UrlOptions {
  quick: boolean;
  say?: (sentence: string) => void;
}

/** A key id that no rotation will reach. */
const SCRATCH_KEY = 777_777;

const UNCHECKED = [
  "what becomes of a session after its transaction, and SET ROLE and SESSION AUTHORIZATION: the attacks run inside the prover's own session",
  "contexts of the deployment's real keys, the random run, HTTP routes, jobs, caches, logs and files: run without --url for those",
  "other databases of the deployment: give each one's URL",
];

/** What each attack may take, in milliseconds: what a hole shows may be all that a large database holds. */
const ATTACK_MS = 20_000;
/** An attack that a hole lets write must not wait long for those who work there, nor they for it. */
const LOCK_MS = 2_000;

/** What PostgreSQL says of a statement that took too long, and of one that waited too long for a lock. */
const STOPPED = new Set(["57014", "55P03"]);

/** Whether the driver speaks TLS, by what `sslmode` says. It never tries first whether the server does. */
const TLS_BY_SSLMODE: Record<string, boolean> = {
  disable: false,
  require: true,
  "verify-ca": true,
  "verify-full": true,
};

/** Takes a URL apart: nothing in it but host, port, database and login reaches the driver. `sslmode=require` asks for TLS. */
export function targetOf(text: string): Target {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (!url || !/^postgres(ql)?:$/.test(url.protocol) || !url.username) {
    throw new Error('Give "--url" as postgres://user:password@host:port/database');
  }
  const sslmode = url.searchParams.get("sslmode") ?? "disable";
  if (!Object.hasOwn(TLS_BY_SSLMODE, sslmode)) {
    throw new Error(`Give "sslmode" as disable, require, verify-ca or verify-full, not "${sslmode}"`);
  }
  return {
    host: url.hostname.replace(/^\[|\]$/g, ""),
    port: Number(url.port || 5432),
    database: decodeURIComponent(url.pathname.slice(1)) || "postgres",
    user: decodeURIComponent(url.username),
    password: decodeURIComponent(url.password),
    tls: TLS_BY_SSLMODE[sslmode] ? { mode: "require" } : undefined,
    applicationName: "bulkhead prove",
  };
}

/** Proves one database. Throws when it has no tenants' tables, or its login may not look. */
export async function proveUrl(text: string, { quick, say = () => {} }: UrlOptions): Promise<Report> {
  const target = targetOf(text);
  const started = performance.now();
  const notices: string[] = [];
  return await withDirect(target, async (sql) => {
    const about = await lookAround(sql);
    say("rights");
    const rights = await proveRights(target.database, sql, about.roles);
    for (const hole of rights.holes) say(`hole: ${hole}`); // at once: the attacks take their time
    const tables = await readTables(sql, "tenant", about.roles.tenantLogin);
    const unchecked = new Set<string>();
    const why = whyNot(about, tables);
    if (why) unchecked.add(`attacks: ${why}`);
    const attacked = why ? { attacks: [] } : await undone(
      sql,
      (tx) => attackInside(tx, about.roles, notices, { quick, say, unchecked }),
    ).then((attacks) => ({ attacks }), (error) => ({ attacks: [], stopped: sentenceOf(error) }));
    return {
      at: new Date().toISOString(),
      subject: `database ${target.database} on ${target.host}:${target.port}`,
      serverVersion: about.version,
      tables: tables.map(({ name }) => name),
      rights: [rights],
      ...attacked,
      property: null,
      channels: [],
      unchecked: [...unchecked, ...UNCHECKED],
      seconds: { all: (performance.now() - started) / 1000 },
    };
  }, { onNotice: (notice) => void notices.push(JSON.stringify(notice)) });
}

interface Surroundings {
  roles: PlacementRoles;
  /** Whether we are a superuser. */
  superuser: boolean;
  /** Whether the run-time login is above row-level security, which the proof of rights tells as a hole. */
  loginAbove: boolean;
  version: number;
}

/** Why there is nothing that attacks could tell, or null. */
function whyNot({ roles, superuser, loginAbove }: Surroundings, tables: Table[]): string | null {
  if (tables.length === 0) return "there is no table in schema tenant";
  if (loginAbove) {
    return `"${roles.tenantLogin}" is above row-level security, so each would reach the rows of everybody`;
  }
  if (superuser) return null;
  return "only a superuser can act as the run-time login inside one transaction; give the URL of one, or run without --url";
}

function sentenceOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The roles of the database, as its schemas and grants tell. */
async function lookAround(sql: Sql): Promise<Surroundings> {
  const [found] = await sql`
    select current_setting('server_version_num')::int as version,
      (select rolsuper from pg_roles where rolname = current_user) as superuser,
      (select pg_get_userbyid(nspowner) from pg_namespace where nspname in ('tenant', 'platform') order by nspname desc limit 1) as owner,
      (select pg_get_userbyid(nspowner) from pg_namespace where nspname = 'app') as keeper,
      (select pg_get_userbyid(a.grantee) from pg_namespace n, aclexplode(n.nspacl) a
        where n.nspname = 'tenant' and a.grantee not in (0, n.nspowner) and a.privilege_type = 'USAGE' limit 1) as login`;
  if (!found.owner) throw new Error('There is neither a schema "tenant" nor "platform" in this database');
  const roles = {
    owner: found.owner,
    keeper: found.keeper ?? "bulkhead_keeper",
    tenantLogin: found.login ?? "bulkhead_tenant",
  };
  const [login] =
    await sql`select rolsuper or rolbypassrls as above from pg_roles where rolname = ${roles.tenantLogin}`;
  return { roles, superuser: found.superuser, loginAbove: login?.above ?? false, version: found.version };
}

/** Runs work in a transaction that is undone in any case. */
async function undone<T>(sql: Sql, work: (tx: Sql) => Promise<T>): Promise<T> {
  let result: { value: T } | undefined;
  const undo = new Error("Undo");
  await sql.begin(async (tx) => {
    result = { value: await work(tx as unknown as Sql) };
    throw undo;
  }).catch((error) => {
    if (error !== undo) throw error;
  });
  return result!.value;
}

async function attackInside(
  tx: Sql,
  roles: PlacementRoles,
  notices: string[],
  options: Required<UrlOptions> & Pick<Battlefield, "unchecked">,
) {
  const signer = { keyId: SCRATCH_KEY, key: crypto.getRandomValues(new Uint8Array(32)) };
  const person = () => ({ id: crypto.randomUUID(), slug: null, record: null });
  const [attacker, victim, closed] = [person(), person(), person()];
  const admin = withoutTransactions(tx);
  await installKey(admin, roles, keyBlocks(signer));
  for (const { id } of [attacker, victim, closed]) {
    await tx`insert into app.gates (tenant_id, open, reason) values (${id}, ${id !== closed.id}, 'prove')`;
  }
  const tables = (await readTables(tx, "tenant", roles.tenantLogin)).filter((table) => {
    const attackable = table.columns.some(({ name, type }) => name === "tenant_id" && type === "uuid");
    if (!attackable) options.unchecked.add(`attacks on ${table.name}: it has no column tenant_id uuid`);
    return attackable;
  });
  const shared = await readTables(tx, "reference", roles.tenantLogin);
  const rows = new Rows(inSavepoints(tx), [...tables, ...shared]);
  for (const table of shared) await rows.row(table, null);
  for (const { id } of [attacker, victim, closed]) for (const table of tables) await rows.row(table, id);
  const field: Battlefield = {
    attacker,
    victim,
    closed,
    roles,
    signer,
    admin,
    tables,
    rows,
    unchecked: options.unchecked,
  };
  const session = await insideSession(tx, roles, notices, options);
  return await runAttacks(field, session, ATTACKS.filter(({ sql }) => !/\bcommit\b|\brollback\b/.test(String(sql))), {
    tier: "this database",
    ...(options.quick && { modes: ["as planned", "generic plan"] }),
    say: (done, of) => void (done % 25 === 0 && options.say(`attacks ${done} of ${of}`)),
  });
}

/** The run-time login inside the prover's transaction: each attack in a savepoint, so that it is undone and the rest stays. */
export async function insideSession(
  tx: Sql,
  roles: PlacementRoles,
  heard: string[],
  { unchecked, attackMs = ATTACK_MS }: Pick<Battlefield, "unchecked"> & { attackMs?: number },
): Promise<Attacker> {
  const [{ pid }] = await tx`select pg_backend_pid() as pid`;
  const login = quoteIdentifier(roles.tenantLogin);
  return {
    own: false,
    pid,
    async run(claim, text) {
      heard.length = 0;
      await tx.unsafe(`savepoint attack; set local session authorization ${login};
        set local statement_timeout = ${attackMs}; set local lock_timeout = ${LOCK_MS}; ${entering(claim)}`);
      const outcome = await hear(tx, text, heard);
      const { code, message } = outcome.error ?? {};
      if (code && STOPPED.has(code)) unchecked.add(`an attack that did not end (${message}): ${text.slice(0, 200)}`);
      await tx.unsafe("rollback to savepoint attack; release savepoint attack; deallocate all; close all");
      return outcome;
    },
    end: () => Promise.resolve(),
  };
}

/** The same connection where code begins a transaction: it is in one already. */
function withoutTransactions(tx: Sql): Sql {
  const begin = async (work: (tx: Sql) => Promise<unknown>) => await work(tx);
  return new Proxy(tx, { get: (of, name) => name === "begin" ? begin : Reflect.get(of, name) }) as Sql;
}

/** The same connection where a statement that fails must not end the transaction. */
function inSavepoints(tx: Sql): Sql {
  const unsafe = async (text: string) => {
    await tx.unsafe("savepoint row");
    try {
      return await tx.unsafe(text);
    } catch (error) {
      await tx.unsafe("rollback to savepoint row");
      throw error;
    }
  };
  return new Proxy(tx, { get: (of, name) => name === "unsafe" ? unsafe : Reflect.get(of, name) }) as Sql;
}
