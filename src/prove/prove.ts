// The whole proof of a scratch deployment: rights, attacks, the random run, the channels beside SQL. Everything that it goes
// through comes from the catalogue and the API's document, so that what a user adds is proven by being there.
import { type AttackResult, runAttacks } from "./attacks/attack_run.ts";
import { ATTACKS } from "./attacks/catalogue.ts";
import { checkCaches } from "./channels/caches.ts";
import type { ChannelResult } from "./channels/check.ts";
import { checkFiles } from "./channels/files.ts";
import { checkHttp } from "./channels/http.ts";
import { checkJobs } from "./channels/jobs.ts";
import { checkLogs } from "./channels/logs.ts";
import { checkSessions } from "./channels/sessions.ts";
import { play } from "./property/play.ts";
import { makeWorld } from "./property/world.ts";
import type { Report } from "./report/report.ts";
import { proveAllRights } from "./rights.ts";
import { type Grounds, makeScratch, type Scratch } from "./scratch.ts";
import { openAttacker } from "./session.ts";

export interface ProveOptions {
  quick: boolean;
  /** Random operations; default 100,000, with `quick` 2,000. */
  operations?: number;
  /** Default: a new one. */
  seed?: number;
  /** Hears how far it is. */
  say?: (sentence: string) => void;
}

/** How much a quick run looks at; a full one looks at everything. */
const QUICK = { operations: 2_000, modes: ["as planned", "generic plan"], otherTiers: 1, templates: 2 };
const FULL = { operations: 100_000, templates: 8 };

/** Makes a scratch deployment, proves it, removes it. Throws when it cannot be made. */
export async function proveScratch(grounds: Grounds, options: ProveOptions): Promise<Report> {
  const started = performance.now();
  const scratch = await makeScratch(grounds);
  try {
    const report = await prove(scratch, options);
    return { ...report, seconds: { ...report.seconds, all: (performance.now() - started) / 1000 } };
  } finally {
    await scratch.end();
  }
}

/** Proves a deployment that is there. */
export async function prove(scratch: Scratch, options: ProveOptions): Promise<Report> {
  const { quick, say = () => {} } = options;
  const seconds: Record<string, number> = {};
  const timed = async <T>(name: string, work: () => Promise<T>): Promise<T> => {
    say(name);
    const started = performance.now();
    const result = await work();
    seconds[name] = (performance.now() - started) / 1000;
    return result;
  };
  const [shared] = scratch.sites;
  const [{ version }] = await shared.admin`select current_setting('server_version_num')::int as version`;
  const rights = await timed("rights", () => proveAllRights(scratch));
  const attacks = await timed("attacks", () => attackAll(scratch, quick, say));
  const property = await timed("random run", () => playAll(scratch, options));
  const channels = await timed("channels", () => checkChannels(scratch, quick));
  const unchecked = [...new Set(scratch.sites.flatMap((site) => [...site.unchecked]))];
  if (quick) unchecked.push("dedicated and byo: one table each; two of seven plan modes (leave out --quick for all)");
  return {
    at: new Date().toISOString(),
    subject: "a scratch deployment with tenants in all tiers",
    serverVersion: version,
    tables: shared.tables.map(({ name }) => name),
    rights,
    attacks,
    property,
    channels,
    unchecked,
    seconds,
  };
}

/** The attacks in every placement, side by side. */
export async function attackAll(scratch: Scratch, quick: boolean, say: (sentence: string) => void = () => {}) {
  const results = await Promise.all(scratch.sites.map(async (site) => {
    const session = await openAttacker(site.target);
    try {
      const lesser = quick && site.tier !== "shared";
      return await runAttacks(site, session, ATTACKS, {
        tier: site.tier,
        ...(quick && { modes: lesser ? QUICK.modes.slice(0, 1) : QUICK.modes }),
        ...(lesser && { tables: QUICK.otherTiers }),
        say: (done, of) => void (site.tier === "shared" && done % 25 === 0 && say(`attacks ${done} of ${of}`)),
      });
    } finally {
      await session.end();
    }
  }));
  return results.flat() satisfies AttackResult[];
}

async function playAll(scratch: Scratch, { quick, seed, operations, say }: ProveOptions) {
  const { templates, operations: usual } = quick ? QUICK : FULL;
  const world = await makeWorld(scratch, { templates });
  try {
    return await play(world, {
      seed: seed ?? crypto.getRandomValues(new Uint32Array(1))[0],
      operations: operations ?? usual,
      say: (done, of) => void (done % 5_000 === 0 && say?.(`random run ${done} of ${of}`)),
    });
  } finally {
    await world.end();
  }
}

/** What is beside SQL; jobs come last, since they leave rows behind. */
async function checkChannels(scratch: Scratch, quick: boolean): Promise<ChannelResult[]> {
  const results: ChannelResult[] = [];
  for (const check of [checkHttp, checkFiles, checkCaches, checkSessions, checkLogs, checkJobs]) {
    results.push(await check(scratch, { quick }));
  }
  return results;
}
