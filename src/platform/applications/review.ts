// What operators decide: approve, reject, try again. A decision and the job that follows it are one transaction; the
// customer's server is examined before, so that nothing waits on a stranger inside a transaction.
import { z } from "@hono/zod-openapi";
import { sql, type Tx } from "../../db/sql.ts";
import { AppError } from "../../errors.ts";
import { type Call, route } from "../../http/route.ts";
import { recordEvent } from "../events/queries.ts";
import { DECIDERS } from "../operators/roles.ts";
import { examineByoServer } from "../placements/examine.ts";
import { PROVISION_QUEUE } from "../provisioning/jobs.ts";
import { isStranded, listSteps } from "../provisioning/queries.ts";
import type { Tier } from "../tenants/model.ts";
import { type Application, APPLICATION_MOVES, applicationAnswer, approval, rejection } from "./model.ts";
import { findApplication, findByoConnection, invalidState, moveApplication } from "./queries.ts";

const params = z.object({ id: z.uuid() });

/** Hands a provisioning to the queue, in the transaction of the decision. */
async function enqueueProvisioning(call: Call, tx: Tx, applicationId: string): Promise<void> {
  await call.services.queue.sendWith(tx, PROVISION_QUEUE.name, { application_id: applicationId });
}

/** Refuses early what the guarded move would refuse too, before a customer's server is bothered. */
async function examineBeforeApproval(call: Call, id: string, tier: Tier): Promise<void> {
  const [application, connection] = await call.asPlatform(async (tx) => [
    await findApplication(tx, id),
    await findByoConnection(tx, id),
  ]);
  if (!application) throw new AppError("not_found", "There is no such application");
  const allowed: readonly string[] = APPLICATION_MOVES.approve.from;
  if (!allowed.includes(application.status)) throw invalidState(application.status, "approve");
  if (tier !== "byo") return;
  if (!connection) {
    throw new AppError("unprocessable", 'The application names no server; tier "byo" needs one', {
      fields: [{ path: "body.tier", message: "Choose shared or dedicated" }],
    });
  }
  await examineByoServer(call.services, id, connection);
}

/** `applications.approve`: the tier may differ from the requested one. */
export const approve = route({
  operation: "applications.approve",
  method: "post",
  path: "/v1/applications/{id}/approve",
  summary: "Approve an application and provision its tenant",
  description: "For tier `byo` the customer's server is examined first: reachable, login, version, rights.",
  tag: "Applications",
  roles: DECIDERS,
  params,
  body: approval,
  status: 202,
  answer: applicationAnswer,
  handler: async (call) => {
    const { id } = call.params;
    const { tier, notes = null } = call.body;
    await examineBeforeApproval(call, id, tier);
    return await call.asPlatform(async (tx) => {
      // A password that no one will use is not kept.
      const password = tier === "byo" ? sql`byo_password_sealed` : sql`null`;
      const approved = await moveApplication(
        tx,
        id,
        "approve",
        sql`tier = ${tier}, reviewer_id = ${call.operator.id}, review_notes = ${notes}, reviewed_at = now(),
          byo_password_sealed = ${password}`,
      );
      const data = { tier, requested_tier: approved.requested_tier };
      const actor = `operator:${call.operator.id}`;
      await recordEvent(tx, { type: "application.approved", actor, applicationId: id, data });
      await enqueueProvisioning(call, tx, id);
      return approved;
    });
  },
});

/** `applications.reject`: frees the slug and forgets the password of a customer's server. */
export const reject = route({
  operation: "applications.reject",
  method: "post",
  path: "/v1/applications/{id}/reject",
  summary: "Reject an application",
  tag: "Applications",
  roles: DECIDERS,
  params,
  body: rejection,
  answer: applicationAnswer,
  handler: (call) =>
    call.asPlatform(async (tx) => {
      const rejected = await moveApplication(
        tx,
        call.params.id,
        "reject",
        sql`reviewer_id = ${call.operator.id}, review_notes = ${call.body.notes}, reviewed_at = now(),
          byo_password_sealed = null`,
      );
      const actor = `operator:${call.operator.id}`;
      await recordEvent(tx, { type: "application.rejected", actor, applicationId: rejected.id });
      return rejected;
    }),
});

/** `applications.retry`: goes on where provisioning stopped. */
export const retry = route({
  operation: "applications.retry",
  method: "post",
  path: "/v1/applications/{id}/retry",
  summary: "Provision again after a failure",
  description: "Steps that are done are kept. Also for a provisioning that no worker carries out any more, and for a " +
    "tenant that works but whose setup mail could not be sent.",
  tag: "Applications",
  roles: DECIDERS,
  params,
  status: 202,
  answer: applicationAnswer,
  handler: (call) =>
    call.asPlatform(async (tx) => {
      const { id } = call.params;
      const current = await findApplication(tx, id);
      const keepsState = current && (await lacksMail(tx, current) || await isStranded(tx, id));
      const application = keepsState ? current : await moveApplication(tx, id, "retry");
      const actor = `operator:${call.operator.id}`;
      await recordEvent(tx, { type: "application.retried", actor, applicationId: id, tenantId: application.tenant_id });
      await enqueueProvisioning(call, tx, id);
      return application;
    }),
});

async function lacksMail(tx: Tx, { status, tenant_id }: Application): Promise<boolean> {
  if (status !== "provisioned" || !tenant_id) return false;
  const steps = await listSteps(tx, tenant_id);
  return steps.some(({ step, state }) => step === "mail" && state === "failed");
}
