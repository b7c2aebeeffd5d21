// What operators can do about an account: show it, require a new password, take away lost second factors, disable it. A tenant's
// admin cannot: the account may be a member elsewhere. Admins end sessions and suspend members in their own tenant.
import { z } from "@hono/zod-openapi";
import type { Tx } from "../../db/sql.ts";
import { AppError } from "../../errors.ts";
import { type Call, type Route, route } from "../../http/route.ts";
import { emailDigest } from "../../tenancy/accounts.ts";
import { endSessionsEverywhere } from "../../tenancy/accounts/end_sessions.ts";
import { accountFactors } from "../../tenancy/accounts/factor_store.ts";
import { recordEvent } from "../events/queries.ts";
import { DECIDERS, OBSERVERS } from "../operators/roles.ts";
import { type AccountState, requirePasswordChange, setAccountStatus, showAccount } from "./queries.ts";

const whose = z.strictObject({ email: z.string().trim().min(3).max(254) }).openapi("WhoseAccount");
const answer = z.object({
  id: z.uuid(),
  status: z.enum(["active", "disabled"]),
  must_change_password: z.boolean(),
  created_at: z.string(),
  last_login_at: z.string().nullable(),
  password_changed_at: z.string().nullable(),
  factors: z.number().int().openapi({ description: "Confirmed second factors" }),
  tenants: z.number().int().openapi({ description: "Tenants that it is a member of" }),
}).openapi("Account");

const staff = { tag: "Accounts", method: "post", body: whose, answer, roles: DECIDERS } as const;
type AccountCall = Call<unknown, unknown, z.output<typeof whose>>;

/** The account of the address in the body. Throws AppError `not_found`. */
async function find(call: AccountCall, tx: Tx): Promise<AccountState> {
  const account = await showAccount(tx, emailDigest(call.services.servers, call.body.email));
  if (!account) throw new AppError("not_found", "No account has this address");
  return account;
}

/** Changes an account, ends its sessions everywhere and tells of it, in one transaction. */
async function change(call: AccountCall, what: string, work: (tx: Tx, id: string) => PromiseLike<unknown>) {
  return await call.asPlatform(async (tx) => {
    const { id } = await find(call, tx);
    await work(tx, id);
    await endSessionsEverywhere(call.services, tx, { accountId: id, reason: "revoked" });
    await recordEvent(tx, {
      type: "account.changed",
      actor: `operator:${call.operator.id}`,
      data: { account: id, what },
    });
    return await find(call, tx);
  });
}

const show = route({
  ...staff,
  operation: "accounts.show",
  path: "/v1/accounts/show",
  summary: "Show the account of an address",
  roles: OBSERVERS,
  readOnly: true,
  handler: (call) => call.asPlatform((tx) => find(call, tx)),
});

const passwordChange = route({
  ...staff,
  operation: "accounts.requirePasswordChange",
  path: "/v1/accounts/require-password-change",
  summary: "Require a new password; all sessions end",
  handler: (call) => change(call, "password change required", requirePasswordChange),
});

const disable = route({
  ...staff,
  operation: "accounts.disable",
  path: "/v1/accounts/disable",
  summary: "Let an account sign in nowhere; all sessions end",
  handler: (call) => change(call, "disabled", (tx, id) => setAccountStatus(tx, id, "disabled")),
});

const enable = route({
  ...staff,
  operation: "accounts.enable",
  path: "/v1/accounts/enable",
  summary: "Let a disabled account sign in again",
  handler: (call) => change(call, "enabled", (tx, id) => setAccountStatus(tx, id, "active")),
});

const withoutFactors = route({
  ...staff,
  operation: "accounts.removeFactors",
  path: "/v1/accounts/remove-factors",
  summary: "Remove all second factors of somebody who lost them; all sessions end",
  handler: (call) => change(call, "second factors removed", (tx, id) => accountFactors.removeAll(tx, id)),
});

/** For operators. */
export const routes: Route[] = [show, passwordChange, disable, enable, withoutFactors];
