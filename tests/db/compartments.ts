// A placement with tenants in it and the doors to it, as requests use them: the real schema, policies, gates and signatures.
import { createDoors, type Doors, type TenantContext } from "../../src/db/doors.ts";
import { newId } from "../../src/db/ids.ts";
import type { Pool, Target } from "../../src/db/pool.ts";
import { Pools, type PoolsOptions } from "../../src/db/pools.ts";
import type { Tx } from "../../src/db/sql.ts";
import { createLog } from "../../src/telemetry/log.ts";
import { signContext, type Signer } from "../../src/tenancy/context.ts";
import { makeScratch, type Scratch } from "../proof/scratch.ts";
import { testServer } from "../support/postgres.ts";
import { through } from "./setup.ts";

/** A placement, its tenants and the doors of a process. */
export interface Compartments {
  doors: Doors;
  scratch: Scratch;
  signer: Signer;
  /** The run-time login. */
  target: Target;
  /** The pool that the doors use. */
  pool: Pool;
  tenants: string[];
  /** Lines of the log. */
  lines: string[];
  /** The context of a tenant as a request has it; `change` spoils it. */
  context(tenant: string, change?: Partial<TenantContext>): TenantContext;
  drop(): Promise<void>;
}

/** Rolls a placement out with `count` tenants, all open, in it. */
export async function makeCompartments(count: number, options: Partial<PoolsOptions> = {}): Promise<Compartments> {
  const scratch = await makeScratch("doors");
  const tenants = Array.from({ length: count }, () => newId());
  await scratch
    .admin`insert into app.gates (tenant_id, open) select id, true from unnest(string_to_array(${tenants.join()}, ',')::uuid[]) id`;
  const { host, port } = await testServer();
  const { database, roles, signer } = scratch;
  const target = through({ host, port, database, user: roles.tenantLogin, password: "scratch" });
  const pools = new Pools({ maxConnections: 8, perPool: 8, ...options });
  const lines: string[] = [];
  const log = createLog({ level: "debug", write: (line) => void lines.push(line) });
  return {
    doors: createDoors(pools, target, log),
    scratch,
    signer,
    target,
    pool: pools.get(target),
    tenants,
    lines,
    context: (tenantId, change) => ({
      target,
      tenantId,
      sign: (pid) => signContext(signer, tenantId, null, pid),
      operation: "test",
      requestId: "",
      readOnly: false,
      ...change,
    }),
    async drop() {
      await pools.end();
      await scratch.drop();
    },
  };
}

/** A row that every tenant may make. */
export function addBuilding(tx: Tx, name: string) {
  return tx<{ id: string }>`insert into tenant.buildings (name, address, city, country)
    values (${name}, '1 King St', 'Toronto', 'CA') returning id`;
}
