// What attacks on one placement are written against, read from its catalogue: tables with a row of each tenant, views and
// functions that the login can reach, and every kind of context that must open nothing.
import type { Sql } from "../../db/direct.ts";
import { keyBlocks, signContext } from "../../tenancy/context.ts";
import { installKey } from "../../db/rollout.ts";
import type { Table } from "../catalogue.ts";
import { columnsOfLogin, isLink } from "../rows.ts";
import { type Attacker, type Claim, NOBODY, provenBy } from "../session.ts";
import type { Site } from "../site.ts";
import type { Ground } from "./attack.ts";

/** What attacks need of a placement. */
export type Battlefield = Pick<
  Site,
  "attacker" | "victim" | "closed" | "roles" | "signer" | "admin" | "tables" | "rows" | "unchecked"
>;

/** A key id of ours that is retired in the placement, so that a proof with it can be tried. */
const RETIRED_KEY = 999_999;

/** The ground for each table. */
export async function prepareGrounds(field: Battlefield, session: Attacker): Promise<Ground[]> {
  const { attacker, victim, closed, roles, admin, tables, rows } = field;
  const claims = await claimsOf(field, session.pid);
  const reach = {
    views: await viewsOf(admin, roles.tenantLogin),
    definers: await definersOf(admin, roles.tenantLogin),
  };
  const grounds: Ground[] = [];
  for (const table of tables) {
    grounds.push({
      ...reach,
      table,
      name: table.name,
      a: attacker.id,
      b: victim.id,
      own: await rows.row(table, attacker.id),
      foreign: await rows.row(table, victim.id),
      closed: closed.id,
      tables,
      claims,
      roles: { owner: roles.owner, keeper: roles.keeper, login: roles.tenantLogin },
      insert: table.may.insert ? await insertOf(field, session, table) : null,
    });
  }
  return grounds;
}

/** How long contexts are used before they are signed anew, in milliseconds; a proof lives for 45 seconds. */
export const FRESH_MS = 10_000;

/** The attacker's own context, remembered by the database at every other call: both ways into the tenant are attacked. */
export function ownContexts({ signer, attacker, admin }: Battlefield, session: Attacker): () => Promise<Claim> {
  let turn = 0;
  let known: { pid: number; at: number; claim: Claim } | undefined;
  return async () => {
    if (turn++ % 2 === 0) return provenBy(signer, attacker.id);
    const { pid } = session;
    if (known?.pid !== pid || Date.now() - known.at > FRESH_MS) {
      known = { pid, at: Date.now(), claim: provenBy(signer, attacker.id, pid) };
      await remember(admin, known.claim, pid, Date.now() + 30_000);
    }
    return known.claim;
  };
}

/** Has the database take a context for one that stands, as app.remember() does. */
async function remember(admin: Sql, { tenantId, proof }: Claim, backend: number, until: number): Promise<void> {
  await admin`insert into app.proven (context, backend, tenant_id, key_id, until)
    values (${proof + tenantId}, ${backend}, ${tenantId}, ${Number(proof.split(".")[1])}, ${new Date(until)})
    on conflict do nothing`;
}

/** Contexts that must open nothing, by what is wrong with them. */
export async function claimsOf(field: Battlefield, pid: number): Promise<Record<string, Claim>> {
  const { attacker, victim, closed, signer, roles, admin } = field;
  const retired = { keyId: RETIRED_KEY, key: signer.key };
  await admin.begin(async (tx) => {
    await installKey(tx as unknown as Sql, roles, keyBlocks(retired));
    await tx`update app.keys set retired_at = coalesce(retired_at, now()) where id = ${RETIRED_KEY}`;
  });
  const b = victim.id;
  const elsewhere = provenBy(signer, b, pid + 1);
  await remember(admin, elsewhere, pid + 1, Date.now() + 30_000);
  const stale = { tenantId: b, proof: signContext(signer, b, null, pid, Date.now() - 120_000) };
  await remember(admin, stale, pid, Date.now() - 1_000);
  const good = signContext(signer, b, null, 0);
  const signed = (by = signer, at = 0, now?: number): Claim => ({
    tenantId: b,
    proof: signContext(by, b, null, at, now),
  });
  return {
    "no tenant": NOBODY,
    "no proof": { tenantId: b, proof: "" },
    "another tenant's proof": { tenantId: b, proof: provenBy(signer, attacker.id).proof },
    "a changed proof": { tenantId: b, proof: good.slice(0, -1) + (good.endsWith("0") ? "1" : "0") },
    "a made-up proof": { tenantId: b, proof: `v1.${signer.keyId}.-.0.9999999999.${"0".repeat(64)}` },
    "an expired proof": signed(signer, 0, Date.now() - 120_000),
    "a proof that is good for too long": signed(signer, 0, Date.now() + 600_000),
    "another placement's key": signed({ keyId: signer.keyId, key: crypto.getRandomValues(new Uint8Array(32)) }),
    "a key that is not there": signed({ keyId: 424_242, key: signer.key }),
    "a retired key": signed(retired),
    "another backend": signed(signer, pid + 1),
    "a proof that another backend remembers": elsewhere,
    "a remembered proof that has expired": stale,
    "a proof of another user's": { tenantId: b, proof: good.replace(".-.", `.${b}.`) },
    "a proof of another version": { tenantId: b, proof: good.replace(/^v1/, "v2") },
    "a claim that is no uuid": { tenantId: `${b}'`, proof: good },
    "a claim in capitals": { tenantId: b.toUpperCase(), proof: good },
    "a claim with spaces": { tenantId: ` ${b}`, proof: good },
    "a proof that is no proof": { tenantId: b, proof: "x".repeat(10_000) },
    "a proof with a line break": { tenantId: b, proof: `${good}\n` },
    "a closed gate": provenBy(signer, closed.id),
  };
}

/** Values of an insert that the attacker may make, and the victim's for the same columns, with the attacker's parents. */
async function insertOf(field: Battlefield, session: Attacker, table: Table): Promise<Ground["insert"]> {
  const { attacker, victim, signer, rows, unchecked } = field;
  const columns = columnsOfLogin(table);
  let values: (string | null)[] = [];
  const made = rows.make(table, attacker.id, columns, async (statement, given) => {
    const { rows: [row], error } = await session.run(provenBy(signer, attacker.id), statement);
    if (error) throw error;
    values = given;
    return row as Record<string, string>;
  });
  try {
    await made;
  } catch (error) {
    unchecked.add(
      `INSERT into ${table.name}: the run-time login could not make a row of its own (${(error as Error).message})`,
    );
    return null;
  }
  const [own, theirs] = [await rows.row(table, attacker.id), await rows.row(table, victim.id)];
  // The victim's parents would be refused, but a link is nothing beside them.
  const parents = new Set(isLink(table) ? [] : table.foreignKeys.flatMap((key) => key.columns));
  return {
    columns: columns.map(({ name }) => name),
    types: columns.map(({ type }) => type),
    values,
    foreign: columns.map(({ name }) => parents.has(name) ? own[name] : theirs[name]),
  };
}

async function viewsOf(admin: Sql, login: string): Promise<string[]> {
  const rows =
    await admin`select c.oid::regclass::text as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('v', 'm', 'f') and n.nspname not in ('pg_catalog', 'information_schema')
      and has_schema_privilege(${login}, n.oid, 'usage') and has_table_privilege(${login}, c.oid, 'select') order by 1`;
  return rows.map((row) => row.name);
}

async function definersOf(admin: Sql, login: string): Promise<Ground["definers"]> {
  const rows = await admin`select format('%I.%I', n.nspname, p.proname) as name,
      to_json(array(select format_type(t, null) from unnest(p.proargtypes::oid[]) t)) as arguments
    from pg_proc p join pg_namespace n on n.oid = p.pronamespace
    where p.prosecdef and p.prokind = 'f' and n.nspname not in ('pg_catalog', 'information_schema')
      and p.prorettype not in ('trigger'::regtype, 'event_trigger'::regtype)
      and not (n.nspname = 'app' and p.proname = 'tenant_id' and p.pronargs = 0)
      and has_schema_privilege(${login}, n.oid, 'usage') and has_function_privilege(${login}, p.oid, 'execute') order by 1`;
  return rows.map((row) => ({ name: row.name, arguments: row.arguments }));
}
