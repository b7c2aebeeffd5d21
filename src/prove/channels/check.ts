// What a check of a channel beside SQL is, and how its findings are kept.
import type { Scratch } from "../scratch.ts";
import { differences, inventory, type Site } from "../site.ts";
import type { Row } from "../rows.ts";

/** What a channel's check came to. */
export interface ChannelResult {
  name: string;
  /** Single tries: requests, jobs, look-ups. */
  tries: number;
  leaks: string[];
  /** What is open by name and shows no row. */
  residuals: string[];
}

/** A check of one channel. */
export type Check = (scratch: Scratch, options: ChannelOptions) => Promise<ChannelResult>;

export interface ChannelOptions {
  quick: boolean;
}

const MAX_TOLD = 10;

/** Collects findings. */
export class Findings {
  readonly leaks: string[] = [];
  readonly residuals: string[] = [];
  tries = 0;

  constructor(readonly name: string) {}

  leak(sentence: string): void {
    if (this.leaks.length < MAX_TOLD) this.leaks.push(sentence);
  }

  /** Notes a leak unless `fine`. */
  expect(fine: boolean, sentence: string): void {
    this.tries++;
    if (!fine) this.leak(sentence);
  }

  result(): ChannelResult {
    return { name: this.name, tries: this.tries, leaks: this.leaks, residuals: this.residuals };
  }
}

/** The shared placement, where attacker and victim are both tenants that the platform knows. */
export function sharedSite(scratch: Scratch): Site {
  return scratch.sites.find(({ tier }) => tier === "shared")!;
}

/** Values that stand in the victim's rows and in nobody else's: ids and words that were made for them. */
export async function victimsValues(site: Site): Promise<string[]> {
  const of = async (id: string) => (await Promise.all(site.tables.map((table) => site.rows.row(table, id)))) as Row[];
  const own = new Set((await of(site.attacker.id)).flatMap((row) => Object.values(row)));
  const values = (await of(site.victim.id)).flatMap((row) => Object.values(row));
  return [...new Set(values)].filter((value): value is string =>
    value !== null && !own.has(value) && value !== site.victim.id && /^[0-9a-f]{8}-[0-9a-f-]{27}$|^row-\d+@/.test(value)
  );
}

/** Notes a leak when the victim's rows are not what they were. */
export async function unchanged(site: Site, findings: Findings, work: () => Promise<void>): Promise<void> {
  const look = () => inventory(site.admin, site.tables, site.victim.id);
  const before = await look();
  await work();
  for (const table of differences(before, await look())) findings.leak(`rows of the victim in ${table} were changed`);
}
