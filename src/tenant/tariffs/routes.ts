// The API of tariffs: read-only here.
import { pageOf, toPage } from "../../http/paging.ts";
import { route } from "../../http/route.ts";
import { tariff, tariffQuery } from "./model.ts";
import { listTariffs } from "./queries.ts";

export const list = route({
  operation: "tariffs.list",
  method: "get",
  path: "/v1/tariffs",
  summary: "List tariffs",
  description:
    "Published by the platform for all tenants. Rows with the same provider, name, utility and currency are " +
    "versions of one tariff, each valid for its own period.",
  tag: "Tariffs",
  can: "tariffs.view",
  query: tariffQuery,
  answer: pageOf(tariff),
  handler: async (call) => toPage(await call.asTenant((tx) => listTariffs(tx, call.query)), call.query),
});

export const routes = [list];
