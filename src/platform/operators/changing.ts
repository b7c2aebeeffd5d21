// Operators looked after by superadmins. There is always a superadmin who can log in: changes run one after another, so that
// two of them cannot together do what neither may. What is changed here bites at the operator's next statement.
import { z } from "@hono/zod-openapi";
import { sql } from "../../db/sql.ts";
import { AppError } from "../../errors.ts";
import { page, pageOf, toPage } from "../../http/paging.ts";
import { route } from "../../http/route.ts";
import { recordEvent } from "../events/queries.ts";
import { mailLink } from "./links.ts";
import {
  newOperator,
  type Operator,
  operatorAnswer,
  type OperatorChange,
  operatorChange,
  operatorQuery,
} from "./model.ts";
import * as queries from "./queries.ts";
import { DECIDERS, INSPECTORS } from "./roles.ts";

const tag = "Operators";
const params = z.strictObject({ id: z.uuid() });

/** The operator that must be there. */
function must(operator: Operator | undefined): Operator {
  if (!operator) throw new AppError("not_found", "There is no such operator");
  return operator;
}

/** `operators.list`. */
export const list = route({
  operation: "operators.list",
  method: "get",
  path: "/v1/operators",
  summary: "List operators",
  tag,
  roles: INSPECTORS,
  query: operatorQuery,
  answer: pageOf(operatorAnswer),
  handler: async (call) => {
    const paging = page(call.query, { columns: { created_at: sql`id` }, id: sql`id` });
    const rows = await call.asPlatform((tx) => queries.listOperators(tx, call.query, paging));
    return toPage(rows, call.query, (row) => [row.id, row.id]);
  },
});

/** `operators.get`. */
export const get = route({
  operation: "operators.get",
  method: "get",
  path: "/v1/operators/{id}",
  summary: "Show an operator",
  tag,
  roles: INSPECTORS,
  params,
  answer: operatorAnswer,
  handler: async (call) => must(await call.asPlatform((tx) => queries.findOperator(tx, call.params.id))),
});

/** `operators.create`: the password is set by the link from the mail. */
export const create = route({
  operation: "operators.create",
  method: "post",
  path: "/v1/operators",
  summary: "Add an operator; a link to set the password goes to the address",
  tag,
  roles: DECIDERS,
  people: true,
  body: newOperator,
  idempotent: true,
  status: 201,
  answer: operatorAnswer,
  handler: (call) =>
    call.asPlatform(async (tx) => {
      await queries.lockOperators(tx, call.operator);
      const made = await queries.insertOperator(tx, call.body);
      await mailLink(call, tx, made);
      const data = { operator: made.id, role: made.role };
      await recordEvent(tx, { type: "operator.created", actor: `operator:${call.operator.id}`, data });
      return made;
    }),
});

/** `operators.update`. */
export const update = route({
  operation: "operators.update",
  method: "patch",
  path: "/v1/operators/{id}",
  summary: "Change an operator: names, role, status",
  description:
    "Another role or status ends the operator's tokens and visits at once. Refused with `last_admin` for the " +
    "last superadmin who can log in.",
  tag,
  roles: DECIDERS,
  people: true,
  params,
  body: operatorChange,
  answer: operatorAnswer,
  handler: (call) =>
    call.asPlatform(async (tx) => {
      await queries.lockOperators(tx, call.operator);
      const before = must(await queries.findOperator(tx, call.params.id));
      if (takesPower(before, call.body) && await queries.countOtherSuperadmins(tx, before.id) === 0) {
        throw new AppError("last_admin", "This is the last active superadmin: make another operator one first");
      }
      const changed = await queries.updateOperator(tx, before, call.body);
      const data = { operator: changed.id, role: [before.role, changed.role], status: [before.status, changed.status] };
      await recordEvent(tx, { type: "operator.changed", actor: `operator:${call.operator.id}`, data });
      return changed;
    }),
});

function takesPower({ role, status }: Operator, change: OperatorChange): boolean {
  const after = { role, status, ...change };
  return role === "superadmin" && status === "active" && (after.role !== role || after.status !== status);
}

/** `operators.sendLink`: for a first password, and for one that was forgotten. */
export const sendLink = route({
  operation: "operators.sendLink",
  method: "post",
  path: "/v1/operators/{id}/send-link",
  summary: "Mail an operator a link to set the password; the one before stops working",
  tag,
  roles: DECIDERS,
  people: true,
  params,
  status: 204,
  answer: null,
  handler: (call) =>
    call.asPlatform(async (tx) => {
      const operator = must(await queries.findOperator(tx, call.params.id));
      if (operator.status !== "active") throw new AppError("invalid_state", "Enable the operator first");
      await mailLink(call, tx, operator);
      const data = { operator: operator.id, what: "link sent" };
      await recordEvent(tx, { type: "operator.changed", actor: `operator:${call.operator.id}`, data });
    }),
});
