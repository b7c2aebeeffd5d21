// The app for hosts that call it (Deno Deploy, Supabase Edge Functions): no embedded server, no rollout, no long-running
// worker. The queue is drained by a bounded tick, from a cron of the host or an authenticated call.
import { timingSafeEqual } from "node:crypto";
import { createApp } from "./app.ts";
import type { Config } from "./config.ts";
import { AppError } from "./errors.ts";
import { requestId } from "./http/call.ts";
import { type Connected, fromConnection } from "./http/client_address.ts";
import { problem } from "./http/problem.ts";
import { secured } from "./http/security_headers.ts";
import { hashSecretToken } from "./identity/secret_tokens.ts";
import { noMail } from "./integrations/mail/mail.ts";
import { createProcessLog, createServices, ownServers, platformHosts, type Running } from "./services.ts";
import { relayAll } from "./tenancy/jobs.ts";
import { handlers } from "./worker.ts";

/** How much one tick does at most: jobs, and milliseconds after which no new one is begun. */
const TICK = { maxJobs: 50, maxMs: 20_000 };

/** What a host calls. */
export interface Edge {
  /**
   * Answers a request; `info` is what the host tells of its connection.
   * `POST /tick` with `Authorization: Bearer <TICK_SECRET>` drains the queue.
   */
  fetch(request: Request, info?: Connected): Promise<Response>;
  /** Works what is waiting, bounded; returns the number of jobs. */
  tick(): Promise<number>;
  /** Closes the connections. */
  stop(): Promise<void>;
}

/** Makes the edge's app; it connects at the first request, since hosts limit what may happen before. */
export function createEdge(config: Config): Edge {
  const publicUrl = config.PUBLIC_URL;
  if (!publicUrl) throw new Error('Set "PUBLIC_URL" to where callers reach the API');
  const servers = ownServers(config);
  const log = createProcessLog(config, servers);
  let started: Promise<{ running: Running; app: ReturnType<typeof createApp> }> | undefined;
  const start = () =>
    started ??= createServices({
      config,
      log,
      servers,
      publicUrl,
      worker: false,
      listen: false,
      localMail: noMail,
      hashWorkers: 0,
    }).then((running) => ({ running, app: createApp(running.services, platformHosts(config, publicUrl)) }))
      .catch((error) => {
        started = undefined; // the next request tries again
        throw error;
      });

  async function tick(): Promise<number> {
    const { services } = (await start()).running;
    await relayAll(services);
    return await services.queue.tick(handlers(services), TICK);
  }

  async function fetch(request: Request, info?: Connected): Promise<Response> {
    try {
      fromConnection(request, info, config.TRUSTED_PROXIES);
      const { pathname } = new URL(request.url);
      if (request.method === "POST" && pathname === "/tick") {
        authorizeTick(request, config.TICK_SECRET);
        return secured(Response.json({ worked: await tick() }), publicUrl!);
      }
      return await (await start()).app.fetch(request);
    } catch (error) {
      const known = error instanceof AppError
        ? error
        : new AppError("database_unavailable", undefined, { cause: error });
      return secured(problem(known, requestId(request)), publicUrl!);
    }
  }

  return {
    fetch,
    tick,
    stop: async () => await (await started?.catch(() => undefined))?.running.stop(),
  };
}

/** Compares hashes, so that the time taken says nothing of the secret. */
function authorizeTick(request: Request, secret: string | undefined): void {
  const given = request.headers.get("authorization")?.replace(/^Bearer /, "") ?? "";
  const right = secret !== undefined && timingSafeEqual(hashSecretToken(given), hashSecretToken(secret));
  if (!right) throw new AppError("unauthorized", 'Send "Authorization: Bearer <TICK_SECRET>"');
}
