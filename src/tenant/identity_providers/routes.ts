// The API of identity providers. Whoever sets one up can be anybody through it whose address it speaks for, so only somebody
// who may do everything can. The secret of a client is sealed for this tenant and provider.
import { newId } from "../../db/ids.ts";
import type { Tx } from "../../db/sql.ts";
import { AppError } from "../../errors.ts";
import { type Call, NO_VISITORS, route } from "../../http/route.ts";
import { BUILT_IN_ROLES } from "../../identity/permissions.ts";
import { isDocumentUrl } from "../../identity/issuer_documents.ts";
import { readRules, secretScope } from "../../tenancy/external/providers.ts";
import { byId } from "../fields.ts";
import { findRole, lockAccess, refuseBeyond } from "../roles/granting.ts";
import { checkProvider } from "./checking.ts";
import {
  type IdentityProvider,
  identityProvider,
  identityProviderChange,
  identityProviders,
  newIdentityProvider,
  providerCheck,
  type ProviderFields,
} from "./model.ts";
import * as queries from "./queries.ts";

const tag = "Identity providers";

/** Where the issuer sends the browser back to. */
export function redirectUri(call: Call): string {
  return `${call.services.publicUrl}/t/${call.tenant.slug}/v1/auth/oidc/callback`;
}

function shown(call: Call, row: queries.StoredProvider): IdentityProvider {
  const { claims, client_secret_sealed: sealed, version: _, ...rest } = row;
  const { names, ...rules } = readRules(claims) ?? readRules({})!;
  return { ...rest, ...rules, claims: names, has_secret: sealed !== null, redirect_uri: redirectUri(call) };
}

/** What must hold of every provider. Throws AppError `forbidden`, `unprocessable`, `reference_not_found`. */
async function refuseUnsound(tx: Tx, call: Call, wanted: ProviderFields): Promise<void> {
  refuseBeyond(call, BUILT_IN_ROLES.admin.permissions, "An identity provider can vouch for anybody, which needs");
  const { allowLoopback } = call.services.external;
  for (const [path, address] of [["issuer", wanted.issuer], ["jwks_uri", wanted.jwks_uri]] as const) {
    if (address !== null && !isDocumentUrl(address, allowLoopback)) unprocessable(path, "Give an https address");
  }
  if (wanted.client_id === null && wanted.audience === null) {
    unprocessable("audience", 'Give "client_id" for signing in, "audience" for bearer tokens, or both');
  }
  for (const role of [wanted.join_role, ...wanted.roles]) await findRole(tx, role);
}

function unprocessable(path: string, message: string): never {
  throw new AppError("unprocessable", message, { fields: [{ path, message }] });
}

async function seal(call: Call, id: string, secret: string | null): Promise<string | null> {
  return secret === null ? null : await call.services.secrets.seal(secret, secretScope(call.tenant.id, id));
}

const list = route({
  operation: "identity_providers.list",
  method: "get",
  path: "/v1/identity-providers",
  summary: "List identity providers",
  tag,
  can: "settings.view",
  answer: identityProviders,
  handler: async (call) => ({ items: (await call.asTenant(queries.listProviders)).map((row) => shown(call, row)) }),
});

const get = route({
  operation: "identity_providers.get",
  method: "get",
  path: "/v1/identity-providers/{id}",
  summary: "Show an identity provider",
  tag,
  can: "settings.view",
  params: byId,
  answer: identityProvider,
  handler: async (call) => shown(call, await call.asTenant((tx) => queries.getProvider(tx, call.params.id))),
});

const create = route({
  operation: "identity_providers.create",
  method: "post",
  path: "/v1/identity-providers",
  summary: "Trust an issuer: for signing in by redirect, for bearer tokens, or both",
  description:
    "Needs somebody who may do everything: an issuer can vouch for any member whose address it speaks for. " +
    "Its word counts in this tenant only.",
  tag,
  can: "settings.edit",
  callers: NO_VISITORS,
  body: newIdentityProvider,
  idempotent: true,
  status: 201,
  answer: identityProvider,
  handler: (call) =>
    call.asTenant(async (tx) => {
      const { client_secret: secret, ...wanted } = call.body;
      await lockAccess(tx);
      await refuseUnsound(tx, call, wanted);
      const id = newId();
      await queries.insertProvider(tx, id, { ...wanted, sealed: await seal(call, id, secret) });
      forgetAfterwards(call);
      return shown(call, await queries.getProvider(tx, id));
    }),
});

const update = route({
  operation: "identity_providers.update",
  method: "patch",
  path: "/v1/identity-providers/{id}",
  summary: "Change an identity provider",
  description:
    "Turning it off, or taking what its tokens are checked by away, ends the sessions of its people at once.",
  tag,
  can: "settings.edit",
  callers: NO_VISITORS,
  params: byId,
  body: identityProviderChange,
  answer: identityProvider,
  handler: (call) =>
    call.asTenant(async (tx) => {
      const { client_secret: secret, ...change } = call.body;
      await lockAccess(tx);
      const before = await queries.lockProvider(tx, call.params.id);
      const wanted: ProviderFields = { ...shown(call, before), ...change };
      await refuseUnsound(tx, call, wanted);
      const sealed = secret === undefined ? before.client_secret_sealed : await seal(call, before.id, secret);
      await queries.updateProvider(tx, before.id, { ...wanted, sealed });
      if (takesAway(before, wanted)) await queries.endTrust(tx, before.id);
      forgetAfterwards(call);
      return shown(call, await queries.getProvider(tx, before.id));
    }),
});

/** Whether somebody who was let in before might not be now. */
function takesAway(before: queries.StoredProvider, wanted: ProviderFields): boolean {
  const claims = readRules(before.claims) ?? readRules({})!;
  const checks = (of: unknown[]) => JSON.stringify(of);
  return !wanted.enabled ||
    checks([before.audience, before.jwks_uri, claims.algorithms, claims.required, claims.names, claims.trust_email]) !==
      checks([
        wanted.audience,
        wanted.jwks_uri,
        wanted.algorithms,
        wanted.required,
        wanted.claims,
        wanted.trust_email,
      ]);
}

const remove = route({
  operation: "identity_providers.delete",
  method: "delete",
  path: "/v1/identity-providers/{id}",
  summary: "Trust an issuer no more; sessions of its people end",
  description: "Members who came by it stay members, and can sign in only in another way.",
  tag,
  can: "settings.edit",
  callers: NO_VISITORS,
  params: byId,
  status: 204,
  answer: null,
  handler: (call) =>
    call.asTenant(async (tx) => {
      await lockAccess(tx);
      await queries.endTrust(tx, call.params.id);
      await queries.deleteProvider(tx, call.params.id);
      forgetAfterwards(call);
    }),
});

/** Other processes hear of it within ten seconds; what was taken away they hear of at the next statement. */
function forgetAfterwards(call: Call): void {
  call.afterCommit(() => Promise.resolve(call.services.external.trusted.forget(call.tenant.id)));
}

const check = route({
  operation: "identity_providers.check",
  limit: "strict",
  method: "post",
  path: "/v1/identity-providers/{id}/check",
  summary: "Try whether an identity provider can be used, and say what is wrong",
  tag,
  can: "settings.edit",
  callers: NO_VISITORS,
  params: byId,
  readOnly: true,
  answer: providerCheck,
  handler: async (call) => {
    const provider = await call.asTenant((tx) => queries.getProvider(tx, call.params.id));
    return await checkProvider(call.services, { ...provider, claims: readRules(provider.claims) ?? readRules({})! });
  },
});

export const routes = [list, get, create, update, remove, check];
