// The HTTP side put together: the guard of browsers, the routes of routes.ts, a few pages.
import { OpenAPIHono } from "@hono/zod-openapi";
import { serveAcceptPage } from "./dashboard/accept_page.ts";
import { serveSetupPage } from "./dashboard/setup_page.ts";
import { guardBrowsers } from "./http/browser.ts";
import { requestId } from "./http/call.ts";
import { serveDocs } from "./http/docs.ts";
import type { Group } from "./http/groups.ts";
import { mount, noRoute } from "./http/mount.ts";
import { problem } from "./http/problem.ts";
import { ROUTES } from "./routes.ts";
import type { Hosts } from "./tenancy/locate.ts";
import type { Services } from "./tenancy/services.ts";

/** The version in the API document. */
export const VERSION = "0.1.0";

/** Builds the app. `hosts` says which hosts are the platform's own. */
export function createApp(services: Services, hosts: Hosts): OpenAPIHono {
  const app = new OpenAPIHono();
  const at = { app, services, hosts };
  app.use(guardBrowsers(at));

  for (const [group, modules] of Object.entries(ROUTES)) mount(at, group as Group, modules.flat());

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
