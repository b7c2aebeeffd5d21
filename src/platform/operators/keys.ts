// API keys of operators' programs, for the platform's routes only. A key acts as its operator and can do nothing that the
// operator cannot; so nobody makes one for somebody else, and a key makes no keys.
import { z } from "@hono/zod-openapi";
import { sql } from "../../db/sql.ts";
import { AppError } from "../../errors.ts";
import { page, pageOf, toPage } from "../../http/paging.ts";
import { type Route, route } from "../../http/route.ts";
import { newApiKey } from "../../identity/api_keys.ts";
import { recordEvent } from "../events/queries.ts";
import { insertKey, listKeys, revokeKey, rotateKey } from "./key_queries.ts";
import {
  newOperatorKey,
  operatorKey,
  operatorKeyQuery,
  operatorKeyRotation,
  type OperatorRole,
  shownOperatorKey,
} from "./model.ts";
import { DECIDERS, EVERYBODY, INSPECTORS } from "./roles.ts";

const tag = "Operators' keys";
const params = z.strictObject({ id: z.uuid() });
const isOneOf = (roles: readonly string[], role: string) => roles.includes(role);
const noSuchKey = () => new AppError("not_found", "You have no such key that works");

/** `operator_keys.list`: one's own; everyone's for superadmins and auditors. */
const list = route({
  operation: "operator_keys.list",
  method: "get",
  path: "/v1/operator-keys",
  summary: "List operators' keys",
  tag,
  roles: EVERYBODY,
  query: operatorKeyQuery,
  answer: pageOf(operatorKey),
  handler: async (call) => {
    const { id, role } = call.operator;
    const whose = isOneOf(INSPECTORS, role) ? call.query.operator_id ?? null : id;
    const paging = page(call.query, { columns: { created_at: sql`id` }, id: sql`id` });
    const rows = await call.asPlatform((tx) => listKeys(tx, whose, paging));
    return toPage(rows, call.query, (row) => [row.id, row.id]);
  },
});

/** `operator_keys.create`. */
const create = route({
  operation: "operator_keys.create",
  method: "post",
  path: "/v1/operator-keys",
  summary: "Make a key of your own; it is shown this once",
  tag,
  roles: EVERYBODY,
  people: true,
  body: newOperatorKey,
  status: 201,
  answer: shownOperatorKey,
  handler: async (call) => {
    const { id: operatorId, role: own } = call.operator;
    const { name, expires_at, role = own as OperatorRole } = call.body;
    if (role !== own && !isOneOf(DECIDERS, own)) {
      throw new AppError("forbidden", `You cannot give a key the role "${role}": yours is "${own}"`);
    }
    const { key, ...kept } = newApiKey(null);
    return await call.asPlatform(async (tx) => {
      const row = await insertKey(tx, { operatorId, ...kept }, { name, role, expires_at });
      const data = { key: row.id, role, hint: row.hint };
      await recordEvent(tx, { type: "operator.key_made", actor: `operator:${operatorId}`, data });
      return { ...row, key };
    });
  },
});

/** `operator_keys.rotate`. */
const rotate = route({
  operation: "operator_keys.rotate",
  method: "post",
  path: "/v1/operator-keys/{id}/rotate",
  summary: "Make a new key in the place of this one of yours; both work for a while",
  description:
    "The new key ends when this one would have, unless `expires_at` says otherwise. Refused with `invalid_state` while a " +
    "key that works is in its place already: a call that comes twice makes one key. If its answer was lost, revoke that " +
    "key and rotate this one again.",
  tag,
  roles: EVERYBODY,
  people: true,
  params,
  body: operatorKeyRotation,
  status: 201,
  answer: shownOperatorKey,
  handler: async (call) => {
    const { id: operatorId } = call.operator;
    const { key, ...kept } = newApiKey(null);
    return await call.asPlatform(async (tx) => {
      const row = await rotateKey(tx, call.params.id, { operatorId, ...kept }, call.body);
      if (!row) throw noSuchKey();
      const data = { key: row.id, role: row.role, hint: row.hint, replaces: row.replaces };
      await recordEvent(tx, { type: "operator.key_made", actor: `operator:${operatorId}`, data });
      return { ...row, key };
    });
  },
});

/** `operator_keys.revoke`: one's own; anybody's for superadmins. */
const revoke = route({
  operation: "operator_keys.revoke",
  method: "delete",
  path: "/v1/operator-keys/{id}",
  summary: "Revoke a key at once",
  tag,
  roles: EVERYBODY,
  params,
  status: 204,
  answer: null,
  handler: (call) =>
    call.asPlatform(async (tx) => {
      const { id, role } = call.operator;
      const row = await revokeKey(tx, call.params.id, isOneOf(DECIDERS, role) ? null : id);
      if (!row) throw new AppError("not_found", "There is no such key of yours");
      const data = { key: row.id, operator: row.operator_id };
      await recordEvent(tx, { type: "operator.key_revoked", actor: `operator:${id}`, data });
    }),
});

/** Routes for operators. */
export const routes: Route[] = [list, create, rotate, revoke];
