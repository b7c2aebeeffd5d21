// Whether the limit of a tenant is exact: many requests at once to two processes, which share nothing but the database.
import type { Measurement } from "../../cli/bench.ts";
import { UNLIMITED } from "../../config.ts";
import type { Servers } from "../../tenancy/servers.ts";
import { startChild } from "../wall/child.ts";
import type { ProcessConfig } from "./process.ts";

const REQUESTS = 1_000;
const ALLOWANCE = 100;

/** Sends them as one member of a tenant that nobody else asks. */
export async function measureLimiter(servers: Servers, token: string): Promise<Measurement[]> {
  const limits = { ...UNLIMITED, LIMIT_TENANT_PER_MINUTE: ALLOWANCE };
  const config: ProcessConfig = { settings: servers.settings, masterKey: [...servers.masterKey], limits };
  const start = () => startChild<{ url: string }>({ module: "../access/process.ts", config });
  const processes = await Promise.all([start(), start()]);
  const ask = async (i: number) => {
    const headers = { authorization: `Bearer ${token}` };
    const response = await fetch(`${processes[i % 2].answer.url}/v1/buildings?limit=1`, { headers });
    await response.text();
    return response.status;
  };
  const started = performance.now();
  const statuses = await Promise.all(Array.from({ length: REQUESTS }, (_, i) => ask(i)));
  const ms = performance.now() - started;
  for (const child of processes) await child.stop();
  const passed = statuses.filter((status) => status === 200).length;
  const refused = statuses.filter((status) => status === 429).length;
  const reached = passed === ALLOWANCE && refused === REQUESTS - ALLOWANCE;
  const note = `exactly; ${refused} refused, in ${Math.round(ms)} ms`;
  const name = `limiter: passed of ${REQUESTS.toLocaleString("en")} at once, two processes`;
  return [{ name, value: passed, unit: "requests", goal: ALLOWANCE, direction: "at most", reached, note }];
}
