// The table of contents of the API: which routes there are, and who may call them. No logic lives here.
import type { Group } from "./http/groups.ts";
import type { Route } from "./http/route.ts";
import * as accounts from "./platform/accounts/routes.ts";
import * as applications from "./platform/applications/routes.ts";
import * as events from "./platform/events/routes.ts";
import * as health from "./platform/health/routes.ts";
import * as impersonations from "./platform/impersonations/routes.ts";
import * as operators from "./platform/operators/routes.ts";
import * as tenants from "./platform/tenants/routes.ts";
import * as apiKeys from "./tenant/api_keys/routes.ts";
import * as audit from "./tenant/audit/routes.ts";
import * as auth from "./tenant/auth/routes.ts";
import * as buildings from "./tenant/buildings/routes.ts";
import * as external from "./tenant/external/login.ts";
import * as identities from "./tenant/identities/routes.ts";
import * as identityProviders from "./tenant/identity_providers/routes.ts";
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
import * as signingKeys from "./tenant/signing_keys/routes.ts";
import * as tariffs from "./tenant/tariffs/routes.ts";
import * as units from "./tenant/units/routes.ts";

/** Every route, by who may call it (see ./http/groups.ts). */
export const ROUTES: Record<Group, (readonly Route[])[]> = {
  open: [health.routes, applications.openRoutes, operators.openRoutes],
  platformStaff: [
    applications.staffRoutes,
    tenants.routes,
    events.routes,
    accounts.routes,
    operators.staffRoutes,
    impersonations.routes,
  ],
  tenantOpen: [
    auth.openRoutes,
    external.openRoutes,
    invitations.openRoutes,
    visits.openRoutes,
    signingKeys.openRoutes,
  ],
  tenantMember: [
    auth.routes,
    sessions.routes,
    identities.routes,
    members.routes,
    invitations.routes,
    roles.routes,
    units.routes,
    settings.routes,
    identityProviders.routes,
    origins.routes,
    signingKeys.routes,
    audit.routes,
    apiKeys.routes,
    visits.routes,
    jobs.routes,
    buildings.routes,
    properties.routes,
    renters.routes,
    meters.routes,
    readings.routes,
    tariffs.routes,
    invoices.routes,
    reports.routes,
  ],
};
