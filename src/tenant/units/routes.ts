// The API of organisation units. Who is limited to units sees the buildings of the own ones and of all below them; that is
// looked up by each statement, so a move holds at once.
import { pageOf, toPage } from "../../http/paging.ts";
import { route } from "../../http/route.ts";
import { byId } from "../fields.ts";
import { member, memberQuery } from "../members/model.ts";
import { listMembers } from "../members/queries.ts";
import { lockAccess } from "../roles/granting.ts";
import { newUnit, unit, unitChange, unitQuery } from "./model.ts";
import * as queries from "./queries.ts";

const tag = "Units";

const list = route({
  operation: "units.list",
  method: "get",
  path: "/v1/units",
  summary: "List organisation units",
  tag,
  can: "units.view",
  query: unitQuery,
  answer: pageOf(unit),
  handler: async (call) => {
    const rows = await call.asTenant((tx) => queries.listUnits(tx, call.query));
    return toPage(rows, call.query, (row, sort) => [sort === "name" ? row.name_key : row.created_at, row.id]);
  },
});

const get = route({
  operation: "units.get",
  method: "get",
  path: "/v1/units/{id}",
  summary: "Show a unit",
  tag,
  can: "units.view",
  params: byId,
  answer: unit,
  handler: (call) => call.asTenant((tx) => queries.getUnit(tx, call.params.id)),
});

const listOwn = route({
  operation: "units.members",
  method: "get",
  path: "/v1/units/{id}/members",
  summary: "List the members of a unit",
  tag,
  can: "members.view",
  params: byId,
  query: memberQuery,
  answer: pageOf(member),
  handler: async (call) => {
    const { id } = call.params;
    const rows = await call.asTenant(async (tx) => {
      await queries.getUnit(tx, id);
      return await listMembers(tx, call.query, id);
    });
    return toPage(rows, call.query);
  },
});

const create = route({
  operation: "units.create",
  method: "post",
  path: "/v1/units",
  summary: "Add a unit",
  tag,
  can: "units.create",
  body: newUnit,
  idempotent: true,
  status: 201,
  answer: unit,
  handler: (call) => call.asTenant((tx) => queries.createUnit(tx, call.body)),
});

const update = route({
  operation: "units.update",
  method: "patch",
  path: "/v1/units/{id}",
  summary: "Rename a unit, or move it with all below it",
  tag,
  can: "units.edit",
  params: byId,
  body: unitChange,
  answer: unit,
  handler: (call) =>
    call.asTenant(async (tx) => {
      const { id } = call.params;
      const { parent_id: parent } = call.body;
      if (parent === undefined) return await queries.updateUnit(tx, id, call.body);
      await lockAccess(tx);
      if (parent) await queries.refuseLoop(tx, id, parent);
      await queries.touchMembersOf(tx, id);
      const moved = await queries.updateUnit(tx, id, call.body);
      await queries.touchMembersOf(tx, id);
      return moved;
    }),
});

const remove = route({
  operation: "units.delete",
  method: "delete",
  path: "/v1/units/{id}",
  summary: "Remove a unit; its members stay members of the tenant",
  description: "Refused with `still_referenced` while it has units below it or buildings.",
  tag,
  can: "units.delete",
  params: byId,
  status: 204,
  answer: null,
  handler: (call) =>
    call.asTenant(async (tx) => {
      await lockAccess(tx);
      await queries.touchMembersOf(tx, call.params.id);
      await queries.deleteUnit(tx, call.params.id);
    }),
});

export const routes = [list, get, listOwn, create, update, remove];
