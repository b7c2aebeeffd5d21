// The steps of the saga after "record", in their order. Each looks at what is there before it acts, so that it can be
// cut off anywhere and run again; what it changes on the platform is written together with its "done".
import { sql } from "../../db/sql.ts";
import {
  closeDatabase,
  createDatabase,
  deployPlacement,
  ensurePlacementRoles,
  hardenDatabase,
  setGate,
} from "../../db/rollout.ts";
import { AppError } from "../../errors.ts";
import { moveApplication } from "../applications/queries.ts";
import { recordEvent } from "../events/queries.ts";
import { withinLimits } from "../placements/connect.ts";
import { rolesOf } from "../placements/model.ts";
import { markReady } from "../placements/queries.ts";
import { readReference } from "../reference/queries.ts";
import { syncReference } from "../reference/sync.ts";
import { moveTenant } from "../tenants/queries.ts";
import { insertInitialAdmin, sendSetupMail } from "./initial_admin.ts";
import type { StepName } from "./model.ts";
import { choosePlacement, refuseForeignSchemas } from "./placing.ts";
import { ACTOR, type Done, type Run } from "./run.ts";

/** One piece of work, known to operators by one or more names. */
export interface SagaStep {
  names: readonly StepName[];
  run(run: Run): Promise<Done | void>;
}

/** All steps after "record". */
export const STEPS: readonly SagaStep[] = [
  { names: ["placement"], run: place },
  { names: ["roles"], run: prepareRoles },
  { names: ["migrations", "policies", "proof"], run: deploy },
  { names: ["seed"], run: seed },
  { names: ["admin"], run: addAdmin },
  { names: ["open"], run: open },
  { names: ["mail"], run: mail },
];

async function place(run: Run): Promise<Done | void> {
  const placement = await choosePlacement(run);
  run.placement = placement;
  if (placement.kind === "dedicated") {
    const { servers } = run.services;
    const anywhere = servers.migrator(servers.settings.platformDatabase);
    await withinLimits(anywhere, (connection) => createDatabase(connection, placement.database_name));
  }
  if (placement.kind === "byo") return await refuseForeignSchemas(run);
}

async function prepareRoles(run: Run): Promise<void> {
  const { placement, services } = run;
  if (placement.kind === "shared") return;
  const roles = rolesOf(placement);
  const connection = await run.direct();
  await ensurePlacementRoles(connection, roles, services.servers.secret(roles.tenantLogin));
  await closeDatabase(connection, [roles.tenantLogin]);
  // Only a superuser can do this; without one the proof still finds what it would have prevented.
  if (placement.server.kind === "own" && services.servers.settings.admin) {
    await withinLimits(services.servers.admin(placement.database_name), (admin) => hardenDatabase(admin, roles));
  }
}

async function deploy(run: Run): Promise<Done> {
  const { placement, services } = run;
  if (placement.kind === "shared") {
    if (placement.state !== "ready") throw new AppError("database_unavailable", "The shared placement is not ready");
    return { durations: { migrations: 0, policies: 0, proof: 0 } };
  }
  const key = services.servers.placementKey(placement.id, placement.key_id);
  const report = await deployPlacement(await run.direct(), rolesOf(placement), key);
  return {
    durations: { migrations: report.migrationsMs, policies: report.policiesMs, proof: report.proofMs },
    record: async (tx) => void await markReady(tx, placement.id),
  };
}

async function seed(run: Run): Promise<void> {
  const data = await run.asPlatform((tx) => readReference(tx));
  await syncReference(await run.direct(), run.placement.owner_role, data);
}

/** The gate must be open for the door to let anyone in; the platform does not lead anyone to this tenant yet. */
async function addAdmin(run: Run): Promise<void> {
  await setGate(await run.direct(), rolesOf(run.placement), run.tenantId, true);
  await run.asTenant((tx) => insertInitialAdmin(tx, run.application));
}

async function open(run: Run): Promise<Done> {
  const { application, tenantId, placement } = run;
  await setGate(await run.direct(), rolesOf(placement), tenantId, true);
  return {
    record: async (tx) => {
      await moveTenant(tx, tenantId, "active", { actor: ACTOR, reason: "provisioned" });
      // The password of a customer's server is with its server now.
      await moveApplication(tx, application.id, "complete", sql`byo_password_sealed = null, failure = null`);
      const of = { actor: ACTOR, tenantId, applicationId: application.id };
      await recordEvent(tx, { type: "tenant.activated", ...of, data: { tier: placement.kind } });
      await recordEvent(tx, { type: "application.provisioned", ...of });
    },
  };
}

async function mail(run: Run): Promise<Done> {
  const to = await sendSetupMail(run);
  const of = { actor: ACTOR, tenantId: run.tenantId, applicationId: run.application.id };
  return {
    record: async (tx) => void await recordEvent(tx, { type: "tenant.setup_mail_sent", ...of, data: { sent: to } }),
  };
}
