// What the audit adds to a write through HTTP: the same requests with the table's trigger on and off, in turns, on one running
// platform. Only a superuser can switch it off; it is on again at the end, whatever happens.
import type { Measurement } from "../../cli/bench.ts";
import { UNLIMITED } from "../../config.ts";
import type { Sql } from "../../db/direct.ts";
import type { Servers } from "../../tenancy/servers.ts";
import { startChild } from "../wall/child.ts";
import { atMost, median } from "../wall/numbers.ts";
import type { ProcessConfig } from "./process.ts";

/** What is measured on. */
export interface AuditGround {
  /** Where the platform is served. */
  url: string;
  servers: Servers;
  /** An access token that may create and change buildings. */
  token: string;
  /** The tenant's placement, as superuser. */
  admin: Sql;
}

/** Rounds with and without, and requests a round. */
const NEAR = { rounds: 10, requests: 100 };
const FAR = { rounds: 4, requests: 100 };
const BUILDING = { name: "Tower", address: "1 King St", city: "Toronto", country: "CA" };

/** The median times with and without, in milliseconds. */
interface Times {
  audited: number;
  plain: number;
  note: string;
}

/** Measures creates and changes, with the database beside the program, and a millisecond away from it. */
export async function measureAudit({ url, servers, token, admin }: AuditGround): Promise<Measurement[]> {
  const near = await requestsTo(url, token);
  const create = await compared(near.create, admin, NEAR);
  const change = await compared(near.change, admin, NEAR);
  const far = await withDelay(servers, async (url) => {
    const { create } = await requestsTo(url, token);
    return await compared(create, admin, FAR);
  });
  return [
    atMost("audit: time of a create against one without", create.audited / create.plain, "×", 1.1, create.note),
    atMost("audit: time of a change against one without", change.audited / change.plain, "×", 1.1, change.note),
    atMost("audit: the create, with the database 1 ms away", far.audited / far.plain, "×", 1.1, far.note),
  ];
}

async function requestsTo(url: string, token: string) {
  const send = async (method: string, path: string, body: unknown) => {
    const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
    const response = await fetch(url + path, { method, headers, body: JSON.stringify(body) });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path} was answered ${response.status}: ${text}`);
    return JSON.parse(text);
  };
  const { id } = await send("POST", "/v1/buildings", BUILDING);
  let name = 0;
  return {
    create: () => send("POST", "/v1/buildings", BUILDING),
    change: () => send("PATCH", `/v1/buildings/${id}`, { name: `Tower ${name++}` }),
  };
}

/** Serves the platform once more, from a process to which all databases are a millisecond away. */
async function withDelay<T>(servers: Servers, work: (url: string) => Promise<T>): Promise<T> {
  const { settings, masterKey } = servers;
  const proxy = await startChild<{ port: number }>({
    module: "./delay_proxy.ts",
    config: { port: settings.port, delay: 1 },
  });
  const config: ProcessConfig = {
    settings: { ...settings, port: proxy.answer.port },
    masterKey: [...masterKey],
    limits: UNLIMITED,
  };
  const child = await startChild<{ url: string }>({ module: "../access/process.ts", config });
  try {
    return await work(child.answer.url);
  } finally {
    await child.stop();
    await proxy.stop();
  }
}

async function compared(
  request: () => Promise<unknown>,
  admin: Sql,
  { rounds, requests }: { rounds: number; requests: number },
): Promise<Times> {
  const times = { enable: [] as number[], disable: [] as number[] };
  try {
    for (let round = 0; round < rounds; round++) {
      for (const state of round % 2 ? ["enable", "disable"] as const : ["disable", "enable"] as const) {
        if (state === "enable") await on(admin);
        else await admin`alter table tenant.buildings disable trigger audit_row`;
        for (let i = -10; i < requests; i++) {
          const started = performance.now();
          await request();
          if (i >= 0) times[state].push(performance.now() - started); // the first ones plan their statements anew
        }
      }
    }
  } finally {
    await on(admin);
  }
  const [audited, plain] = [median(times.enable), median(times.disable)];
  const note = `median of ${times.enable.length}: ${audited.toFixed(2)} ms against ${plain.toFixed(2)} ms`;
  return { audited, plain, note };
}

const on = (admin: Sql) => admin`alter table tenant.buildings enable trigger audit_row`;
