// A process in which one driver is put to one trial, since the stock driver may hang or end its process in it. Told
// `{ driver, trial, … }`, it says what it counted.
import { createDoors } from "../../db/doors.ts";
import { Pool, type Target } from "../../db/pool.ts";
import type { Work } from "../../db/doors.ts";
import { createLog } from "../../telemetry/log.ts";
import { signContext, signPermit } from "../../tenancy/context.ts";
import { answerParent } from "./child.ts";
import { openStock, type StockTarget } from "./stock.ts";

/** What a trial is told. */
export interface TrialConfig {
  driver: "ours" | "stock";
  trial: "bad values" | "slow neighbour";
  target: Target;
  key: number[];
  tenants: string[];
}

/** What came of the flood of bad values. */
export interface Flood {
  requests: number;
  bad: number;
  /** Good requests that were answered with their own rows. */
  right: number;
  /** Answers that held another tenant's row. */
  foreign: number;
  /** Good requests that were answered with an error or too few rows. */
  failed: number;
  /** Requests that were not answered at all. */
  hung: number;
}

/** What the others had of a slow neighbour. */
export interface Stall {
  requests: number;
  /** Share of the others' time, in percent, that they waited longer than any of their own queries takes. */
  stalled: number;
}

/** Reads 20 rows of a tenant created after an instant; what is no instant is a bad value. */
type Read = (tenant: string, since: unknown) => PromiseLike<{ tenant_id: string }[]>;
type Sleep = (tenant: string, seconds: number) => PromiseLike<unknown>;

const LANES = 64;
const FLOOD = { requests: 1_280, every: 10, ms: 10_000 };
const BAD: unknown[] = [
  undefined,
  "abc",
  NaN,
  new Date(NaN),
  "\u0000",
  {},
  () => 1,
  "infinityy",
  Symbol("x"),
  "\ud800",
];
const STALL = { seconds: 0.4, slow: 4, lanes: 8, ms: 3_000, threshold: 100 };

function ways({ driver, target, key }: TrialConfig, max: number): { read: Read; sleep: Sleep } {
  if (driver === "stock") {
    const sql = openStock(target as StockTarget, max);
    return {
      read: (tenant, since) =>
        sql<{ tenant_id: string }[]>`select tenant_id, id from tenant.renters
          where tenant_id = ${tenant} and created_at > ${since as string}::timestamptz limit 20`,
      sleep: (_, seconds) => sql`select pg_sleep(${seconds})`,
    };
  }
  const pool = new Pool(target, { max });
  const doors = createDoors({ get: () => pool } as never, target, createLog({ level: "error", write: () => {} }));
  const signer = { keyId: 1, key: Uint8Array.from(key) };
  const enter = <T>(tenantId: string, work: Work<T>) =>
    doors.asTenant({
      target,
      tenantId,
      sign: (pid) => signContext(signer, tenantId, null, pid),
      caller: tenantId,
      permit: (proof, pid) => signPermit(signer, tenantId, null, pid, proof),
      operation: "bench.trial",
      requestId: "",
      readOnly: true,
    }, work);
  return {
    read: (tenant, since) =>
      enter(tenant, (tx) =>
        tx<{ tenant_id: string }>`select tenant_id, id from tenant.renters
          where created_at > ${since as string}::timestamptz limit 20`),
    sleep: (tenant, seconds) => enter(tenant, (tx) => tx`select pg_sleep(${seconds})`),
  };
}

/** Many requests of many tenants on two connections, every tenth with a value that is none. */
async function flood(read: Read, tenants: string[]): Promise<Flood> {
  const count: Flood = { requests: FLOOD.requests, bad: 0, right: 0, foreign: 0, failed: 0, hung: 0 };
  let settled = 0;
  let next = 0;
  const one = async (at: number) => {
    const tenant = tenants[at % tenants.length];
    const isBad = at % FLOOD.every === FLOOD.every - 1;
    if (isBad) count.bad++;
    const since = isBad ? BAD[Math.floor(at / FLOOD.every) % BAD.length] : "2011-01-01T00:00:00Z";
    try {
      const rows = await read(tenant, since);
      if (rows.some((row) => row.tenant_id !== tenant)) count.foreign++;
      else if (!isBad) count[rows.length === 20 ? "right" : "failed"]++;
    } catch {
      if (!isBad) count.failed++;
    }
    settled++;
  };
  const lane = async () => {
    while (next < FLOOD.requests) await one(next++);
  };
  const lanes = Promise.all(Array.from({ length: LANES }, lane));
  await Promise.race([lanes, new Promise((resolve) => setTimeout(resolve, FLOOD.ms))]);
  return { ...count, requests: next, hung: next - settled };
}

/** Four slow queries of one tenant at a time, and eight lanes of the others, on five connections. */
async function stall({ read, sleep }: { read: Read; sleep: Sleep }, [slow, ...others]: string[]): Promise<Stall> {
  for (let i = 0; i < 10; i++) await Promise.all(others.slice(0, 20).map((tenant) => read(tenant, "2011-01-01Z")));
  const until = performance.now() + STALL.ms;
  let [requests, waited, stalled] = [0, 0, 0];
  const slowLane = async () => {
    while (performance.now() < until) await sleep(slow, STALL.seconds);
  };
  const otherLane = async (lane: number) => {
    for (let at = lane; performance.now() < until; at += STALL.lanes) {
      const started = performance.now();
      await read(others[at % others.length], "2011-01-01Z");
      const took = performance.now() - started;
      requests++;
      waited += took;
      if (took > STALL.threshold) stalled += took;
    }
  };
  const slowLanes = Array.from({ length: STALL.slow }, slowLane);
  const otherLanes = Array.from({ length: STALL.lanes }, (_, lane) => otherLane(lane));
  await Promise.all([...slowLanes, ...otherLanes]);
  return { requests, stalled: 100 * stalled / waited };
}

if (import.meta.main) {
  globalThis.addEventListener("unhandledrejection", (event) => event.preventDefault());
  await answerParent(async (told: TrialConfig) =>
    told.trial === "bad values"
      ? await flood(ways(told, 2).read, told.tenants.slice(0, 10))
      : await stall(ways(told, 5), told.tenants)
  );
}
