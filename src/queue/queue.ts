// The queue: pg-boss in the platform database, behind its own login. The only file that imports pg-boss.
// A job's tenant is the row's group, set by us when it is sent; what the payload says is never trusted (R11).
import { type JobWithMetadata, PgBoss } from "pg-boss";
import type { Target } from "../db/pool.ts";
import { Fragment, type Tx } from "../db/sql.ts";
import type { Log } from "../telemetry/log.ts";

/** A queue and how its jobs are tried. Seconds everywhere. */
export interface QueueDefinition {
  name: string;
  retryLimit: number;
  retryDelay: number;
  retryDelayMax: number;
  /** After this a running job counts as lost and is given to another worker. */
  expireInSeconds: number;
}

/** A job as its handler gets it. */
export interface QueuedJob {
  id: string;
  /** The tenant, from the job's row; null for jobs of the platform. */
  tenantId: string | null;
  data: Record<string, unknown>;
  /** 1 for the first attempt. */
  attempt: number;
  /** Whether a failure now is final. */
  lastAttempt: boolean;
}

/** Handles one job; throwing makes the queue try again later. */
export type Handler = (job: QueuedJob) => Promise<void>;

/** How a job is sent. */
export interface SendOptions {
  /** A repeated send with the same id adds nothing; a job that was given up is tried once more. */
  id?: string;
  tenantId?: string;
  plan?: string;
  /** Seconds from now before which it is not worked. */
  startAfter?: number;
}

const SCHEMA = "pgboss";

/** A worker that gives no sign of life for this long is taken for dead, and its job given to another (pg-boss's least). */
const HEARTBEAT_SECONDS = 10;
const SUPERVISE_SECONDS = 2;

function connection(target: Target, max: number) {
  const { host, port, database, user, password, tls } = target;
  const ssl = tls?.mode === "require" ? { rejectUnauthorized: true, ca: tls.ca, servername: tls.servername } : false;
  return { host, port, database, user, password, ssl, max, schema: SCHEMA, application_name: "bulkhead queue" };
}

/** Makes pg-boss's tables and the queues. Run by the migrator, inside a rollout. */
export async function prepareQueue(target: Target, queues: QueueDefinition[]): Promise<void> {
  const boss = new PgBoss({ ...connection(target, 1), migrate: true, supervise: false, schedule: false });
  boss.on("error", () => {}); // start and the calls below report what matters
  await boss.start();
  try {
    for (const { name, ...options } of queues) {
      const settings = { ...options, retryBackoff: true, notify: true, heartbeatSeconds: HEARTBEAT_SECONDS };
      if (await boss.getQueue(name)) await boss.updateQueue(name, settings);
      else await boss.createQueue(name, settings);
    }
  } finally {
    await boss.stop({ graceful: false });
  }
}

/** Sends jobs, works them, or drains some of them. */
export class Queue {
  #boss: PgBoss;
  #working: string[] = [];

  private constructor(boss: PgBoss, private readonly log: Log) {
    this.#boss = boss;
  }

  /**
   * Connects as the queue's login.
   * @param options.worker Whether this process works jobs: it then supervises (expiry, retries) and listens for new ones.
   */
  static async open(target: Target, options: { worker: boolean; log: Log }): Promise<Queue> {
    const boss = new PgBoss({
      ...connection(target, options.worker ? 6 : 2),
      migrate: false,
      createSchema: false,
      reindex: false,
      supervise: options.worker,
      superviseIntervalSeconds: SUPERVISE_SECONDS,
      monitorIntervalSeconds: SUPERVISE_SECONDS,
      schedule: false,
      useListenNotify: options.worker,
    });
    boss.on("error", (error) => options.log.error("The queue reported an error", { reason: String(error) }));
    await boss.start();
    return new Queue(boss, options.log);
  }

  /** Adds a job inside the caller's platform transaction: commit keeps both, rollback drops both. */
  async sendWith(tx: Tx, name: string, data: object, options: SendOptions = {}): Promise<void> {
    const db = {
      executeSql: async (text: string, values: unknown[] = []) => ({ rows: [...await runText(tx, text, values)] }),
    };
    await this.#boss.send(name, data, { ...envelope(options), db });
  }

  /** Adds a job. */
  async send(name: string, data: object, options: SendOptions = {}): Promise<void> {
    const sent = await this.#boss.send(name, data, envelope(options));
    if (sent === null && options.id) await this.#boss.retry(name, options.id); // touches failed jobs only
  }

  /** Works a queue until {@link stop}. `perTenant` bounds how many jobs of one tenant run at once over all workers. */
  async work(name: string, options: { concurrency: number; perTenant?: number }, handler: Handler): Promise<void> {
    const settings = {
      localConcurrency: options.concurrency,
      ...(options.perTenant && { groupConcurrency: options.perTenant }),
      pollingIntervalSeconds: 2,
      notifyPollingIntervalSeconds: 2, // retries and delayed jobs are not notified
      includeMetadata: true as const,
      batchSize: 1,
    };
    await this.#boss.work<Record<string, unknown>>(name, settings, async ([found]) => {
      const job = found as JobWithMetadata<Record<string, unknown>>;
      await handler(toJob(job, job.retryCount >= job.retryLimit));
    });
    this.#working.push(name);
  }

  /**
   * Works what is waiting, for hosts without long-running processes: at most `maxJobs`, no new one after `maxMs`.
   * Returns how many jobs were worked.
   */
  async tick(handlers: Map<string, Handler>, bounds: { maxJobs: number; maxMs: number }): Promise<number> {
    const until = performance.now() + bounds.maxMs;
    let worked = 0;
    for (const [name, handler] of handlers) {
      while (worked < bounds.maxJobs && performance.now() < until) {
        const [job] = await this.#boss.fetch<Record<string, unknown>>(name, { batchSize: 1, includeMetadata: true });
        if (!job) break;
        worked++;
        const alive = setInterval(() => void this.#boss.touch(name, job.id).catch(() => {}), HEARTBEAT_SECONDS * 400);
        try {
          await handler(toJob(job, job.retryCount >= job.retryLimit));
          await this.#boss.complete(name, job.id);
        } catch (error) {
          this.log.warn("A job failed", { queue: name, job: job.id, reason: String(error) });
          await this.#boss.fail(name, job.id, { message: "see the log" });
        } finally {
          clearInterval(alive);
        }
      }
    }
    return worked;
  }

  /** Stops working, waits up to 10 seconds for running jobs, closes the connections. */
  async stop(): Promise<void> {
    await this.#boss.stop({ graceful: this.#working.length > 0, timeout: 10_000 });
  }
}

function envelope(options: SendOptions) {
  return {
    ...(options.id && { id: options.id }),
    ...(options.startAfter && { startAfter: options.startAfter }),
    ...(options.tenantId && { group: { id: options.tenantId, ...(options.plan && { tier: options.plan }) } }),
  };
}

interface RawJob {
  id: string;
  groupId?: string | null;
  data: Record<string, unknown>;
  retryCount: number;
}

function toJob(job: RawJob, lastAttempt: boolean): QueuedJob {
  return {
    id: job.id,
    tenantId: job.groupId ?? null,
    data: job.data ?? {},
    attempt: job.retryCount + 1,
    lastAttempt,
  };
}

/** Runs pg-boss's own SQL (text with $1, $2 …) on a door's transaction: the library gives text, the door takes templates. */
function runText(tx: Tx, text: string, values: unknown[]) {
  const strings: string[] = [];
  const used: string[] = [];
  let from = 0;
  for (const match of text.matchAll(/\$(\d+)/g)) {
    strings.push(text.slice(from, match.index));
    used.push(values[Number(match[1]) - 1] as string);
    from = match.index + match[0].length;
  }
  strings.push(text.slice(from));
  const empty = Object.assign(["", ""], { raw: ["", ""] }) as TemplateStringsArray;
  return tx(empty, new Fragment(strings, used));
}
