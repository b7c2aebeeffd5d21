// Visits of operators: begun with a one-time token, shown to the tenant, ended by either side.
import { AppError } from "../../errors.ts";
import { pageOf, toPage } from "../../http/paging.ts";
import { type Call, route } from "../../http/route.ts";
import { hashSecretToken } from "../../identity/secret_tokens.ts";
import * as visits from "../../tenancy/visits.ts";
import { byId } from "../fields.ts";
import { begin as beginBody, begun, visit, visitQuery } from "./model.ts";
import * as queries from "./queries.ts";

const tag = "Visits of operators";

const begin = route({
  operation: "auth.impersonate",
  method: "post",
  path: "/v1/auth/impersonate",
  summary: "Begin an operator's visit with its one-time token",
  tag,
  limit: "strict",
  errors: ["invalid_token"],
  body: beginBody,
  answer: begun,
  handler: async (call) => {
    const hash = hashSecretToken(call.body.token);
    const asked = await call.asPlatform((tx) => visits.beginVisit(tx, hash, call.tenant.id));
    if (!asked) throw new AppError("invalid_token", "Ask for a new visit");
    const { services, tenant, operation, requestId } = call;
    const origin = { ...call.origin, impersonating: asked.id };
    const entering = { actor: `operator:${asked.operator_id}`, operation, requestId, origin, readOnly: false };
    const context = await services.targets.context(tenant, entering);
    const { access_version: accessVersion, ...row } = await services.doors.asTenant(
      context,
      (tx) => queries.noteVisit(tx, asked),
    );
    const expiresAt = new Date(asked.expires_at);
    const token = await services.tokens.issueImpersonator({
      tenantId: tenant.id,
      keyVersion: tenant.signing.version,
      operatorId: asked.operator_id,
      impersonationId: asked.id,
      email: asked.operator_email,
      readOnly: asked.read_only,
      accessVersion,
      expiresAt,
    });
    return {
      access_token: token,
      token_type: "Bearer" as const,
      expires_in: Math.max(0, Math.floor((expiresAt.getTime() - Date.now()) / 1000)),
      visit: row,
      banner:
        `${asked.operator_email} visits ${tenant.name}${asked.read_only ? " and can change nothing" : ""}, until ` +
        `${expiresAt.toISOString().slice(11, 16)} UTC: ${asked.reason}`,
    };
  },
});

const list = route({
  operation: "visits.list",
  method: "get",
  path: "/v1/visits",
  summary: "List visits of operators",
  tag,
  can: "impersonations.view",
  query: visitQuery,
  answer: pageOf(visit),
  handler: async (call) => toPage(await call.asTenant((tx) => queries.listVisits(tx, call.query)), call.query),
});

const endOne = route({
  operation: "visits.end",
  method: "post",
  path: "/v1/visits/{id}/end",
  summary: "End an operator's visit at once",
  tag,
  can: "impersonations.end",
  callers: ["member", "key"],
  params: byId,
  answer: visit,
  handler: (call) => end(call, call.params.id),
});

const leave = route({
  operation: "visits.leave",
  method: "post",
  path: "/v1/visits/leave",
  summary: "End one's own visit",
  tag,
  callers: ["impersonator"],
  leaves: true,
  answer: visit,
  handler: (call) => end(call, call.visitor.impersonationId),
});

async function end(call: Call, id: string) {
  const row = await call.asTenant((tx) => queries.endVisit(tx, id));
  await call.asPlatform((tx) => visits.endVisit(tx, id));
  return row;
}

/** For anyone who names a tenant. */
export const openRoutes = [begin];

/** For those in a tenant. */
export const routes = [list, endOne, leave];
