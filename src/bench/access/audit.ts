// What the audit adds to a write through HTTP: the same requests with the table's trigger on and off, in turns, on one running
// platform. Only a superuser can switch it off; it is on again at the end, whatever happens.
import type { Measurement } from "../../cli/bench.ts";
import type { Sql } from "../../db/direct.ts";

/** What is measured on. */
export interface AuditGround {
  /** Where the platform is served. */
  url: string;
  /** An access token that may create and change buildings. */
  token: string;
  /** The tenant's placement, as superuser. */
  admin: Sql;
}

/** Rounds with and without, and requests a round. */
const ROUNDS = 10;
const REQUESTS = 100;
const BUILDING = { name: "Tower", address: "1 King St", city: "Toronto", country: "CA" };

/** Measures creates and changes. */
export async function measureAudit({ url, token, admin }: AuditGround): Promise<Measurement[]> {
  const send = async (method: string, path: string, body: unknown) => {
    const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
    const response = await fetch(url + path, { method, headers, body: JSON.stringify(body) });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path} was answered ${response.status}: ${text}`);
    return JSON.parse(text);
  };
  const { id } = await send("POST", "/v1/buildings", BUILDING);
  let name = 0;
  const create = () => send("POST", "/v1/buildings", BUILDING);
  const change = () => send("PATCH", `/v1/buildings/${id}`, { name: `Tower ${name++}` });
  return [
    await compared("audit: time of a create against one without", create, admin),
    await compared("audit: time of a change against one without", change, admin),
  ];
}

async function compared(name: string, request: () => Promise<unknown>, admin: Sql): Promise<Measurement> {
  const times = { enable: [] as number[], disable: [] as number[] };
  try {
    for (let round = 0; round < ROUNDS; round++) {
      for (const state of round % 2 ? ["enable", "disable"] as const : ["disable", "enable"] as const) {
        if (state === "enable") await on(admin);
        else await admin`alter table tenant.buildings disable trigger audit_row`;
        for (let i = -10; i < REQUESTS; i++) {
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
  const value = audited / plain;
  const note = `median of ${times.enable.length}: ${audited.toFixed(2)} ms against ${plain.toFixed(2)} ms`;
  return { name, value, unit: "×", goal: 1.1, direction: "at most", reached: value <= 1.1, note };
}

const on = (admin: Sql) => admin`alter table tenant.buildings enable trigger audit_row`;

function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
}
