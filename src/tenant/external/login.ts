// Signing in by redirect at a provider of the tenant's own: begun by a page, answered through the browser, finished by the same
// page. The answer alone is worth nothing: the text that stayed in the page, the verifier and the nonce tie it to the
// beginning, so nobody can be signed in as somebody else by a link.
import { AppError } from "../../errors.ts";
import { isOriginOf } from "../../http/origin.ts";
import { type Call, route } from "../../http/route.ts";
import { findMember, noteSignIn } from "../../tenancy/external/members.ts";
import { readPerson } from "../../tenancy/external/person.ts";
import { listEnabledProviders, oidcConfig, type Provider } from "../../tenancy/external/providers.ts";
import { keepSignIn, redirectOf, SIGN_IN_SECONDS, takeSignIn } from "../../tenancy/external/sign_ins.ts";
import { signedIn } from "../auth/model.ts";
import { deliver, signIn } from "../auth/sessions.ts";
import { redirectUri } from "../identity_providers/routes.ts";
import { oidcCallback, oidcFinish, oidcStart, oidcStarted, signInProviders } from "./model.ts";

const tag = "Signing in";

const providers = route({
  operation: "auth.providers",
  method: "get",
  path: "/v1/auth/providers",
  summary: "List the identity providers that one can sign in at",
  tag,
  answer: signInProviders,
  handler: async (call) => {
    const found = await call.asTenant((tx) => listEnabledProviders(tx));
    return { items: found.filter(({ client_id }) => client_id !== null).map(({ id, name }) => ({ id, name })) };
  },
});

async function findProvider(call: Call, id: string): Promise<Provider> {
  const [provider] = await call.asTenant((tx) => listEnabledProviders(tx, id));
  if (!provider || provider.client_id === null) throw new AppError("not_found", "There is no such identity provider");
  return provider;
}

/** Only pages of the tenant get an answer; a page of the API's own host (the dashboard) is one. */
function checkRedirect(call: Call, text: string | undefined): string | null {
  if (text === undefined) return null;
  const { services, tenant } = call;
  const { origin, username, password, hash } = new URL(text);
  const hosts = { baseDomain: services.config.BASE_DOMAIN, platform: [] };
  const own = origin === new URL(services.publicUrl).origin || isOriginOf(tenant, origin, { services, hosts });
  if (own && !username && !password && !hash && !text.includes("#")) return new URL(text).href;
  throw new AppError("origin_refused", 'This page is not one of the tenant\'s; list its origin with "origins.set"');
}

const start = route({
  operation: "auth.oidcStart",
  method: "post",
  path: "/v1/auth/oidc/start",
  summary: "Begin to sign in at an identity provider",
  tag,
  body: oidcStart,
  answer: oidcStarted,
  handler: async (call) => {
    const redirect = checkRedirect(call, call.body.redirect);
    const provider = await findProvider(call, call.body.provider);
    const { services, tenant } = call;
    const config = await oidcConfig(services, tenant, provider);
    const { url, ...saved } = await services.external.oidc.start(config, { redirectUri: redirectUri(call) });
    const { token, keep } = await keepSignIn(services, tenant.id, { saved, providerId: provider.id, redirect });
    await call.asPlatform(keep);
    return { url, sign_in_token: token, expires_in: SIGN_IN_SECONDS };
  },
});

const callback = route({
  operation: "auth.oidcCallback",
  method: "get",
  path: "/v1/auth/oidc/callback",
  summary: "Where the identity provider sends the browser back to",
  description:
    "Sends the browser on to the page that began, with the answer in the fragment, which no server sees; or " +
    "shows the answer. It signs nobody in: the page does, with `auth.oidcFinish`.",
  tag,
  errors: ["invalid_token"],
  redirects: true,
  query: oidcCallback,
  answer: "stream",
  answerTypes: ["application/json"],
  handler: async (call) => {
    const { state } = call.query;
    const asked = { tenantId: call.tenant.id, state };
    const redirect = await redirectOf(call.services, (work) => call.asPlatform(work), asked);
    const given = Object.entries(call.query).filter((pair): pair is [string, string] => typeof pair[1] === "string");
    const answer = new URLSearchParams(given).toString();
    const headers = { "cache-control": "no-store", "referrer-policy": "no-referrer" };
    if (redirect === null) return Response.json({ answer }, { headers });
    return new Response(null, { status: 303, headers: { ...headers, location: `${redirect}#${answer}` } });
  },
});

const finish = route({
  operation: "auth.oidcFinish",
  method: "post",
  path: "/v1/auth/oidc/finish",
  summary: "Finish to sign in, with the answer of the identity provider",
  description:
    "Works once. The session counts in this tenant only. Refused with `forbidden` for people who are no members " +
    "and may not join by themselves.",
  tag,
  errors: ["invalid_token", "oidc_failed"],
  body: oidcFinish,
  answer: signedIn,
  handler: async (call) => {
    const { services, tenant, operation, requestId } = call;
    const answer = new URLSearchParams(call.body.answer);
    const asked = { tenantId: tenant.id, state: answer.get("state") ?? "", token: call.body.sign_in_token };
    const { saved, providerId } = await takeSignIn(services, (work) => call.asPlatform(work), asked);
    const provider = await findProvider(call, providerId);
    const identity = await services.external.oidc.finish(await oidcConfig(services, tenant, provider), answer, saved);
    const person = readPerson(identity, provider, tenant);
    const member = await findMember(services, { tenant, operation, requestId }, { provider, person });
    const who = { memberId: member.id, account: null, kind: "external" as const, mfa: person.mfa };
    const tokens = await signIn(call, tenant, who);
    await call.asTenant((tx) => noteSignIn(tx, provider.id, person.subject));
    return deliver(call, tokens, call.body.session);
  },
});

/** For anyone who names a tenant. */
export const openRoutes = [providers, start, callback, finish];
