// `prove`: shows that no tenant can reach another one, on a scratch deployment or on a deployment's own database. The exit
// code is 1 when anything leaked, was not as expected, or a planted fault was not found.
import type { Config } from "../config.ts";
import { startCluster } from "../embedded/cluster.ts";
import { endProgram, onShutdown } from "../embedded/shutdown.ts";
import { parseMasterKey } from "../identity/keys.ts";
import { asMutantText, proveMutants } from "../prove/mutants/mutants.ts";
import { proveScratch } from "../prove/prove.ts";
import { asHtml } from "../prove/report/html.ts";
import { faultsOf, passed, type Report } from "../prove/report/report.ts";
import { asText } from "../prove/report/text.ts";
import type { Grounds } from "../prove/scratch.ts";
import { proveUrl } from "../prove/url.ts";
import { serverSettings } from "../services.ts";

/** What is asked for on the command line. */
export interface ProveCommand {
  config: Config;
  quick: boolean;
  mutants: boolean;
  /** Each time that `--url` was given. */
  url?: string[];
  /** The folder of the PostgreSQL programs that run the scratch servers. */
  postgres?: string;
  operations?: string;
  seed?: string;
  json: boolean;
  html?: string;
}

type Say = (sentence: string) => void;

/** Proves, prints, ends the program. Throws before anything is started when what is asked for cannot be done. */
export async function prove(command: ProveCommand): Promise<void> {
  const say: Say = (sentence) => console.error(`… ${sentence}`);
  refuseIdle(command);
  const [url, another] = command.url ?? [];
  if (another !== undefined) throw new Error('Give "--url" once: each database has a proof of its own');
  const wanted = {
    quick: command.quick,
    operations: whole("--operations", command.operations),
    seed: whole("--seed", command.seed),
    say,
  };
  if (command.html) await expectWritable(command.html);
  const code = command.mutants ? await provedMutants(command, say) : await printed(
    command,
    url ? await proveUrl(url, wanted) : await proveScratch(await groundsFor(command, say), wanted),
  );
  await endProgram(code);
}

/** What says nothing beside another option: whoever gives both takes the answer for another one than it is. */
const IDLE: Partial<Record<keyof ProveCommand, (keyof ProveCommand)[]>> = {
  mutants: ["url", "html", "operations", "seed"],
  url: ["postgres", "operations", "seed"],
};

function refuseIdle(command: ProveCommand): void {
  for (const [option, idle] of Object.entries(IDLE)) {
    const given = command[option as keyof ProveCommand] ? idle.find((one) => command[one] !== undefined) : undefined;
    if (given) throw new Error(`Leave out "--${given}": it does nothing with "--${option}"`);
  }
}

/** Opens the file without changing it: a page that cannot be written should not be found out after minutes. */
async function expectWritable(file: string): Promise<void> {
  try {
    (await Deno.open(file, { append: true, create: true })).close();
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`Give "--html" a file that can be written, not "${file}": ${why}`, { cause });
  }
}

async function provedMutants(command: ProveCommand, say: Say): Promise<number> {
  const results = await proveMutants(await groundsFor(command, say), { quick: command.quick, say });
  console.log(command.json ? JSON.stringify(results, null, 2) : asMutantText(results));
  return results.every(({ foundBy }) => foundBy.length > 0) ? 0 : 1;
}

/** Prints first: what was found must not be lost with a file. */
async function printed({ json, html }: ProveCommand, report: Report): Promise<number> {
  const faults = faultsOf(report);
  console.log(json ? JSON.stringify({ passed: passed(report), faults, ...report }, null, 2) : asText(report));
  if (html) await Deno.writeTextFile(html, asHtml(report));
  return faults.length === 0 ? 0 : 1;
}

function whole(option: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (/^\d{1,10}$/.test(text)) return Number(text);
  throw new Error(`Give "${option}" a whole number, not "${text}"`);
}

/** The servers of the scratch deployment: `DATABASE_URL` or an embedded one, and always an embedded one for the customer. */
async function groundsFor({ config, postgres: programs }: ProveCommand, say: Say): Promise<Grounds> {
  if (config.DATABASE_URL && !config.BULKHEAD_MASTER_KEY) {
    throw new Error(
      'Set "BULKHEAD_MASTER_KEY" too: the passwords of the roles on the server of "DATABASE_URL" derive from it',
    );
  }
  say("database servers");
  const dir = await Deno.makeTempDir({ prefix: "bulkhead-prove-" });
  onShutdown("temporary folder", () => Deno.remove(dir, { recursive: true }));
  const embedded = async (name: string, port: number) => {
    const superuserPassword = crypto.randomUUID();
    const cluster = await startCluster({ dir, name, port, superuserPassword, programs, fast: true });
    onShutdown(`PostgreSQL "${name}"`, () => cluster.stop());
    return cluster.superuser;
  };
  const masterKey = config.BULKHEAD_MASTER_KEY
    ? parseMasterKey(config.BULKHEAD_MASTER_KEY)
    : crypto.getRandomValues(new Uint8Array(32));
  if (!config.DATABASE_URL) {
    const [own, customer] = await Promise.all([embedded("main", 54500), embedded("customer", 54550)]);
    return { config, masterKey, own, customer };
  }
  const { host, port, maintenanceDatabase: database, admin } = serverSettings(config);
  if (!admin) throw new Error('Give "DATABASE_URL" the login of an administrator');
  return { config, masterKey, own: { host, port, database, ...admin }, customer: await embedded("customer", 54550) };
}
