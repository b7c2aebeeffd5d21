// From one tenant to another with the same account. Only the platform's word counts: a session that a placement or an issuer
// of the tenant's own vouched for leads nowhere else.
import { AppError } from "../../errors.ts";
import { type Call, route } from "../../http/route.ts";
import { listMemberships, type Membership } from "../../tenancy/accounts.ts";
import { getCredentials } from "../../tenancy/accounts/credentials.ts";
import type { TenantRecord } from "../../tenancy/directory.ts";
import { hostName, requestHost } from "../../tenancy/locate.ts";
import { memberships, signedIn, type SwitchRequest, switchRequest } from "./model.ts";
import { endSession } from "./queries.ts";
import { askForFactor } from "./second_factor.ts";
import { deliver, deliveryOf, signIn } from "./sessions.ts";

const tag = "Signing in";

/** Where the caller's account is a member. Throws AppError `forbidden` for a session without an account. */
async function membershipsOf(call: Call) {
  const { accountId, authenticatedAt } = call.member;
  if (!accountId) {
    throw new AppError("forbidden", "Sign in with your own password: this session counts in its own tenant only");
  }
  return await call.asPlatform((tx) => listMemberships(tx, accountId, authenticatedAt));
}

const list = route({
  operation: "auth.tenants",
  method: "get",
  path: "/v1/auth/tenants",
  summary: "List the tenants that you are a member of",
  description: "Also those that do not let you in at present: `auth.switch` is refused with `forbidden` there.",
  tag,
  callers: ["member"],
  answer: memberships,
  handler: async (call) => {
    await call.stillIn();
    const found = await membershipsOf(call);
    const items = found.map(({ tenant_id: id, slug, name, status }) => ({
      id,
      slug,
      name,
      status,
      current: id === call.tenant.id,
    }));
    return { items };
  },
});

const change = route({
  operation: "auth.switch",
  method: "post",
  path: "/v1/auth/switch",
  summary: "Go to another tenant: get tokens for it, and end the session here",
  description:
    "Where a second factor is asked for, the session here ends within seconds of `auth.secondFactor`. Cookies are of one " +
    "host: at a host of one tenant's own they are refused with `invalid_request`.",
  tag,
  callers: ["member"],
  body: switchRequest,
  answer: signedIn,
  handler: async (call) => {
    await call.stillIn();
    const wanted = call.body.tenant.toLowerCase();
    const found = (await membershipsOf(call)).find(({ slug }) => slug === wanted);
    const tenant = found && await call.services.directory.byId(found.tenant_id);
    if (!tenant) throw new AppError("not_found", "You are a member of no such tenant");
    if (tenant.status !== "active") throw new AppError("tenant_unavailable", `The tenant is ${tenant.status}`);
    refuseForeignCookies(call, tenant);
    const tokens = await enter(call, tenant, found!);
    if (tokens.state === "signed_in") await call.asTenant((tx) => endSession(tx, call.member.sessionId, "switch"));
    return deliver(call, tokens, call.body.session);
  },
});

/** At a tenant's own host cookies of another tenant would open nothing, and lock the browser out of the one that is there. */
function refuseForeignCookies(call: Call<unknown, unknown, SwitchRequest>, { id }: TenantRecord): void {
  const { request, tenant: here, services: { config } } = call;
  if (id === here.id || deliveryOf(call, call.body.session) === "body") return;
  const name = hostName(requestHost(request));
  const own = name !== null && (name === `${here.slug}.${config.BASE_DOMAIN}` || here.domains.includes(name));
  if (own) {
    throw new AppError("invalid_request", "Sign in at that tenant's host: this one keeps cookies of its own tenant");
  }
}

/** Who has a second factor by now and has not shown it here shows it there. */
async function enter(call: Call, tenant: TenantRecord, { member_id: memberId }: Membership) {
  const { accountId, authenticatedAt, mfa, sessionId } = call.member;
  const account = { id: accountId!, authenticatedAt, mustChangePassword: false };
  const who = { memberId, account, kind: "switch" as const, mfa };
  const known = mfa ? null : (await call.asPlatform((tx) => getCredentials(tx, accountId!, tenant.id))).account;
  if (!known || known.factors.length === 0) return await signIn(call, tenant, who);
  const byCookie = deliveryOf(call, "body") === "cookie";
  const left = { tenantId: call.tenant.id, memberId: call.member.id, sessionId, byCookie };
  return await askForFactor(call, { tenant, who, digest: known.digest, factors: known.factors, left });
}

/** For members. */
export const routes = [list, change];
