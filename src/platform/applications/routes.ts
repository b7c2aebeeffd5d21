// Applications over HTTP: anyone may submit one, operators read them. What operators decide is in review.ts.
import { z } from "@hono/zod-openapi";
import { newId } from "../../db/ids.ts";
import { sql } from "../../db/sql.ts";
import { AppError } from "../../errors.ts";
import { page, pageOf, pageQuery, toPage } from "../../http/paging.ts";
import { type Route, route } from "../../http/route.ts";
import { recordEvent } from "../events/queries.ts";
import { OBSERVERS } from "../operators/roles.ts";
import { listSteps } from "../provisioning/queries.ts";
import { tierSchema } from "../tenants/model.ts";
import { isReserved, slugSchema } from "../tenants/slug.ts";
import {
  type Application,
  APPLICATION_STATUSES,
  applicationAnswer,
  applicationDetail,
  byoScope,
  receipt,
  submission,
} from "./model.ts";
import { findApplication, insertApplication, listApplications, slugHolder } from "./queries.ts";
import { approve, reject, retry } from "./review.ts";

function slugError(code: "slug_reserved" | "slug_taken", slug: string): AppError {
  const message = code === "slug_reserved" ? `The slug "${slug}" is kept back` : `The slug "${slug}" is taken`;
  return new AppError(code, `${message}; choose another one`, { fields: [{ path: "body.slug", message }] });
}

/** `applications.submit`: reserves the slug; the password of a customer's server is sealed before it is kept. */
export const submit = route({
  operation: "applications.submit",
  method: "post",
  path: "/v1/applications",
  summary: "Apply to become a tenant",
  tag: "Applications",
  body: submission,
  idempotent: true,
  status: 201,
  answer: receipt,
  handler: async (call) => {
    const { body, services } = call;
    if (isReserved(body.slug)) throw slugError("slug_reserved", body.slug);
    const id = newId();
    const sealedPassword = body.byo ? await services.secrets.seal(body.byo.password, byoScope(id)) : null;
    const application = await call.asPlatform(async (tx) => {
      const free = await slugHolder(tx, body.slug) === null;
      const made = free ? await insertApplication(tx, { ...body, id, sealedPassword }) : undefined;
      if (!made) throw slugError("slug_taken", body.slug);
      const data = { slug: made.slug, organization_name: made.organization_name, requested_tier: made.requested_tier };
      await recordEvent(tx, { type: "application.submitted", actor: "applicant", applicationId: id, data });
      call.afterCommit(() => tellOperator(made));
      return made;
    });
    return application;

    async function tellOperator(made: Application): Promise<void> {
      await services.mail.send({
        to: services.config.OPERATOR_EMAIL,
        subject: `New application: ${made.organization_name.slice(0, 150)}`,
        text: `${made.organization_name} applied for the tier "${made.requested_tier}" as "${made.slug}".\n\n` +
          `Review it: ${services.publicUrl}/v1/applications/${made.id}\n`,
      });
    }
  },
});

/** `slugs.check`: whether an application for a slug would be taken. */
export const checkSlug = route({
  operation: "slugs.check",
  method: "get",
  path: "/v1/slugs/{slug}",
  summary: "Say whether a slug can be had",
  tag: "Applications",
  params: z.object({ slug: slugSchema }),
  answer: z.object({ slug: z.string(), available: z.boolean() }),
  handler: async (call) => {
    const { slug } = call.params;
    const available = !isReserved(slug) && await call.asPlatform((tx) => slugHolder(tx, slug)) === null;
    return { slug, available };
  },
});

/** `applications.list`: filter by state, tier, or the beginning of slug or name. */
export const list = route({
  operation: "applications.list",
  method: "get",
  path: "/v1/applications",
  summary: "List applications",
  tag: "Applications",
  roles: OBSERVERS,
  query: pageQuery({
    sort: ["created_at", "slug"],
    filters: {
      status: z.enum(APPLICATION_STATUSES).optional(),
      tier: tierSchema.optional().openapi({ description: "The decided tier, or the requested one before a decision" }),
      search: z.string().trim().min(1).max(100).optional()
        .openapi({ description: "Beginning of the slug or of the organisation's name" }),
    },
  }),
  answer: pageOf(applicationAnswer),
  handler: async (call) => {
    const paging = page(call.query, { columns: { created_at: sql`id`, slug: sql`slug` }, id: sql`id` });
    const rows = await call.asPlatform((tx) => listApplications(tx, call.query, paging));
    return toPage(rows, call.query, (row, sort) => [sort === "slug" ? row.slug : row.id, row.id]);
  },
});

/** `applications.get`: one application with its provisioning steps and what each took. */
export const get = route({
  operation: "applications.get",
  method: "get",
  path: "/v1/applications/{id}",
  summary: "Show an application and how far its provisioning is",
  tag: "Applications",
  roles: OBSERVERS,
  params: z.object({ id: z.uuid() }),
  answer: applicationDetail,
  handler: (call) =>
    call.asPlatform(async (tx) => {
      const application = await findApplication(tx, call.params.id);
      if (!application) throw new AppError("not_found", "There is no such application");
      const steps = application.tenant_id ? await listSteps(tx, application.tenant_id) : [];
      return { ...application, steps };
    }),
});

/** Routes for everyone. */
export const openRoutes: Route[] = [submit, checkSlug];
/** Routes for operators. */
export const staffRoutes: Route[] = [list, get, approve, reject, retry];
