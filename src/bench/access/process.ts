// A second process of the platform, for measurements over several: it serves what is there and works no queue.
import { type Config, readConfig } from "../../config.ts";
import { serve } from "../../serve.ts";
import { Servers, type ServerSettings } from "../../tenancy/servers.ts";
import { answerParent } from "../wall/child.ts";

/** What it is told. */
export interface ProcessConfig {
  settings: ServerSettings;
  masterKey: number[];
  limits: Partial<Config>;
}

await answerParent(async ({ settings, masterKey, limits }: ProcessConfig) => {
  const servers = new Servers(settings, Uint8Array.from(masterKey));
  const config: Config = { ...readConfig({ PORT: "0", LOG_LEVEL: "silent" }), ...limits };
  const options = { mailFolder: null, operator: null, worker: false, sample: false, deploy: false };
  const { url } = await serve({ ...options, config, servers });
  return { url };
});
