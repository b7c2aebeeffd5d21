// A process that serves one contender twice, straight and through the delay: the real app, with one of the measured
// routes beside the real ones. Token, tenant, input, log line and the check of the answer are the same for all.
import { createApp } from "../../app.ts";
import { readConfig, UNLIMITED } from "../../config.ts";
import { mount } from "../../http/mount.ts";
import { refuseTarget } from "../../http/target.ts";
import { createServices, platformHosts } from "../../services.ts";
import { Servers, type ServerSettings } from "../../tenancy/servers.ts";
import { answerParent } from "./child.ts";
import { naiveRoute, plainRoute } from "./contender_routes.ts";
import { openStock } from "./stock.ts";

/** What a contender is told. */
export interface ContenderConfig {
  kind: "ours" | "anew" | "plain" | "naive";
  settings: ServerSettings;
  masterKey: number[];
  /** Ports of PostgreSQL: itself, and behind the delay. */
  ports: number[];
  connections: number;
  login: { user: string; password: string };
}

async function serveAt(port: number, told: ContenderConfig): Promise<number> {
  const servers = new Servers({ ...told.settings, port }, Uint8Array.from(told.masterKey));
  const config = { ...readConfig({ POOL_PER_DATABASE: String(told.connections) }), ...UNLIMITED };
  const publicUrl = "http://127.0.0.1";
  const { services } = await createServices({
    config,
    servers,
    publicUrl,
    worker: false,
    listen: true,
    hashWorkers: 0,
  });
  const hosts = platformHosts(config, publicUrl);
  const app = createApp(services, hosts);
  if (told.kind === "anew") {
    const { targets } = services;
    const context = targets.context.bind(targets);
    targets.context = async (...given) => ({ ...await context(...given), caller: undefined });
  }
  if (told.kind === "plain" || told.kind === "naive") {
    const { host, sharedDatabase: database } = servers.settings;
    const stock = openStock({ host, port, database, ...told.login }, told.connections);
    const route = told.kind === "plain" ? plainRoute(stock) : naiveRoute(stock);
    mount({ app, services, hosts }, "tenantMember", [route]);
  }
  const handle = (request: Request) => refuseTarget(request) ?? app.fetch(request);
  return Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, handle).addr.port;
}

await answerParent(async (told: ContenderConfig) => {
  const ports: number[] = [];
  for (const port of told.ports) ports.push(await serveAt(port, told));
  return { ports };
});
