// Tenants for operators: who they are, which tier they are in and where their rows live. Opening and closing them is in
// status.ts.
import { z } from "@hono/zod-openapi";
import { sql } from "../../db/sql.ts";
import { AppError } from "../../errors.ts";
import { page, pageOf, pageQuery, toPage } from "../../http/paging.ts";
import { type Route, route } from "../../http/route.ts";
import { EVERYBODY } from "../operators/roles.ts";
import { TENANT_STATUSES, tenantAnswer, tierSchema } from "./model.ts";
import { findTenant, listTenants } from "./queries.ts";
import { setStatus } from "./status.ts";

const search = z.string().min(1).max(63).regex(/^[A-Za-z0-9-]+$/, "Use letters, digits and hyphens").optional()
  .openapi({ description: "Beginning of the slug" });

/** `tenants.list`: filter by state, tier, or the beginning of the slug. */
export const list = route({
  operation: "tenants.list",
  method: "get",
  path: "/v1/tenants",
  summary: "List tenants",
  tag: "Tenants",
  roles: EVERYBODY,
  query: pageQuery({
    sort: ["created_at", "slug"],
    filters: { status: z.enum(TENANT_STATUSES).optional(), tier: tierSchema.optional(), search },
  }),
  answer: pageOf(tenantAnswer),
  handler: async (call) => {
    const paging = page(call.query, { columns: { created_at: sql`t.id`, slug: sql`t.slug` }, id: sql`t.id` });
    const rows = await call.asPlatform((tx) => listTenants(tx, call.query, paging));
    return toPage(rows, call.query, (row, sort) => [sort === "slug" ? row.slug : row.id, row.id]);
  },
});

/** `tenants.get`: one tenant with its placement. */
export const get = route({
  operation: "tenants.get",
  method: "get",
  path: "/v1/tenants/{id}",
  summary: "Show a tenant and where its rows live",
  tag: "Tenants",
  roles: EVERYBODY,
  params: z.object({ id: z.uuid() }),
  answer: tenantAnswer,
  handler: async (call) => {
    const tenant = await call.asPlatform((tx) => findTenant(tx, call.params.id));
    if (!tenant) throw new AppError("not_found", "There is no such tenant");
    return tenant;
  },
});

/** Routes for operators. */
export const routes: Route[] = [list, get, setStatus];
