// The API of renters.
import { pageOf, toPage } from "../../http/paging.ts";
import { route } from "../../http/route.ts";
import { byId } from "../fields.ts";
import { newRenter, renter, renterChange, renterQuery } from "./model.ts";
import { createRenter, deleteRenter, getRenter, listRenters, updateRenter } from "./queries.ts";

const tag = "Renters";

export const list = route({
  operation: "renters.list",
  method: "get",
  path: "/v1/renters",
  summary: "List renters",
  tag,
  can: "renters.view",
  query: renterQuery,
  answer: pageOf(renter),
  handler: async (call) => {
    const rows = await call.asTenant((tx) => listRenters(tx, call.query));
    return toPage(rows, call.query, (row, sort) => [sort === "last_name" ? row.last_name_key : row.created_at, row.id]);
  },
});

export const get = route({
  operation: "renters.get",
  method: "get",
  path: "/v1/renters/{id}",
  summary: "Show a renter",
  tag,
  can: "renters.view",
  params: byId,
  answer: renter,
  handler: (call) => call.asTenant((tx) => getRenter(tx, call.params.id)),
});

export const create = route({
  operation: "renters.create",
  method: "post",
  path: "/v1/renters",
  summary: "Add a renter",
  tag,
  can: "renters.create",
  body: newRenter,
  idempotent: true,
  status: 201,
  answer: renter,
  handler: (call) => call.asTenant((tx) => createRenter(tx, call.body)),
});

export const update = route({
  operation: "renters.update",
  method: "patch",
  path: "/v1/renters/{id}",
  summary: "Change a renter",
  tag,
  can: "renters.edit",
  params: byId,
  body: renterChange,
  answer: renter,
  handler: (call) => call.asTenant((tx) => updateRenter(tx, call.params.id, call.body)),
});

export const remove = route({
  operation: "renters.delete",
  method: "delete",
  path: "/v1/renters/{id}",
  summary: "Remove a renter",
  description: "Refused with `still_referenced` while the renter has invoices.",
  tag,
  can: "renters.delete",
  params: byId,
  status: 204,
  answer: null,
  handler: async (call) => void await call.asTenant((tx) => deleteRenter(tx, call.params.id)),
});

export const routes = [list, get, create, update, remove];
