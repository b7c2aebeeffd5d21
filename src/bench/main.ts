// The main job's numbers: a dedicated tenant from approval to usable, import speed through the whole HTTP path, and the
// round trips of a one-query tenant read. On a fresh embedded installation in a temporary folder.
import type { Measurement } from "../cli/bench.ts";
import { type Local, startLocal } from "../cli/local.ts";
import type { Config } from "../config.ts";
import { CAST } from "../demo/cast.ts";
import { Client } from "../demo/client.ts";
import { becomeTenant, furnish, MAPPING } from "../demo/story.ts";
import { Pool } from "../db/pool.ts";
import { onShutdown } from "../embedded/shutdown.ts";

const READINGS = 200_000;
const PROVISIONINGS = 3;

/** Runs the suite. */
export async function benchMain(config: Config): Promise<Measurement[]> {
  const dir = await Deno.makeTempDir({ prefix: "bulkhead-bench-" });
  onShutdown("temporary folder", () => Deno.remove(dir, { recursive: true }));
  return await measure(
    await startLocal({ config: { ...config, PORT: 0, OPERATOR_MFA_REQUIRED: "off" }, dir, say: () => {} }),
  );
}

async function measure(local: Local): Promise<Measurement[]> {
  const client = new Client(local.url);
  const { access_token: operator } = await client.call("POST", "/v1/operators/login", { body: local.operator });
  const dedicated = CAST.find((organisation) => organisation.tier === "dedicated")!;
  const times: number[] = [];
  let chapter;
  for (let i = 1; i <= PROVISIONINGS; i++) {
    const admin = { ...dedicated.admin, email: `admin@bench-${i}.test` };
    [chapter] = await becomeTenant(local, client, operator, { ...dedicated, slug: `bench-${i}`, admin });
    times.push(chapter.provisioning_ms!);
  }
  await furnish(client, chapter!);
  const provisioning = median(times);
  const importing = await importSpeed(client, chapter!);
  const trips = await roundTrips(local, chapter!);
  return [
    atMost("dedicated tenant, approval to usable (median of 3)", provisioning, "ms", 2000),
    atLeast("import through HTTP", importing, "readings/s", 20_000, `${READINGS.toLocaleString("en")} readings`),
    atMost("round trips of a one-query tenant read", trips, "round trips", 2),
  ];
}

function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
}

function atMost(name: string, value: number, unit: string, goal: number, note?: string): Measurement {
  return { name, value, unit, goal, direction: "at most", reached: value <= goal, note };
}

function atLeast(name: string, value: number, unit: string, goal: number, note?: string): Measurement {
  return { name, value, unit, goal, direction: "at least", reached: value >= goal, note };
}

/** A made-up file of hourly readings, as a stream: it is never whole in memory. */
function madeUp(): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  const start = Date.UTC(1990, 0, 1);
  let hour = 0;
  return new ReadableStream({
    pull(controller) {
      let text = hour === 0 ? "DateTime,Consumption kWh,Off-peak,Mid-peak,On-peak\n" : "";
      for (const end = Math.min(hour + 2000, READINGS); hour < end; hour++) {
        const [date, time] = new Date(start + hour * 3_600_000).toISOString().split("T");
        const [year, month, day] = date.split("-");
        text += `${month}/${day}/${year} ${time.slice(0, 8)},${(hour % 97) / 100},1,0,0\n`;
      }
      controller.enqueue(encoder.encode(text));
      if (hour >= READINGS) controller.close();
    },
  });
}

async function importSpeed(client: Client, chapter: { meterId: string; token: string }): Promise<number> {
  const mapping = { ...MAPPING, timestamp: { ...MAPPING.timestamp, zone: "UTC", midnight: "start_of_day" } };
  const path = `/v1/meters/${chapter.meterId}/readings/import?mapping=${encodeURIComponent(JSON.stringify(mapping))}`;
  const started = performance.now();
  const result = await client.call("POST", path, {
    token: chapter.token,
    upload: { type: "text/csv", stream: madeUp() },
  });
  if (result.accepted !== READINGS) throw new Error(`Only ${result.accepted} of ${READINGS} readings were accepted`);
  return READINGS / ((performance.now() - started) / 1000);
}

/** Counts what goes over the wire for one tenant read, once the connection and the statement are warm. */
async function roundTrips(local: Local, chapter: { tenantId: string }): Promise<number> {
  const { directory, targets } = local.services;
  const tenant = await directory.byId(chapter.tenantId);
  const entering = { operation: "bench", requestId: "", readOnly: true };
  const { target, sign, tenantId } = await targets.context(tenant!, entering);
  const { createDoors } = await import("../db/doors.ts");
  const pool = new Pool(target, { max: 1 });
  const doors = createDoors({ get: () => pool } as never, target, local.services.log);
  const read = () =>
    doors.asTenant(
      { target, sign, tenantId, operation: "bench", requestId: "", readOnly: true },
      (tx) => tx`select id, serial_number from tenant.meters order by serial_number limit 20`,
    );
  await read();
  const before = pool.stats().roundTrips;
  const times = 10;
  for (let i = 0; i < times; i++) await read();
  const trips = (pool.stats().roundTrips - before) / times;
  await pool.end();
  return trips;
}
