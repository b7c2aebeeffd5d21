// The API of meters.
import { pageOf, toPage } from "../../http/paging.ts";
import { route } from "../../http/route.ts";
import { byId } from "../fields.ts";
import { meter, meterChange, meterQuery, newMeter } from "./model.ts";
import { createMeter, deleteMeter, getMeter, listMeters, updateMeter } from "./queries.ts";

const tag = "Meters";

export const list = route({
  operation: "meters.list",
  method: "get",
  path: "/v1/meters",
  summary: "List meters",
  tag,
  can: "meters.view",
  query: meterQuery,
  answer: pageOf(meter),
  handler: async (call) => {
    const rows = await call.asTenant((tx) => listMeters(tx, call.query));
    return toPage(
      rows,
      call.query,
      (row, sort) => [sort === "serial_number" ? row.serial_key : row.created_at, row.id],
    );
  },
});

export const get = route({
  operation: "meters.get",
  method: "get",
  path: "/v1/meters/{id}",
  summary: "Show a meter",
  tag,
  can: "meters.view",
  params: byId,
  answer: meter,
  handler: (call) => call.asTenant((tx) => getMeter(tx, call.params.id)),
});

export const create = route({
  operation: "meters.create",
  method: "post",
  path: "/v1/meters",
  summary: "Add a meter",
  tag,
  can: "meters.create",
  body: newMeter,
  idempotent: true,
  status: 201,
  answer: meter,
  handler: (call) => call.asTenant((tx) => createMeter(tx, call.body)),
});

export const update = route({
  operation: "meters.update",
  method: "patch",
  path: "/v1/meters/{id}",
  summary: "Change a meter",
  tag,
  can: "meters.edit",
  params: byId,
  body: meterChange,
  answer: meter,
  handler: (call) => call.asTenant((tx) => updateMeter(tx, call.params.id, call.body)),
});

export const remove = route({
  operation: "meters.delete",
  method: "delete",
  path: "/v1/meters/{id}",
  summary: "Remove a meter",
  description: "Refused with `still_referenced` while the meter has readings, imports or invoices.",
  tag,
  can: "meters.delete",
  params: byId,
  status: 204,
  answer: null,
  handler: async (call) => void await call.asTenant((tx) => deleteMeter(tx, call.params.id)),
});

export const routes = [list, get, create, update, remove];
