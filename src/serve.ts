// Runs the whole platform in this process: HTTP, worker, mailbox. `dev`, `demo`, `serve` and the tests start it here.
import { createApp } from "./app.ts";
import type { Config } from "./config.ts";
import { AppError } from "./errors.ts";
import { requestId } from "./http/call.ts";
import { fromConnection } from "./http/client_address.ts";
import { problem } from "./http/problem.ts";
import { secured } from "./http/security_headers.ts";
import { ownHostsOnly, refuseTarget } from "./http/target.ts";
import { noMail } from "./integrations/mail/mail.ts";
import { createMailbox } from "./integrations/mail/mailbox.ts";
import { mailPages } from "./integrations/mail/mail_pages.ts";
import { deployOwnServer, type DeployReport } from "./platform/fleet/deploy.ts";
import { prepareFirstOperator } from "./platform/operators/first.ts";
import { putProvider } from "./platform/reference/queries.ts";
import { SAMPLE_PROVIDER } from "./platform/reference/sample.ts";
import { createServices, platformHosts } from "./services.ts";
import type { Log } from "./telemetry/log.ts";
import type { Servers } from "./tenancy/servers.ts";
import type { Services } from "./tenancy/services.ts";
import { QUEUES, startWorker } from "./worker.ts";

/** What is served, and where from. */
export interface ServeOptions {
  config: Config;
  servers: Servers;
  /** Folder of the built-in mailbox, shown at /dev/mail while no SMTP server is configured; null: there is no mailbox. */
  mailFolder: string | null;
  /** The first operator, made when there is none; null: none is made. */
  operator: { email: string; password: string } | null;
  /** Whether queued jobs are worked here. */
  worker: boolean;
  /** Whether changes that other processes make are heard at once; on unless this says no. */
  listen?: boolean;
  /** Whether the sample provider and its tariff are put in. */
  sample: boolean;
  /** Whether the server is rolled out first, as its administrator. */
  deploy: boolean;
  log?: Log;
}

/** A running platform. */
export interface Serving {
  url: string;
  port: number;
  services: Services;
  /** What the rollout did; null when there was none. */
  deployed: DeployReport | null;
  stop(): Promise<void>;
}

/** Rolls the server out, starts everything and serves until `stop()`. */
export async function serve(options: ServeOptions): Promise<Serving> {
  const { config, servers } = options;
  const deployed = options.deploy ? await deployOwnServer(servers, QUEUES) : null;
  let handle: (request: Request) => Response | Promise<Response> = (request) =>
    secured(problem(new AppError("overloaded", "The server is starting", { retryAfter: 1 }), requestId(request)), "");
  const listening = listen(config, (request) => handle(request));
  const { port } = listening.addr;
  const publicUrl = config.PUBLIC_URL ?? `http://${config.HOST === "0.0.0.0" ? "localhost" : config.HOST}:${port}`;
  const mailbox = options.mailFolder ? createMailbox(options.mailFolder) : null;
  const running = await createServices({
    config,
    servers,
    publicUrl,
    worker: options.worker,
    listen: options.listen ?? true,
    localMail: mailbox ?? noMail,
    log: options.log,
  }).catch(async (error) => {
    await listening.shutdown();
    throw error;
  });
  const { services } = running;
  if (options.sample) await putSample(services);
  if (options.operator) await prepareFirstOperator(services, options.operator);
  const hosts = platformHosts(config, publicUrl);
  const app = createApp(services, hosts);
  if (mailbox && !config.SMTP_URL) app.use("/dev/*", ownHostsOnly(hosts)).route("/dev/mail", mailPages(mailbox));
  handle = (request) => {
    const refusal = refuseTarget(request);
    return refusal ? secured(refusal, publicUrl) : app.fetch(request);
  };
  const stopWorker = options.worker ? await startWorker(services) : () => {};
  return {
    url: publicUrl,
    port,
    services,
    deployed,
    async stop() {
      stopWorker();
      await drain(listening);
      await running.stop();
    },
  };
}

/** How long requests that are being answered may hold up the end, in milliseconds: a client may keep one open for ever. */
const DRAIN_MS = 5_000;

/** Takes no more requests, and waits for those that are being answered. */
async function drain(listening: Deno.HttpServer): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<void>((resolve) => timer = setTimeout(resolve, DRAIN_MS));
  await Promise.race([listening.shutdown(), late]);
  clearTimeout(timer);
}

async function putSample(services: Services): Promise<void> {
  const context = { actor: "system", operation: "reference.sample", requestId: "", readOnly: false };
  await services.doors.asPlatform(context, (tx) => putProvider(tx, SAMPLE_PROVIDER));
}

/** What to tell when another port is served than the configured one; null when it is that one. */
export function otherPort({ PORT }: Config, { port }: Pick<Serving, "port">): string | null {
  return PORT === 0 || PORT === port ? null : `Port ${PORT} is in use: port ${port} is served instead`;
}

/** Listens on the configured port, or the next free one. Port 0 takes any. */
function listen(config: Config, handler: (request: Request) => Response | Promise<Response>) {
  for (let port = config.PORT;; port++) {
    try {
      const options = { hostname: config.HOST, port, onListen: () => {} };
      const received: Deno.ServeHandler = (request, info) =>
        handler(fromConnection(request, info, config.TRUSTED_PROXIES));
      return Deno.serve(options, received) as Deno.HttpServer<Deno.NetAddr>;
    } catch (error) {
      if (!(error instanceof Deno.errors.AddrInUse) || port >= config.PORT + 50) throw error;
    }
  }
}
