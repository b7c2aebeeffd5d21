// Keeps a process's directory true: listens to what the platform database's triggers notify (0001, 0004, 0005, 0007) and
// forgets what changed, in milliseconds, and nothing else: what was not contradicted is kept without being read again.
// Without it, on an edge or behind a pooler that shares sessions, everything is read again after 10 seconds. Nothing is
// read from a notification but an id to forget.
import { openDirect, type Sql } from "../db/direct.ts";
import type { Target } from "../db/pool.ts";
import type { Log } from "../telemetry/log.ts";
import type { Directory } from "./directory.ts";

const FIRST_PAUSE_MS = 100;
const MAX_PAUSE_MS = 5_000;
/**
 * How often the connection is tried: an answer says that all that had changed by the question was heard, and one that a
 * network lost in silence is noticed after two of these.
 */
const PROBE_MS = 4_000;

/** A running listener. */
export interface Listening {
  stop(): Promise<void>;
}

/**
 * Listens until stopped, over a connection of its own that is opened again whenever it is lost. Gives the listener when
 * the first attempt to connect has succeeded or failed.
 */
export async function listenForChanges(
  target: Target,
  directory: Directory,
  log: Log,
  { probeMs = PROBE_MS }: { probeMs?: number } = {},
): Promise<Listening> {
  const stop = Promise.withResolvers<void>();
  const first = Promise.withResolvers<void>();
  let stopped = false;
  const keep = async () => {
    for (let failures = 0; !stopped;) {
      try {
        const { gone, close } = await connect(target, directory, probeMs);
        failures = 0;
        first.resolve();
        log.debug("Changes of tenants are heard");
        await Promise.race([gone, stop.promise]);
        await close();
        if (!stopped) log.warn("Changes of tenants are not heard just now: the connection is lost");
      } catch (error) {
        first.resolve();
        if (failures++ === 0) log.warn("Changes of tenants cannot be heard", { reason: reasonOf(error) });
      }
      await pause(Math.min(MAX_PAUSE_MS, FIRST_PAUSE_MS * 2 ** failures), stop.promise);
    }
  };
  const ended = keep();
  await first.promise;
  return {
    async stop() {
      stopped = true;
      stop.resolve();
      await ended;
    },
  };
}

/** A connection that listens. */
interface Connected {
  /** Resolves when it is lost or closed. */
  gone: Promise<void>;
  close(): Promise<void>;
}

/** Listens over a new connection, and forgets what may have changed while nobody did. */
async function connect(target: Target, directory: Directory, probeMs: number): Promise<Connected> {
  const down = Promise.withResolvers<void>();
  const onNotify = (channel: string, id: string) => {
    if (channel === "platform_tenants") directory.forget(id);
    else if (channel === "platform_plans") directory.forgetPlan(id);
    else directory.forgetPlacement(id);
  };
  const sql = await openDirect(target, { onNotify, onDown: () => down.resolve() });
  const close = () => sql.end({ timeout: 0 }).catch(() => {}); // what cannot be closed is gone already
  try {
    await sql`listen platform_tenants`;
    await sql`listen platform_placements`;
    await sql`listen platform_plans`;
  } catch (error) {
    await close();
    throw error;
  }
  directory.forgetAll();
  directory.confirm(Date.now());
  probe(sql, directory, probeMs, { gone: down.promise, close });
  return { gone: down.promise, close };
}

/**
 * Confirms with each answer what is kept, and closes a connection on which a statement is not answered by the time of the
 * next one.
 */
function probe(sql: Sql, directory: Directory, probeMs: number, { gone, close }: Connected): void {
  let answered = true;
  const timer = setInterval(() => {
    if (!answered) return void close();
    answered = false;
    const asked = Date.now();
    sql`select 1`.then(() => {
      answered = true;
      directory.confirm(asked);
    }, () => {});
  }, probeMs);
  void gone.then(() => clearInterval(timer));
}

async function pause(milliseconds: number, stop: Promise<void>): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  await Promise.race([stop, new Promise<void>((resolve) => timer = setTimeout(resolve, milliseconds))]);
  clearTimeout(timer);
}

function reasonOf(error: unknown): string {
  return String(error instanceof Error && error.cause ? error.cause : error);
}
