// The API of origins: which pages on hosts of the tenant's own may call. The list is on the platform; the placement is
// asked first, so that who was shut out, or a closed tenant, changes nothing with a token that still lives, and the
// tenant's audit tells of every change.
import { route } from "../../http/route.ts";
import { noteOutside } from "../audit/queries.ts";
import { originList } from "./model.ts";
import { listOrigins, replaceOrigins } from "./queries.ts";

const tag = "Origins";

export const list = route({
  operation: "origins.list",
  method: "get",
  path: "/v1/origins",
  summary: "List the origins of your own pages",
  tag,
  can: "settings.view",
  answer: originList,
  handler: async (call) => {
    await call.stillIn();
    const rows = await call.asPlatform((tx) => listOrigins(tx, call.tenant.id));
    return { origins: rows.map(({ origin }) => origin) };
  },
});

export const set = route({
  operation: "origins.set",
  method: "put",
  path: "/v1/origins",
  summary: "Replace the origins of your own pages",
  description: "Browsers let pages of these origins call the API for this tenant. The tenant's subdomain and proven " +
    "domains need not be listed.",
  tag,
  can: "settings.edit",
  body: originList,
  answer: originList,
  handler: async (call) => {
    const origins = [...new Set(call.body.origins)].sort();
    const { id } = call.tenant;
    const before = await call.asPlatform((tx) => listOrigins(tx, id));
    await call.asTenant((tx) => noteOutside(tx, "origins", { origins: [before.map(({ origin }) => origin), origins] }));
    await call.asPlatform((tx) => replaceOrigins(tx, id, origins));
    call.services.directory.forget(id);
    return { origins };
  },
});

export const routes = [list, set];
