// A placement as an attacker with its run-time login would find it: a session as that login past the doors, contexts that
// stand and contexts that do not, and the superuser's view for comparison.
import { openDirect, type Sql } from "../../src/db/direct.ts";
import type { Placement } from "../../src/tenancy/directory.ts";
import { signContext, type Signer } from "../../src/tenancy/context.ts";
import type { TestApp, TestTenant } from "./app.ts";
import { adminSql, secondTestServer, testServer } from "./postgres.ts";

export { attempt, type DatabaseFault } from "../../src/prove/session.ts";

/** A tenant's placement and how to look at it. */
export interface Place {
  tenant: TestTenant;
  placement: Placement;
  /** What signs its contexts. */
  signer: Signer;
  /** As superuser, past row-level security. */
  admin: Sql;
  /** As the run-time login. */
  login: Sql;
  /** The backend of `login`. */
  pid: number;
  end(): Promise<void>;
}

/** A context as a session may claim it. */
export interface Claim {
  tenantId: string;
  proof: string;
}

/** Opens a tenant's placement from both sides. */
export async function openPlace(app: TestApp, tenant: TestTenant): Promise<Place> {
  const { directory, targets, servers } = app.services;
  const record = await directory.byId(tenant.id);
  if (!record) throw new Error(`Tenant "${tenant.slug}" is not there`);
  const { placement } = record;
  const entering = { operation: "test", requestId: "", readOnly: false };
  const { target } = await targets.context(record, entering);
  const server = placement.host ? await secondTestServer() : await testServer();
  const admin = await adminSql(placement.database, server);
  const login = await openDirect(target);
  const [{ pid }] = await login`select pg_backend_pid() as pid`;
  return {
    tenant,
    placement,
    signer: servers.signer(placement.id, placement.key_id),
    admin,
    login,
    pid,
    async end() {
      await login.end();
      await admin.end();
    },
  };
}

/** No tenant at all. */
export const NOBODY: Claim = { tenantId: "", proof: "" };

/** A tenant's own, proven context in its placement. */
export function proven(place: Place, tenantId = place.tenant.id, pid = 0): Claim {
  return { tenantId, proof: signContext(place.signer, tenantId, null, pid) };
}

/** What is thrown to undo a visit. */
class Undo extends Error {}

/** Runs `work` in a transaction of the run-time login under a claim, marked as the door would, and undoes everything. */
export async function under<T>(place: Place, claim: Claim, work: (tx: Sql) => Promise<T>): Promise<T> {
  let result: { value: T } | undefined;
  await place.login.begin(claim.proof.includes(":units.") ? "deferrable" : "", async (tx) => {
    await enter(tx as unknown as Sql, claim);
    result = { value: await work(tx as unknown as Sql) };
    throw new Undo();
  }).catch((error) => {
    if (!(error instanceof Undo)) throw error;
  });
  return result!.value;
}

/** Claims a context for the rest of the transaction, as the door's first statement does. */
export async function enter(tx: Sql, { tenantId, proof }: Claim): Promise<void> {
  await tx`select set_config('app.tenant_id', ${tenantId}, true), set_config('app.proof', ${proof}, true)`;
}
