// Plants every known fault in a scratch deployment and shows by which layer each is found: the rights proof, the attacks, the
// random run, or a channel's check. A fault that nothing finds survives, and the run fails.
import type { Sql } from "../../db/direct.ts";
import { fill } from "../../db/sql_files.ts";
import { runAttacks } from "../attacks/attack_run.ts";
import { ATTACKS } from "../attacks/catalogue.ts";
import { holesIn } from "../rights.ts";
import { type Grounds, makeScratch, type Scratch } from "../scratch.ts";
import { openAttacker } from "../session.ts";
import type { Site } from "../site.ts";
import { type AttackedFault, CONTEXT_BODIES, REMEMBERED, WALL } from "./attacked.ts";
import { CODE, type CodeMutant } from "./code.ts";
import type { Fault } from "./fault.ts";
import { AUDIT } from "./faults_of_audit.ts";
import { CONTEXT, WAYS_ROUND } from "./faults_of_context.ts";
import { GRANTS, LOGINS } from "./faults_of_rights.ts";
import { KEYS, TABLES } from "./faults_of_tables.ts";

/** Faults of the database that 90_proof.sql must name, by what they are about. */
export const FAULTS: Record<string, Fault[]> = {
  tables: TABLES,
  keys: KEYS,
  "ways round them": WAYS_ROUND,
  "the context": CONTEXT,
  grants: GRANTS,
  "roles and logins": LOGINS,
  "the audit": AUDIT,
};

/** One fault and who found it. */
export interface MutantResult {
  kind: string;
  fault: string;
  /** Layers that found it; none: it survives. */
  foundBy: string[];
  /** What the first of them said. */
  says: string;
}

export interface MutantOptions {
  /** Attacks only where the rights proof cannot find the fault, or on a few. */
  quick: boolean;
  say?: (sentence: string) => void;
}

/** Plants them all. Throws when one cannot be planted: then it shows nothing. */
export async function proveMutants(
  grounds: Grounds,
  { quick, say = () => {} }: MutantOptions,
): Promise<MutantResult[]> {
  const scratch = await makeScratch(grounds, "mutant");
  try {
    const results: MutantResult[] = [];
    const site = scratch.sites.find(({ tier }) => tier === "byo")!;
    const [{ version }] = await site.admin`select current_setting('server_version_num')::int as version`;
    for (const [kind, faults] of Object.entries(FAULTS)) {
      say(`faults of ${kind}`);
      for (const fault of faults.filter(({ since = 0 }) => version >= since)) {
        results.push(await byProof(site, kind, fault));
      }
    }
    const attacked = [...WALL, ...REMEMBERED].filter(({ quick: first }) => first || !quick).concat(CONTEXT_BODIES);
    for (const fault of attacked) {
      say(`attacked: ${fault.fault}`);
      results.push(await byAttacks(site, fault));
    }
    for (const mutant of CODE) {
      say(`code: ${mutant.fault}`);
      results.push(await byChannels(scratch, mutant));
    }
    return results;
  } finally {
    await scratch.end();
  }
}

/** Plants inside a transaction that is undone, as superuser. */
export async function byProof(site: Site, kind: string, { fault, plant, says }: Fault): Promise<MutantResult> {
  const result: MutantResult = { kind, fault, foundBy: [], says: "" };
  const undo = new Error("Undo");
  await site.admin.begin(async (tx) => {
    await tx.unsafe(filled(site, plant));
    await tx.unsafe("reset role");
    const found = (await holesIn(tx as unknown as Sql, site.roles)).find((hole) => says.test(hole));
    if (found) Object.assign(result, { foundBy: ["rights proof"], says: found });
    throw undo;
  }).catch((error) => {
    if (error !== undo && result.foundBy.length === 0) {
      throw new Error(`Plant "${fault}": ${error.message}`, { cause: error });
    }
  });
  return result;
}

/** Plants for good, lets the attacks loose on the table, undoes it. */
export async function byAttacks(site: Site, fault: AttackedFault): Promise<MutantResult> {
  const result: MutantResult = { kind: "attacked", fault: fault.fault, foundBy: [], says: "" };
  const before = new Set(await holesIn(site.admin, site.roles));
  const undo = await fault.plant(site, (text) => filled(site, text));
  const session = await openAttacker(site.target);
  try {
    const table = site.tables.find(({ name }) => name === fault.table)!;
    const found = (await runAttacks({ ...site, tables: [table] }, session, ATTACKS, {
      tier: site.tier,
      modes: ["as planned", "generic plan"],
    })).filter(({ leaks }) => leaks.length > 0);
    if (found.length > 0) {
      Object.assign(result, { foundBy: [`${found.length} attacks`], says: `${found[0].name}: ${found[0].leaks[0]}` });
    }
    const hole = (await holesIn(site.admin, site.roles)).find((one) => !before.has(one));
    if (hole) result.foundBy.unshift("rights proof");
    if (!result.says && hole) result.says = hole;
    if (fault.attacksMustFind && found.length === 0) result.foundBy = [];
  } finally {
    await session.end();
    await site.admin.unsafe(undo);
  }
  return result;
}

async function byChannels(scratch: Scratch, { fault, layer, find }: CodeMutant): Promise<MutantResult> {
  const [says] = await find(scratch);
  return { kind: "code", fault, foundBy: says ? [layer] : [], says: says ?? "" };
}

function filled({ roles }: Site, text: string): string {
  return fill({ name: "fault", text }, {
    owner: roles.owner,
    keeper: roles.keeper,
    tenant_login: roles.tenantLogin,
  });
}

/** The table mutant → found by. */
export function asMutantText(results: MutantResult[]): string {
  const survivors = results.filter(({ foundBy }) => foundBy.length === 0);
  const lines = results.map(({ kind, fault, foundBy, says }) =>
    `${foundBy.length ? "✔" : "✘"} ${`${kind}: ${fault}`.padEnd(76)} ${foundBy.join(", ") || "SURVIVES"}${
      says && kind !== "code" ? "" : says && `: ${says.slice(0, 100)}`
    }`
  );
  return [
    ...lines,
    `${results.length} mutants, ${results.length - survivors.length} found, ${survivors.length} survive`,
  ].join("\n");
}
