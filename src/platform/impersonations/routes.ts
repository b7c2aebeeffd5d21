// Operators act inside a tenant by a visit only: asked for here with a reason, begun in the tenant with a one-time token,
// over after minutes, and written into the tenant's own audit (X6). There is no other way in.
import { z } from "@hono/zod-openapi";
import { newId } from "../../db/ids.ts";
import { sql } from "../../db/sql.ts";
import { AppError } from "../../errors.ts";
import { page, pageOf, pageQuery, toPage } from "../../http/paging.ts";
import { type Route, route } from "../../http/route.ts";
import { newSecretToken } from "../../identity/secret_tokens.ts";
import { recordEvent } from "../events/queries.ts";
import { OBSERVERS, VISITORS } from "../operators/roles.ts";
import { askedVisit, visitAnswer, visitRequest } from "./model.ts";
import { askForVisit, endVisit, findVisitable, listVisits } from "./queries.ts";

const tag = "Impersonation";

/** `impersonations.ask`: a one-time token for a visit. */
const ask = route({
  operation: "impersonations.ask",
  method: "post",
  path: "/v1/tenants/{id}/impersonations",
  summary: "Ask for a visit inside a tenant: gives a one-time token",
  description: "The tenant sees the visit, its reason and all that is done in it in its audit, and can end it.",
  tag,
  roles: VISITORS,
  people: true,
  params: z.strictObject({ id: z.uuid() }),
  body: visitRequest,
  status: 201,
  answer: askedVisit,
  handler: async (call) => {
    const { reason, minutes, read_only: readOnly } = call.body;
    if (!readOnly && call.operator.role !== "superadmin") {
      throw new AppError("forbidden", "Only superadmins may change something in a visit: ask for one that only looks");
    }
    const { token, hash } = newSecretToken("bhv");
    return await call.asPlatform(async (tx) => {
      const tenant = await findVisitable(tx, call.params.id);
      if (!tenant) throw new AppError("not_found", "There is no such tenant");
      if (tenant.status !== "active") throw new AppError("tenant_unavailable", `The tenant is ${tenant.status}`);
      const asked = {
        id: newId(),
        tenantId: call.params.id,
        operatorId: call.operator.id,
        reason,
        readOnly,
        minutes,
        hash,
      };
      const visit = await askForVisit(tx, asked);
      await recordEvent(tx, {
        type: "impersonation.asked",
        actor: `operator:${call.operator.id}`,
        tenantId: visit.tenant_id,
        data: { impersonation_id: visit.id, reason, read_only: readOnly, minutes },
      });
      return { ...visit, token, tenant: tenant.slug };
    });
  },
});

/** `impersonations.list`: who asked to visit whom. */
const list = route({
  operation: "impersonations.list",
  method: "get",
  path: "/v1/impersonations",
  summary: "List visits inside tenants",
  tag,
  roles: OBSERVERS,
  query: pageQuery({ sort: ["created_at"], filters: { tenant_id: z.uuid().optional() } }),
  answer: pageOf(visitAnswer),
  handler: async (call) => {
    const paging = page(call.query, { columns: { created_at: sql`id` }, id: sql`id` });
    const rows = await call.asPlatform((tx) => listVisits(tx, call.query.tenant_id, paging));
    return toPage(rows, call.query, (row) => [row.id, row.id]);
  },
});

/** `impersonations.end`: one's own; anybody's for superadmins. */
const end = route({
  operation: "impersonations.end",
  method: "post",
  path: "/v1/impersonations/{id}/end",
  summary: "End a visit at once, begun or not",
  tag,
  roles: VISITORS,
  params: z.strictObject({ id: z.uuid() }),
  answer: visitAnswer,
  handler: (call) =>
    call.asPlatform(async (tx) => {
      const { id: operatorId, role } = call.operator;
      const visit = await endVisit(tx, call.params.id, role === "superadmin" ? null : operatorId);
      if (!visit) throw new AppError("not_found", "There is no such visit of yours");
      await recordEvent(tx, {
        type: "impersonation.ended",
        actor: `operator:${operatorId}`,
        tenantId: visit.tenant_id,
        data: { impersonation_id: visit.id, operator: visit.operator_id },
      });
      return visit;
    }),
});

/** Routes for operators. */
export const routes: Route[] = [ask, list, end];
