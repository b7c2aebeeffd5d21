// Runs every attack on every table of a placement, as its run-time login, and judges what comes of it. The rules of judging
// are the same for all; see Attack.
import type { Row } from "../rows.ts";
import type { Attacker, Claim, Outcome } from "../session.ts";
import { differences, inventory } from "../site.ts";
import type { Attack, Ground } from "./attack.ts";
import { MODES } from "./clauses.ts";
import { type Battlefield, claimsOf, FRESH_MS, ownContexts, prepareGrounds } from "./ground.ts";

/** What came of one attack in one placement. */
export interface AttackResult {
  name: string;
  kind: Attack["kind"];
  tier: string;
  tries: number;
  /** Tries that the database refused with an error. */
  refused: number;
  /** Tries that went through and showed nothing of anybody else. */
  empty: number;
  /** Why it stays open, where it went through. */
  residual: string | null;
  /** One sentence for each try that leaked, the first few of them. */
  leaks: string[];
}

export interface AttackOptions {
  tier: string;
  /** Tables on which every attack is tried; default: all. The others get one attack of each kind. */
  tables?: number;
  /** Plan modes; default: all. */
  modes?: string[];
  say?: (done: number, of: number) => void;
}

const MAX_TOLD = 5;
const DIVISION_BY_ZERO = "22012";

/** Runs the attacks. Throws when an attack could not be tried for a reason of ours. */
export async function runAttacks(
  field: Battlefield,
  session: Attacker,
  attacks: Attack[],
  options: AttackOptions,
): Promise<AttackResult[]> {
  const before = await inventories(field);
  const grounds = await prepareGrounds(field, session);
  const chosen = grounds.slice(0, options.tables ?? grounds.length);
  const secrets = await secretsOf(field);
  const own = ownContexts(field, session);
  const results: AttackResult[] = [];
  let claimedAt = Date.now();
  for (const [i, attack] of attacks.entries()) {
    options.say?.(i, attacks.length);
    if (Date.now() - claimedAt > FRESH_MS) {
      const claims = await claimsOf(field, session.pid);
      for (const ground of grounds) ground.claims = claims;
      claimedAt = Date.now();
    }
    const result: AttackResult = {
      name: attack.name,
      kind: attack.kind,
      tier: options.tier,
      tries: 0,
      refused: 0,
      empty: 0,
      residual: null,
      leaks: [],
    };
    if (!attack.login || session.own) {
      for (const ground of attack.once ? chosen.slice(0, 1) : chosen) {
        await tryOne({ field, session, own, attack, ground, secrets, modes: options.modes }, result);
      }
    }
    results.push(result);
  }
  for (const name of differences(before, await inventories(field))) {
    results[0].leaks.push(`rows of the victim in ${name} were changed for good by one of the attacks`);
  }
  return results;
}

async function inventories({ admin, tables, victim, closed }: Battlefield) {
  const [of, and] = [await inventory(admin, tables, victim.id), await inventory(admin, tables, closed.id)];
  return { ...of, ...Object.fromEntries(Object.entries(and).map(([name, hash]) => [`${name} (closed)`, hash])) };
}

interface Try {
  field: Battlefield;
  session: Attacker;
  own: () => Promise<Claim>;
  attack: Attack;
  ground: Ground;
  secrets: string[];
  modes?: string[];
}

async function tryOne(one: Try, result: AttackResult): Promise<void> {
  const { session, attack, ground } = one;
  const text = attack.sql(ground);
  if (text === null) return;
  const claim = async () => attack.claim?.(ground) ?? await one.own();
  const modes = attack.modes ? Object.entries(MODES).filter(([name]) => one.modes?.includes(name) ?? true) : [];
  for (const [mode, planned] of modes.length ? modes : [["", (same: string) => same] as const]) {
    result.tries++;
    const outcome = await session.run(await claim(), planned(text));
    const said = await judge(one, text, outcome, claim);
    if (said) {
      if (result.leaks.length < MAX_TOLD) result.leaks.push(`${ground.name}${mode ? `, ${mode}` : ""}: ${said}`);
    } else if (outcome.error) result.refused++;
    else if (attack.residual && (outcome.rows.length > 0 || /passed over/.test(outcome.text))) {
      result.residual = attack.residual;
    } else result.empty++;
  }
}

/** What leaked, as a sentence, or null. */
async function judge(one: Try, text: string, outcome: Outcome, claim: () => Promise<Claim>) {
  const { attack, ground, secrets, field, session } = one;
  if (outcome.error?.code === DIVISION_BY_ZERO) return "an expression was evaluated on a foreign row";
  const marked = outcome.rows.filter(({ leaked }) => leaked === true || Number(leaked) > 0 || isText(leaked)).length;
  if (marked > 0) return `${marked} foreign rows`;
  const shown = secrets.find((secret) => outcome.text.includes(secret) && !text.includes(secret));
  if (shown) return "a value of a foreign row was shown";
  if (attack.kind === "write" && outcome.affected > await ownRows(field, ground)) return "foreign rows were affected";
  const other = attack.missing?.(ground);
  if (!other) return null;
  const missing = await session.run(await claim(), other);
  return words(outcome) === words(missing) ? null : `it answers otherwise about what is there: ${words(outcome)}`;
}

const isText = (value: unknown) => typeof value === "string" && value !== "" && Number.isNaN(Number(value));

async function ownRows({ admin }: Battlefield, { name, a }: Ground): Promise<number> {
  const [{ count }] = await admin.unsafe(`select count(*)::int as count from ${name} where tenant_id = $1`, [a]);
  return count;
}

/** An outcome without the ids and numbers in it that the attacker sent. */
function words({ rows, affected, error }: Outcome): string {
  const told = error ? [error.code, error.message, error.detail, error.constraint_name] : [rows, affected];
  return JSON.stringify(told).replace(/[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}/g, "<id>").slice(0, 2_000);
}

/** Values that only the victim's rows hold: ids and long texts. */
async function secretsOf({ admin, tables, rows, attacker, victim, closed }: Battlefield): Promise<string[]> {
  const values = async (id: string) =>
    (await Promise.all(tables.map((table) => rows.row(table, id)))).flatMap((row: Row) => Object.values(row));
  const all = rows.tables.filter(({ columns }) => columns.some(({ name }) => name === "tenant_id"));
  const texts = all.map(({ name }) => `select t::text as text from ${name} t where tenant_id = '${attacker.id}'`);
  const own = (await admin.unsafe(texts.join(" union all "))).map(({ text }) => text).join("\n");
  const foreign = [...await values(victim.id), ...await values(closed.id)];
  const tenants = [victim.id, closed.id];
  return [...new Set(foreign)].filter((value): value is string =>
    value !== null && !own.includes(value) && !tenants.includes(value) && /^([0-9a-f-]{36}|.{24,})$/.test(value) &&
    !/^\d{4}-/.test(value)
  );
}
