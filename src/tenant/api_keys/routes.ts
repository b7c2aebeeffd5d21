// The API of API keys. Nobody gives a key more than they hold themselves, and a key makes no keys.
import { newApiKey } from "../../identity/api_keys.ts";
import { pageOf, toPage } from "../../http/paging.ts";
import { type Call, route } from "../../http/route.ts";
import type { Permissions } from "../../identity/permissions.ts";
import { byId } from "../fields.ts";
import { lockAccess, refuseBeyond } from "../roles/granting.ts";
import { apiKey, keyChange, keyQuery, newKey, rotation, shownKey } from "./model.ts";
import * as queries from "./queries.ts";

const tag = "API keys";
const callers = ["member"] as const;

const list = route({
  operation: "api_keys.list",
  method: "get",
  path: "/v1/api-keys",
  summary: "List API keys",
  tag,
  can: "api_keys.view",
  query: keyQuery,
  answer: pageOf(apiKey),
  handler: async (call) => toPage(await call.asTenant((tx) => queries.listKeys(tx, call.query)), call.query),
});

const get = route({
  operation: "api_keys.get",
  method: "get",
  path: "/v1/api-keys/{id}",
  summary: "Show an API key, without the key",
  tag,
  can: "api_keys.view",
  params: byId,
  answer: apiKey,
  handler: (call) => call.asTenant((tx) => queries.getKey(tx, call.params.id)),
});

const create = route({
  operation: "api_keys.create",
  method: "post",
  path: "/v1/api-keys",
  summary: "Make an API key; it is shown this once",
  tag,
  can: "api_keys.create",
  callers,
  body: newKey,
  status: 201,
  answer: shownKey,
  handler: async (call) => {
    const { key, ...kept } = newApiKey(call.tenant.id);
    const row = await call.asTenant(async (tx) => {
      await lockAccess(tx);
      refuse(call, call.body.permissions);
      return await queries.createKey(tx, call.body, { ...kept, createdBy: call.memberId });
    });
    return { ...row, key };
  },
});

const update = route({
  operation: "api_keys.update",
  method: "patch",
  path: "/v1/api-keys/{id}",
  summary: "Change an API key; it holds from its next request on",
  tag,
  can: "api_keys.edit",
  callers,
  params: byId,
  body: keyChange,
  answer: apiKey,
  handler: (call) =>
    call.asTenant(async (tx) => {
      await lockAccess(tx);
      refuse(call, (await queries.getKey(tx, call.params.id)).permissions); // to let it live longer is to give it anew
      if (call.body.permissions) refuse(call, call.body.permissions);
      return await queries.updateKey(tx, call.params.id, call.body);
    }),
});

const rotate = route({
  operation: "api_keys.rotate",
  method: "post",
  path: "/v1/api-keys/{id}/rotate",
  summary: "Make a new key in the place of this one; both work for a while",
  description:
    "The new key ends when this one would have, unless `expires_at` says otherwise. Refused with `invalid_state` while a " +
    "key that works is in its place already: a call that comes twice makes one key. If its answer was lost, revoke that " +
    "key and rotate this one again.",
  tag,
  can: "api_keys.edit",
  callers,
  params: byId,
  body: rotation,
  status: 201,
  answer: shownKey,
  handler: async (call) => {
    const { key, ...kept } = newApiKey(call.tenant.id);
    const row = await call.asTenant(async (tx) => {
      await lockAccess(tx);
      refuse(call, (await queries.getKey(tx, call.params.id)).permissions);
      return await queries.rotateKey(tx, call.params.id, { ...kept, createdBy: call.memberId }, call.body);
    });
    return { ...row, key };
  },
});

const revoke = route({
  operation: "api_keys.revoke",
  method: "delete",
  path: "/v1/api-keys/{id}",
  summary: "Revoke an API key at once",
  tag,
  can: "api_keys.revoke",
  params: byId,
  status: 204,
  answer: null,
  handler: async (call) => void await call.asTenant((tx) => queries.revokeKey(tx, call.params.id)),
});

function refuse(call: Call, permissions: Permissions): void {
  refuseBeyond(call, permissions, "You cannot give a key");
}

/** For members. */
export const routes = [list, get, create, update, rotate, revoke];
