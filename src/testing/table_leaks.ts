// Whether one tenant reaches another's rows of a table: by each verb, as the run-time login past the app, under its own
// context and under contexts that do not stand. Every transaction is undone.
import type { Sql } from "../db/direct.ts";
import { readTables, type Table } from "../prove/catalogue.ts";
import { columnsOfLogin, insertion, type Row, Rows } from "../prove/rows.ts";
import { type Attacker, type Claim, NOBODY, openAttacker, provenBy } from "../prove/session.ts";
import { signContext, type Signer } from "../tenancy/context.ts";
import type { TestPlatform } from "./platform.ts";
import type { TestTenant } from "./tenant.ts";

/** One question: what does `attacker` reach of `victim`? */
export interface Question {
  platform: TestPlatform;
  subject: string;
  attacker: TestTenant;
  victim: TestTenant;
  id?: (tenant: TestTenant) => Promise<string>;
}

/** A table in the victim's placement, and what it takes to ask about it. */
interface Scene {
  table: Table;
  rows: Rows;
  /** The victim's row. */
  row: Row;
  session: Attacker;
  attacker: TestTenant;
  victim: TestTenant;
  /** What signs the attacker's contexts, and the victim's. */
  signers: { attacker: Signer; victim: Signer };
}

/** Refused rights and contexts; and what an insert meets that has another tenant's parents, or no tenant at all. */
const REFUSED = ["42501", "BH001", "23502", "23503", "22P02"];

/** The leaks of a table, a sentence each. */
export async function tableLeaks(question: Question): Promise<string[]> {
  const { platform, subject, attacker, victim } = question;
  const { admin, tables, rows } = await openTables(platform, victim);
  const name = subject.replace(/^tenant\./, "");
  const table = tables.find((one) => one.name.replace("tenant.", "").replaceAll('"', "") === name);
  if (!table) throw new Error(`There is no table "${name}" in the schema "tenant"`);
  if (!table.columns.some((column) => column.name === "tenant_id")) return ['it has no column "tenant_id"'];
  const row = await madeRow(admin, rows, table, victim);
  if (attacker.placement.id === victim.placement.id) await madeRow(admin, rows, table, attacker);
  const { servers, targets } = platform.services;
  const entering = { operation: "testing.expectNoLeak", requestId: "", readOnly: false };
  const session = await openAttacker((await targets.context(victim, entering)).target);
  const signerOf = ({ placement }: TestTenant) => servers.signer(placement.id, placement.key_id);
  const signers = { attacker: signerOf(attacker), victim: signerOf(victim) };
  try {
    const scene = { table, rows, row, session, attacker, victim, signers };
    return [...leaksOfKeys(table), ...await leaksOfVerbs(scene)];
  } finally {
    await session.end();
  }
}

/** The tables where a tenant lives, and what makes rows in them. */
export async function openTables(platform: TestPlatform, { placement }: TestTenant) {
  const admin = await platform.admin(placement.database);
  const tables = await readTables(admin, "tenant", placement.login);
  const shared = await readTables(admin, "reference", placement.login);
  return { admin, tables, rows: new Rows(admin, [...tables, ...shared]) };
}

/** A row of a tenant, made as superuser. */
export async function madeRow(admin: Sql, rows: Rows, table: Table, tenant: TestTenant): Promise<Row> {
  const row = await rows.row(table, tenant.id);
  // Else the relay would take a job that was made so for one that waits for it.
  await admin`update tenant.jobs set relayed_at = now() where tenant_id = ${tenant.id} and relayed_at is null`;
  return row;
}

/** Row-level security does not guard keys: one without the tenant tells of the others' rows, or refers to them. */
function leaksOfKeys(table: Table): string[] {
  const uniques = table.uniques.filter(({ columns }) => !columns.includes("tenant_id"))
    .map(({ name }) => `unique index "${name}" has no tenant_id: it tells which values other tenants have`);
  const references = table.foreignKeys
    .filter(({ columns, parent }) => !columns.includes("tenant_id") && !parent.startsWith("reference."))
    .map(({ name, parent }) =>
      `foreign key "${name}" has no tenant_id: it refers to other tenants' rows of "${parent}"`
    );
  return [...uniques, ...references];
}

async function leaksOfVerbs(scene: Scene): Promise<string[]> {
  const { table, attacker, victim, signers, row, session } = scene;
  const leaks: string[] = [];
  const own = provenBy(signers.victim, victim.id);
  if (
    table.may.select &&
    (await session.run(own, `select from ${table.name} where ${sameRow(table, row)}`)).affected === 0
  ) {
    leaks.push(`select does not show tenant "${victim.slug}" its own row: nothing else could be asked`);
  }
  const insert = withoutAnswer(await validInsert(scene, own));
  const statements = statementsOn(scene, insert);
  for (const [context, claim] of Object.entries(claims(scene))) {
    for (const [verb, text] of statements) {
      // Under its own context it is a row of the attacker's own.
      if (text === insert && claim.tenantId === attacker.id) continue;
      const { affected, error } = await session.run(claim, text);
      const what = `${verb} by tenant "${attacker.slug}" with ${context}`;
      const reached = `${verb === "select" ? "sees" : "reaches"} ${affected} of tenant "${victim.slug}"'s rows`;
      if (error && !REFUSED.includes(error.code)) leaks.push(`${what} ended with ${error.code}: ${error.message}`);
      if (!error && affected > 0) leaks.push(`${what} ${reached}`);
    }
  }
  return leaks;
}

/** Contexts under which the victim's rows must stay out of reach. */
function claims({ attacker, victim, signers }: Scene): Record<string, Claim> {
  const own = provenBy(signers.attacker, attacker.id);
  const now = Date.now();
  return {
    "its own context": own,
    "no context": NOBODY,
    "a claim without proof": { tenantId: victim.id, proof: "" },
    "its own proof for the other tenant": { tenantId: victim.id, proof: own.proof },
    "a made-up proof": { tenantId: victim.id, proof: `v1.${signers.victim.keyId}.-.0.9999999999.${"0".repeat(64)}` },
    "an expired proof": { tenantId: victim.id, proof: signContext(signers.victim, victim.id, null, 0, now - 120_000) },
  };
}

/** One statement for each verb that would reach the victim's row. */
function statementsOn({ table, row, victim }: Scene, insert: string): [string, string][] {
  const column = table.columns.find(({ mayUpdate }) => mayUpdate)?.name ?? "tenant_id";
  const [tenantId] = table.columns.filter(({ name }) => name === "tenant_id");
  const planted = withoutAnswer(insertion(table, [tenantId], [victim.id]));
  return [
    ["select", `select from ${table.name} where ${sameRow(table, row)}`],
    ["select", `select from ${table.name} where tenant_id = '${victim.id}'`],
    ["update", `update ${table.name} set "${column}" = "${column}" where ${sameRow(table, row)}`],
    ["delete", `delete from ${table.name} where ${sameRow(table, row)}`],
    ["insert", insert],
    ["insert", planted],
  ];
}

/** An insert that the victim's own context takes: what is refused of it is refused for the context alone. */
async function validInsert({ table, rows, victim, session }: Scene, own: Claim): Promise<string> {
  if (!table.may.insert) return insertion(table, [], []);
  let made = "";
  await rows.make(table, victim.id, columnsOfLogin(table), async (statement) => {
    const outcome = await session.run(own, statement);
    if (outcome.error) throw outcome.error;
    made = statement;
    return outcome.rows[0] as Row;
  });
  return made;
}

/** Nothing is read back, so that only the guard of writing holds the statement. */
function withoutAnswer(insert: string): string {
  return insert.replace(/ returning .*$/s, "");
}

function sameRow(table: Table, row: Row): string {
  return table.primaryKey.map((name) => `"${name}" = '${row[name]}'`).join(" and ");
}
