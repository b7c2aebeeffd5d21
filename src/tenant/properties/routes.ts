// The API of properties.
import { pageOf, toPage } from "../../http/paging.ts";
import { route } from "../../http/route.ts";
import { byId } from "../fields.ts";
import { newProperty, property, propertyChange, propertyQuery } from "./model.ts";
import { createProperty, deleteProperty, getProperty, listProperties, updateProperty } from "./queries.ts";

const tag = "Properties";

export const list = route({
  operation: "properties.list",
  method: "get",
  path: "/v1/properties",
  summary: "List properties",
  tag,
  can: "properties.view",
  query: propertyQuery,
  answer: pageOf(property),
  handler: async (call) => {
    const rows = await call.asTenant((tx) => listProperties(tx, call.query));
    return toPage(rows, call.query, (row, sort) => [sort === "label" ? row.label_key : row.created_at, row.id]);
  },
});

export const get = route({
  operation: "properties.get",
  method: "get",
  path: "/v1/properties/{id}",
  summary: "Show a property",
  tag,
  can: "properties.view",
  params: byId,
  answer: property,
  handler: (call) => call.asTenant((tx) => getProperty(tx, call.params.id)),
});

export const create = route({
  operation: "properties.create",
  method: "post",
  path: "/v1/properties",
  summary: "Add a property",
  tag,
  can: "properties.create",
  body: newProperty,
  idempotent: true,
  status: 201,
  answer: property,
  handler: (call) => call.asTenant((tx) => createProperty(tx, call.body)),
});

export const update = route({
  operation: "properties.update",
  method: "patch",
  path: "/v1/properties/{id}",
  summary: "Change a property",
  tag,
  can: "properties.edit",
  params: byId,
  body: propertyChange,
  answer: property,
  handler: (call) => call.asTenant((tx) => updateProperty(tx, call.params.id, call.body)),
});

export const remove = route({
  operation: "properties.delete",
  method: "delete",
  path: "/v1/properties/{id}",
  summary: "Remove a property",
  description: "Refused with `still_referenced` while the property has renters or meters.",
  tag,
  can: "properties.delete",
  params: byId,
  status: 204,
  answer: null,
  handler: async (call) => void await call.asTenant((tx) => deleteProperty(tx, call.params.id)),
});

export const routes = [list, get, create, update, remove];
