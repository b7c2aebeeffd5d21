// Operators open and close tenants. What bites is the gate in the tenant's database, so it is closed before the platform
// says so and opened after: whoever dies in between leaves the tenant shut, and the same call again completes the change.
// The tenant's row is locked while its gate moves, so that of two operators the later one has the last word in both.
import { z } from "@hono/zod-openapi";
import type { Tx } from "../../db/sql.ts";
import { AppError } from "../../errors.ts";
import { type Call, route } from "../../http/route.ts";
import { relayAgain } from "../../tenancy/jobs.ts";
import { recordEvent } from "../events/queries.ts";
import { DECIDERS } from "../operators/roles.ts";
import { reachGates } from "../placements/gate.ts";
import type { Placement } from "../placements/model.ts";
import { findPlacementOf } from "../placements/queries.ts";
import { type OperatorStatus, STATUS_EVENTS, statusAnswer, statusChange, TENANT_TRANSITIONS } from "./model.ts";
import { cannotBecome, findTenant, lockStatus, moveTenant } from "./queries.ts";

/** `tenants.setStatus`: a repeated call changes nothing and makes sure of the gate. */
export const setStatus = route({
  operation: "tenants.setStatus",
  method: "post",
  path: "/v1/tenants/{id}/status",
  summary: "Suspend a tenant, block it, put it into maintenance, or open it again",
  description:
    "Any status but `active` shuts the tenant out at its next statement, in every process. Repeat the call " +
    "when it failed or answers `unreachable`: it completes the change. To open a tenant its database must be reachable; " +
    "closing works without, and requests are kept out by the platform alone until the gate is closed too.",
  tag: "Tenants",
  roles: DECIDERS,
  params: z.object({ id: z.uuid() }),
  body: statusChange,
  answer: statusAnswer,
  handler: async (call) => {
    const { id } = call.params;
    const change: Change = { ...call.body, actor: `operator:${call.operator.id}`, tenantId: id };
    const placement = await call.asPlatform((tx) => placementFor(tx, change));
    const gate = change.status === "active"
      ? await open(call, placement, change)
      : await close(call, placement, change);
    call.services.directory.forget(id);
    if (gate === "open") await handJobsOver(call, id);
    const tenant = await call.asPlatform((tx) => findTenant(tx, id));
    return { ...tenant!, gate };
  },
});

interface Change {
  tenantId: string;
  status: OperatorStatus;
  reason: string;
  actor: string;
}

/** Refuses early, before a connection is opened, what {@link move} refuses. */
async function placementFor(tx: Tx, change: Change): Promise<Placement> {
  const tenant = await findTenant(tx, change.tenantId);
  if (!tenant) throw new AppError("not_found", "There is no such tenant");
  const placement = await findPlacementOf(tx, change.tenantId);
  if (!placement || !mayMove(tenant.status, change.status)) throw cannotBecome(tenant.status, change.status);
  return placement;
}

/** Provisioning alone opens what is being provisioned. */
function mayMove(from: string, to: OperatorStatus): boolean {
  return from === to || from !== "provisioning" && (TENANT_TRANSITIONS[to] as readonly string[]).includes(from);
}

/** Moves the tenant, unless it is there already, with `before` while its row is locked. */
async function move(tx: Tx, change: Change, before: () => Promise<void> = async () => {}): Promise<void> {
  const { tenantId, status, reason, actor } = change;
  const from = await lockStatus(tx, tenantId);
  if (!mayMove(from, status)) throw cannotBecome(from, status);
  await before();
  if (from === status) return;
  await moveTenant(tx, tenantId, status, { actor, reason });
  await recordEvent(tx, { type: STATUS_EVENTS[status], actor, tenantId, data: { from, reason } });
}

async function open(call: Call, placement: Placement, change: Change): Promise<"open"> {
  const gates = await reachGates(call.services, placement);
  try {
    await call.asPlatform((tx) => move(tx, change));
    await call.asPlatform(async (tx) => {
      const status = await lockStatus(tx, change.tenantId);
      if (status !== "active") throw new AppError("conflict", `The tenant has become "${status}" meanwhile`);
      await gates.set(change.tenantId, "active");
    });
    return "open";
  } finally {
    await gates.end();
  }
}

/** Closes the gate, then says so. A gate that cannot be closed stops nothing: the platform alone shuts requests out then. */
async function close(call: Call, placement: Placement, change: Change): Promise<"closed" | "unreachable"> {
  let fault: unknown;
  const failed = (error: unknown) => {
    fault = error;
    return null;
  };
  const gates = await reachGates(call.services, placement).catch(failed);
  try {
    await call.asPlatform(async (tx) => {
      await move(tx, change, async () => void await gates?.set(change.tenantId, change.status).catch(failed));
      if (fault) await tellUnreachable(call, tx, change, fault);
    });
  } finally {
    await gates?.end();
  }
  return fault ? "unreachable" : "closed";
}

async function tellUnreachable(call: Call, tx: Tx, { tenantId, actor, status }: Change, fault: unknown): Promise<void> {
  const reason = fault instanceof AppError ? fault.code : "database_unavailable";
  await recordEvent(tx, { type: "tenant.gate_unreachable", actor, tenantId, data: { status, reason } });
  call.log.alarm("A tenant's gate could not be closed: its database was not reached", {
    closed_tenant: tenantId,
    status,
    reason: String(fault),
  });
}

/** Jobs waited while the tenant was closed. That they wait a little longer does not undo the opening. */
async function handJobsOver(call: Call, tenantId: string): Promise<void> {
  const tenant = await call.services.directory.byId(tenantId);
  if (!tenant) return;
  await relayAgain(call.services, tenant).catch((error) => {
    call.log.warn("The jobs of an opened tenant were not handed over: repeat the call", { reason: String(error) });
  });
}
