// The server that a command works on beside the processes that serve: the configured one, that of the local platform while
// it runs, or else the embedded one, started for as long as the command takes.
import { join } from "node:path";
import type { Config } from "../config.ts";
import { HomeInUse } from "../embedded/home.ts";
import { openSecrets } from "../embedded/secrets.ts";
import { endProgram } from "../embedded/shutdown.ts";
import { parseMasterKey } from "../identity/keys.ts";
import { createServices, ownServers, serverSettings } from "../services.ts";
import { Servers } from "../tenancy/servers.ts";
import type { Services } from "../tenancy/services.ts";
import { startEmbedded } from "./local.ts";

/** Where the platform is. */
export interface Place {
  config: Config;
  /** The home folder. */
  dir: string;
}

/** Runs `work` with services of its own, which serve nothing, and ends the program if it has started anything for that. */
export async function withServices(place: Place, work: (services: Services) => Promise<void>): Promise<void> {
  const { config } = place;
  const local = { ...config, BYO_ALLOW: [...config.BYO_ALLOW, "127.0.0.1/32"] };
  const ours = config.DATABASE_URL && config.BULKHEAD_MASTER_KEY ? config : local;
  await withServers(place, (servers) => connected(servers, ours, work));
}

/** Runs `work` on the servers, and ends the program if it has started them for that. */
export async function withServers(place: Place, work: (servers: Servers) => Promise<void>): Promise<void> {
  const { config } = place;
  if (config.DATABASE_URL && config.BULKHEAD_MASTER_KEY) return await work(ownServers(config));
  const started = await startEmbedded({ ...place, say: () => {} }).catch((error) => {
    if (!(error instanceof HomeInUse)) throw error;
    return error;
  });
  if (started instanceof HomeInUse) return await work(await runningServers(place, started));
  await work(started.servers);
  await endProgram(Deno.exitCode);
}

async function connected(servers: Servers, config: Config, work: (services: Services) => Promise<void>): Promise<void> {
  const publicUrl = config.PUBLIC_URL ?? "http://localhost";
  const running = await createServices({ config, servers, publicUrl, worker: false, hashWorkers: 0 });
  try {
    await work(running.services);
  } finally {
    await running.stop();
  }
}

/** The servers of the local platform that runs in the home folder, as its `run.json` and `secrets.json` tell. */
async function runningServers({ config, dir }: Place, inUse: HomeInUse): Promise<Servers> {
  const run = await Deno.readTextFile(join(dir, "run.json")).then(JSON.parse).catch(() => null);
  if (!run) throw inUse; // it is starting, or not a platform
  const databaseOf = (url: string) => decodeURIComponent(new URL(url).pathname.slice(1));
  const { migrator, tenant } = run.databases;
  const { masterKey } = await openSecrets(join(dir, "secrets.json"));
  const settings = serverSettings({ ...config, DATABASE_URL: migrator, SHARED_DATABASE: databaseOf(tenant) });
  return new Servers(settings, parseMasterKey(config.BULKHEAD_MASTER_KEY ?? masterKey));
}
