// The API of buildings.
import { pageOf, toPage } from "../../http/paging.ts";
import { route } from "../../http/route.ts";
import { byId } from "../fields.ts";
import { building, buildingChange, buildingQuery, newBuilding } from "./model.ts";
import { createBuilding, deleteBuilding, getBuilding, listBuildings, updateBuilding } from "./queries.ts";

const tag = "Buildings";

export const list = route({
  operation: "buildings.list",
  method: "get",
  path: "/v1/buildings",
  summary: "List buildings",
  tag,
  can: "buildings.view",
  query: buildingQuery,
  answer: pageOf(building),
  handler: async (call) => {
    const rows = await call.asTenant((tx) => listBuildings(tx, call.query));
    return toPage(rows, call.query, (row, sort) => [sort === "name" ? row.name_key : row.created_at, row.id]);
  },
});

export const get = route({
  operation: "buildings.get",
  method: "get",
  path: "/v1/buildings/{id}",
  summary: "Show a building",
  tag,
  can: "buildings.view",
  params: byId,
  answer: building,
  handler: (call) => call.asTenant((tx) => getBuilding(tx, call.params.id)),
});

export const create = route({
  operation: "buildings.create",
  method: "post",
  path: "/v1/buildings",
  summary: "Add a building",
  tag,
  can: "buildings.create",
  body: newBuilding,
  idempotent: true,
  status: 201,
  answer: building,
  handler: (call) => call.asTenant((tx) => createBuilding(tx, call.body)),
});

export const update = route({
  operation: "buildings.update",
  method: "patch",
  path: "/v1/buildings/{id}",
  summary: "Change a building",
  tag,
  can: "buildings.edit",
  params: byId,
  body: buildingChange,
  answer: building,
  handler: (call) => call.asTenant((tx) => updateBuilding(tx, call.params.id, call.body)),
});

export const remove = route({
  operation: "buildings.delete",
  method: "delete",
  path: "/v1/buildings/{id}",
  summary: "Remove a building",
  description: "Refused with `still_referenced` while the building has properties.",
  tag,
  can: "buildings.delete",
  params: byId,
  status: 204,
  answer: null,
  handler: async (call) => void await call.asTenant((tx) => deleteBuilding(tx, call.params.id)),
});

export const routes = [list, get, create, update, remove];
