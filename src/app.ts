// The table of contents of the HTTP side: which routes there are and who may call them. No logic lives here.
import { OpenAPIHono } from "@hono/zod-openapi";
import { serveAcceptPage } from "./dashboard/accept_page.ts";
import { serveSetupPage } from "./dashboard/setup_page.ts";
import { guardBrowsers } from "./http/browser.ts";
import { requestId } from "./http/call.ts";
import { serveDocs } from "./http/docs.ts";
import { mount, noRoute } from "./http/mount.ts";
import { problem } from "./http/problem.ts";
import * as accounts from "./platform/accounts/routes.ts";
import * as applications from "./platform/applications/routes.ts";
import * as events from "./platform/events/routes.ts";
import * as health from "./platform/health/routes.ts";
import * as impersonations from "./platform/impersonations/routes.ts";
import * as operators from "./platform/operators/routes.ts";
import * as tenants from "./platform/tenants/routes.ts";
import type { Hosts } from "./tenancy/locate.ts";
import type { Services } from "./tenancy/services.ts";
import * as audit from "./tenant/audit/routes.ts";
import * as apiKeys from "./tenant/api_keys/routes.ts";
import * as auth from "./tenant/auth/routes.ts";
import * as switching from "./tenant/auth/switching.ts";
import * as buildings from "./tenant/buildings/routes.ts";
import * as visits from "./tenant/impersonations/routes.ts";
import * as invitations from "./tenant/invitations/routes.ts";
import * as invoices from "./tenant/invoices/routes.ts";
import * as jobs from "./tenant/jobs/routes.ts";
import * as members from "./tenant/members/routes.ts";
import * as meters from "./tenant/meters/routes.ts";
import * as origins from "./tenant/origins/routes.ts";
import * as properties from "./tenant/properties/routes.ts";
import * as readings from "./tenant/readings/routes.ts";
import * as renters from "./tenant/renters/routes.ts";
import * as reports from "./tenant/reports/routes.ts";
import * as roles from "./tenant/roles/routes.ts";
import * as sessions from "./tenant/sessions/routes.ts";
import * as settings from "./tenant/settings/routes.ts";
import * as tariffs from "./tenant/tariffs/routes.ts";
import * as units from "./tenant/units/routes.ts";

/** The version in the API document. */
export const VERSION = "0.1.0";

/** Builds the app. `hosts` says which hosts are the platform's own. */
export function createApp(services: Services, hosts: Hosts): OpenAPIHono {
  const app = new OpenAPIHono();
  const at = { app, services, hosts };
  app.use(guardBrowsers(at));

  mount(at, "open", health.routes);
  mount(at, "open", applications.openRoutes);
  mount(at, "open", operators.openRoutes);

  mount(at, "platformStaff", applications.staffRoutes);
  mount(at, "platformStaff", tenants.routes);
  mount(at, "platformStaff", events.routes);
  mount(at, "platformStaff", accounts.routes);
  mount(at, "platformStaff", operators.staffRoutes);
  mount(at, "platformStaff", impersonations.routes);

  mount(at, "tenantOpen", auth.openRoutes);
  mount(at, "tenantOpen", invitations.openRoutes);
  mount(at, "tenantOpen", visits.openRoutes);

  mount(at, "tenantMember", auth.routes);
  mount(at, "tenantMember", sessions.routes);
  mount(at, "tenantMember", members.routes);
  mount(at, "tenantMember", invitations.routes);
  mount(at, "tenantMember", roles.routes);
  mount(at, "tenantMember", units.routes);
  mount(at, "tenantMember", settings.routes);
  mount(at, "tenantMember", origins.routes);
  mount(at, "tenantMember", audit.routes);
  mount(at, "tenantMember", apiKeys.routes);
  mount(at, "tenantMember", visits.routes);
  mount(at, "tenantMember", jobs.routes);
  mount(at, "tenantMember", buildings.routes);
  mount(at, "tenantMember", properties.routes);
  mount(at, "tenantMember", renters.routes);
  mount(at, "tenantMember", meters.routes);
  mount(at, "tenantMember", readings.routes);
  mount(at, "tenantMember", tariffs.routes);
  mount(at, "tenantMember", invoices.routes);
  mount(at, "tenantMember", reports.routes);

  serveSetupPage(app);
  serveAcceptPage(app);
  serveDocs(app, services.publicUrl, VERSION);
  app.notFound((c) => noRoute(app, c));
  app.onError((error, c) => {
    services.log.error("A request failed outside its route", { reason: String(error) });
    return problem(error, requestId(c.req.raw));
  });
  return app;
}
