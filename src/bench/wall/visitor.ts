// A process that only visits the database, without HTTP: by the doors, or as one would without them (b). It asks for the
// very rows that the measured routes answer. Told `{ driver, … }` first, then `{ lanes, ms }` for each round.
import { createDoors } from "../../db/doors.ts";
import { Pool, type Target } from "../../db/pool.ts";
import { createLog } from "../../telemetry/log.ts";
import { signContext, signPermit } from "../../tenancy/context.ts";
import type { RenterQuery } from "../../tenant/renters/model.ts";
import { listRenters } from "../../tenant/renters/queries.ts";
import { answerParent } from "./child.ts";
import { naiveRows } from "./contender_routes.ts";
import { openStock, type StockTarget } from "./stock.ts";

/** What a visitor is told. */
export interface VisitorConfig {
  driver: "ours" | "naive";
  target: Target;
  key: number[];
  tenants: string[];
  connections: number;
}

type Read = (tenantId: string) => Promise<unknown[]>;

const QUERY: RenterQuery = { limit: 20, sort: "last_name" };

function reader({ driver, target, key, connections }: VisitorConfig): Read {
  if (driver === "naive") {
    const stock = openStock(target as StockTarget, connections);
    return (tenantId) => naiveRows(stock, tenantId, QUERY);
  }
  const pool = new Pool(target, { max: connections });
  const doors = createDoors({ get: () => pool } as never, target, createLog({ level: "error" }));
  const signer = { keyId: 1, key: Uint8Array.from(key) };
  return (tenantId) =>
    doors.asTenant({
      target,
      tenantId,
      sign: (pid) => signContext(signer, tenantId, null, pid),
      caller: tenantId,
      permit: (proof, pid) => signPermit(signer, tenantId, null, pid, proof),
      operation: "bench.visit",
      requestId: "",
      readOnly: true,
    }, (tx) => listRenters(tx, QUERY));
}

/** Visits a second, each lane its own tenants. Throws at the first answer without all its rows. */
async function visit(read: Read, tenants: string[], { lanes, ms }: { lanes: number; ms: number }): Promise<number> {
  const started = performance.now();
  let visits = 0;
  const lane = async (first: number) => {
    for (let at = first; performance.now() - started < ms; at += lanes) {
      const rows = await read(tenants[at % tenants.length]);
      if (rows.length !== QUERY.limit + 1) throw new Error(`A visit gave ${rows.length} rows`);
      visits++;
    }
  };
  await Promise.all(Array.from({ length: lanes }, (_, first) => lane(first)));
  return visits / ((performance.now() - started) / 1000);
}

let told: VisitorConfig;
let read: Read;
await answerParent(async (question: VisitorConfig | { lanes: number; ms: number }) => {
  if ("lanes" in question) return await visit(read, told.tenants, question);
  told = question;
  read = reader(told);
  return {};
});
