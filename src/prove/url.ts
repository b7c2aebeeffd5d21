// The proof of a database that is in use: the rights, and the attacks on every table of its catalogue, between two tenants
// that are made inside one transaction and undone with it. Their contexts are signed with a key that is made and undone there
// too, so that no secret of the deployment is needed. Nothing is left but dead rows for the next vacuum.
import { type Sql, withDirect } from "../db/direct.ts";
import type { PlacementRoles } from "../db/names.ts";
import type { Target } from "../db/pool.ts";
import { installKey } from "../db/rollout.ts";
import { quoteIdentifier } from "../db/sql_files.ts";
import { keyBlocks } from "../tenancy/context.ts";
import { type AttackResult, runAttacks } from "./attacks/attack_run.ts";
import { ATTACKS } from "./attacks/catalogue.ts";
import type { Battlefield } from "./attacks/ground.ts";
import { readTables } from "./catalogue.ts";
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

/** Takes a URL apart: nothing in it but host, port, database and login reaches the driver. `sslmode=require` asks for TLS. */
export function targetOf(text: string): Target {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (!url || !/^postgres(ql)?:$/.test(url.protocol) || !url.username) {
    throw new Error('Give "--url" as postgres://user:password@host:port/database');
  }
  const tls = /^(require|verify-ca|verify-full)$/.test(url.searchParams.get("sslmode") ?? "");
  return {
    host: url.hostname.replace(/^\[|\]$/g, ""),
    port: Number(url.port || 5432),
    database: decodeURIComponent(url.pathname.slice(1)) || "postgres",
    user: decodeURIComponent(url.username),
    password: decodeURIComponent(url.password),
    tls: tls ? { mode: "require" } : undefined,
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
    const { roles, superuser } = about;
    say("rights");
    const rights = [await proveRights(target.database, sql, roles)];
    const unchecked = [...UNCHECKED];
    const notTried = new Set<string>();
    let attacks: AttackResult[] = [];
    const tables = roles.tenantLogin ? await readTables(sql, "tenant", roles.tenantLogin) : [];
    if (tables.length === 0) unchecked.unshift("attacks: there is no table in schema tenant");
    else if (!superuser) {
      unchecked.unshift(
        "attacks: only a superuser can act as the run-time login inside one transaction; give the URL of one, or run without --url",
      );
    } else attacks = await undone(sql, (tx) => attackInside(tx, roles, notices, { quick, say, unchecked: notTried }));
    const seconds = { all: (performance.now() - started) / 1000 };
    return {
      at: new Date().toISOString(),
      subject: `database ${target.database} on ${target.host}:${target.port}`,
      serverVersion: about.version,
      tables: tables.map(({ name }) => name),
      rights,
      attacks,
      property: null,
      channels: [],
      unchecked: [...notTried, ...unchecked],
      seconds,
    };
  }, { onNotice: (notice) => void notices.push(JSON.stringify(notice)) });
}

/** The roles of the database, as its schemas and grants tell. */
async function lookAround(sql: Sql): Promise<{ roles: PlacementRoles; superuser: boolean; version: number }> {
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
  return { roles, superuser: found.superuser, version: found.version };
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
  const tables = await readTables(tx, "tenant", roles.tenantLogin);
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
  const session = await insideSession(tx, roles, notices);
  return await runAttacks(field, session, ATTACKS.filter(({ sql }) => !/\bcommit\b|\brollback\b/.test(String(sql))), {
    tier: "this database",
    ...(options.quick && { modes: ["as planned", "generic plan"] }),
    say: (done, of) => void (done % 25 === 0 && options.say(`attacks ${done} of ${of}`)),
  });
}

/** The run-time login inside the prover's transaction: each attack in a savepoint, so that it is undone and the rest stays. */
async function insideSession(tx: Sql, roles: PlacementRoles, heard: string[]): Promise<Attacker> {
  const [{ pid }] = await tx`select pg_backend_pid() as pid`;
  const login = quoteIdentifier(roles.tenantLogin);
  return {
    own: false,
    pid,
    async run(claim, text) {
      heard.length = 0;
      await tx.unsafe(`savepoint attack; set local session authorization ${login}; ${entering(claim)}`);
      const outcome = await hear(tx, text, heard);
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
