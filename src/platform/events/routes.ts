// Events for operators: what happened, newest first.
import { z } from "@hono/zod-openapi";
import { sql } from "../../db/sql.ts";
import { page, pageOf, pageQuery, toPage } from "../../http/paging.ts";
import { type Route, route } from "../../http/route.ts";
import { OBSERVERS } from "../operators/roles.ts";
import { EVENT_TYPES, eventAnswer } from "./model.ts";
import { listEvents } from "./queries.ts";

/** `events.list`: filter by type, tenant or application. */
export const list = route({
  operation: "events.list",
  method: "get",
  path: "/v1/events",
  summary: "List what happened on the platform",
  tag: "Events",
  roles: OBSERVERS,
  query: pageQuery({
    sort: ["occurred_at"],
    defaultSort: "-occurred_at",
    filters: {
      type: z.enum(EVENT_TYPES).optional(),
      tenant_id: z.uuid().optional(),
      application_id: z.uuid().optional(),
    },
  }),
  answer: pageOf(eventAnswer),
  handler: async (call) => {
    // Ids are of version 7, so they sort by time, and more finely than a timestamp's milliseconds in JSON.
    const paging = page(call.query, { columns: { occurred_at: sql`id` }, id: sql`id` });
    const rows = await call.asPlatform((tx) => listEvents(tx, call.query, paging));
    return toPage(rows, call.query, (row) => [row.id, row.id]);
  },
});

/** Routes for operators. */
export const routes: Route[] = [list];
