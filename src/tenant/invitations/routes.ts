// The API of invitations. Who invites hands on nothing that they do not hold; who accepts proves to read the mail of the
// address that was invited. The token travels in bodies only: URLs stand in logs.
import { AppError } from "../../errors.ts";
import { pageOf, toPage } from "../../http/paging.ts";
import { NO_VISITORS, route } from "../../http/route.ts";
import { builtInRole } from "../../identity/permissions.ts";
import { endInvitationLinks } from "../../tenancy/accounts/inviting.ts";
import { byId } from "../fields.ts";
import { giveRole, lockAccess } from "../roles/granting.ts";
import { accept, openLink } from "./accepting.ts";
import { mail } from "./jobs.ts";
import { acceptance, invitation, invitationQuery, newInvitation, shownInvitation, shownRequest } from "./model.ts";
import * as queries from "./queries.ts";

const tag = "Invitations";

const list = route({
  operation: "invitations.list",
  method: "get",
  path: "/v1/invitations",
  summary: "List invitations",
  tag,
  can: "invitations.view",
  query: invitationQuery,
  answer: pageOf(invitation),
  handler: async (call) => toPage(await call.asTenant((tx) => queries.listInvitations(tx, call.query)), call.query),
});

const get = route({
  operation: "invitations.get",
  method: "get",
  path: "/v1/invitations/{id}",
  summary: "Show an invitation",
  tag,
  can: "invitations.view",
  params: byId,
  answer: invitation,
  handler: (call) => call.asTenant((tx) => queries.getInvitation(tx, call.params.id)),
});

const create = route({
  operation: "invitations.create",
  method: "post",
  path: "/v1/invitations",
  summary: "Invite somebody: a mail with a link goes to the address",
  description:
    "The link works once, for seven days. The mail is tried again for hours where the mail server is away: `jobs.list` tells, " +
    "by the kind `mail.invitation`. Nobody can give a role that holds what they do not hold themselves. The " +
    "plan's number of members is asked when the invitation is accepted.",
  tag,
  can: "invitations.create",
  callers: NO_VISITORS,
  body: newInvitation,
  idempotent: true,
  status: 201,
  answer: invitation,
  handler: (call) =>
    call.asTenant(async (tx) => {
      await lockAccess(tx);
      const role = await giveRole(tx, call, call.body.role);
      const { locale = call.tenant.locale, ...body } = call.body;
      const id = await queries.insertInvitation(tx, { ...body, locale }, { role, invitedBy: call.memberId });
      await call.enqueue(tx, mail.kind, { invitation_id: id, send: 1 });
      return await queries.getInvitation(tx, id);
    }),
});

const resend = route({
  operation: "invitations.resend",
  method: "post",
  path: "/v1/invitations/{id}/resend",
  summary: "Send the mail again with a new link; the one before stops working when it is on its way",
  description: "The seven days begin anew. An invitation is mailed at most ten times.",
  tag,
  can: "invitations.create",
  callers: NO_VISITORS,
  params: byId,
  answer: invitation,
  handler: (call) =>
    call.asTenant(async (tx) => {
      await lockAccess(tx);
      const sent = await queries.countSend(tx, call.params.id);
      await giveRole(tx, call, sent.role);
      await call.enqueue(tx, mail.kind, { invitation_id: sent.id, send: sent.sends });
      return sent;
    }),
});

const revoke = route({
  operation: "invitations.revoke",
  method: "post",
  path: "/v1/invitations/{id}/revoke",
  summary: "Revoke an invitation; its link stops working at once",
  tag,
  can: "invitations.revoke",
  params: byId,
  answer: invitation,
  handler: (call) =>
    call.asTenant(async (tx) => {
      const revoked = await queries.revokeInvitation(tx, call.params.id);
      call.afterCommit(async () =>
        void await call.asPlatform((tx) => endInvitationLinks(tx, call.tenant.id, revoked.id))
      );
      return revoked;
    }),
});

const show = route({
  operation: "invitations.show",
  limit: "strict",
  method: "post",
  path: "/v1/invitations/show",
  summary: "Show the invitation of a link",
  tag,
  errors: ["invalid_token"],
  body: shownRequest,
  readOnly: true,
  answer: shownInvitation,
  handler: async (call) => {
    const { link, invitation: found } = await openLink(call, call.body.token);
    const { email, role, role_name: name, locale, expires_at } = found;
    return {
      tenant: { slug: call.tenant.slug, name: call.tenant.name },
      email,
      role: name ?? builtInRole(role)?.name ?? role,
      locale,
      expires_at,
      has_account: link.password_hash !== null,
    };
  },
});

const acceptOne = route({
  operation: "invitations.accept",
  limit: "strict",
  method: "post",
  path: "/v1/invitations/accept",
  summary: "Accept the invitation of a link and become a member",
  description:
    "Sign in afterwards. Whoever has an account already, from another tenant, gives the password of that account; " +
    "nobody else's account can accept. Refused with `plan_limit` when the tenant has all the members of its plan: the " +
    "link works again as soon as there is room.",
  tag,
  errors: ["invalid_credentials", "invalid_token", "too_many_attempts"],
  body: acceptance,
  status: 204,
  answer: null,
  handler: async (call) => {
    await accept(call).catch((error) => {
      // The address became a member's while the mail was under way.
      if (error instanceof AppError && error.code === "already_exists") {
        throw new AppError("already_exists", "A member has this address already: sign in", { cause: error });
      }
      throw error;
    });
  },
});

/** For anyone who names a tenant. */
export const openRoutes = [show, acceptOne];

/** For members. */
export const routes = [list, get, create, resend, revoke];
