// `start`: a server process for a real deployment: API and worker on the configured server, nothing embedded. Roll out
// before with `db deploy`; any number of these may run.
import type { Config } from "../config.ts";
import { onShutdown } from "../embedded/shutdown.ts";
import { otherPort, serve } from "../serve.ts";
import { ownServers } from "../services.ts";
import { surviveStrayErrors } from "./stray_errors.ts";

/** Serves until a signal. `worker` says whether queued jobs are worked here too. */
export async function start(options: { config: Config; worker: boolean }): Promise<void> {
  const { config, worker } = options;
  const password = config.OPERATOR_PASSWORD;
  const serving = await serve({
    config,
    servers: ownServers(config),
    mailFolder: null,
    operator: password ? { email: config.OPERATOR_EMAIL, password } : null,
    worker,
    sample: false,
    deploy: false,
  });
  onShutdown("platform", () => serving.stop());
  surviveStrayErrors(serving.services.log);
  const warning = otherPort(config, serving);
  if (warning) serving.services.log.warn(warning);
  serving.services.log.info("Bulkhead serves", { url: serving.url, worker });
}
