// The API of members. A new member gets a single-use link by mail and sets the password by it. What is changed here holds
// at the member's next statement, in every process.
import { pageOf, toPage } from "../../http/paging.ts";
import { NO_VISITORS, route } from "../../http/route.ts";
import { endMemberLinks, endMembership } from "../../tenancy/accounts.ts";
import { byId } from "../fields.ts";
import { giveRole, lockAccess } from "../roles/granting.ts";
import { changeMember, moveMember, refuseOverPlan, takeOut } from "./changing.ts";
import { mail } from "./jobs.ts";
import { member, memberChange, memberQuery, memberUnits, newMember } from "./model.ts";
import { countLink, createMember, getMember, listMembers, setUnits } from "./queries.ts";

const tag = "Members";

const list = route({
  operation: "members.list",
  method: "get",
  path: "/v1/members",
  summary: "List members",
  tag,
  can: "members.view",
  query: memberQuery,
  answer: pageOf(member),
  handler: async (call) => toPage(await call.asTenant((tx) => listMembers(tx, call.query)), call.query),
});

const get = route({
  operation: "members.get",
  method: "get",
  path: "/v1/members/{id}",
  summary: "Show a member",
  tag,
  can: "members.view",
  params: byId,
  answer: member,
  handler: (call) => call.asTenant((tx) => getMember(tx, call.params.id)),
});

const create = route({
  operation: "members.create",
  method: "post",
  path: "/v1/members",
  summary: "Add a member; a link to set the password goes to the address",
  description:
    "The mail is tried again for hours where the mail server is away: `jobs.list` tells, by the kind `mail.setup`. " +
    "Nobody can give a role that holds what they do not hold themselves. Refused with `plan_limit` when the " +
    "tenant has all the members of its plan.",
  tag,
  can: "members.create",
  callers: NO_VISITORS,
  body: newMember,
  idempotent: true,
  status: 201,
  answer: member,
  handler: (call) =>
    call.asTenant(async (tx) => {
      await lockAccess(tx);
      await refuseOverPlan(tx, call);
      const role = await giveRole(tx, call, call.body.role);
      const id = await createMember(tx, call.body, role);
      if (call.body.unit_ids.length) await setUnits(tx, id, call.body.unit_ids);
      await call.enqueue(tx, mail.kind, { member_id: id });
      return await getMember(tx, id);
    }),
});

const update = route({
  operation: "members.update",
  method: "patch",
  path: "/v1/members/{id}",
  summary: "Change a member: names, role, status, language, metadata",
  description:
    "Role and status hold at the member's next request; who is shut out loses the links that were mailed, too. Refused " +
    "with `last_admin` when nobody would be left to administer the tenant, and with `forbidden` for members who hold more " +
    "than the caller, whatever is changed.",
  tag,
  can: "members.edit",
  params: byId,
  body: memberChange,
  answer: member,
  handler: (call) =>
    call.asTenant(async (tx) => {
      const { id } = call.params;
      await changeMember(tx, call, id, call.body);
      if ((call.body.status ?? "active") !== "active") {
        call.afterCommit(async () => void await call.asPlatform((tx) => endMemberLinks(tx, call.tenant.id, id)));
      }
      return await getMember(tx, id);
    }),
});

const putUnits = route({
  operation: "members.setUnits",
  method: "put",
  path: "/v1/members/{id}/units",
  summary: "Say which units a member belongs to",
  tag,
  can: "members.edit",
  params: byId,
  body: memberUnits,
  answer: member,
  handler: (call) =>
    call.asTenant(async (tx) => {
      await moveMember(tx, call, call.params.id, call.body.unit_ids);
      return await getMember(tx, call.params.id);
    }),
});

const sendLink = route({
  operation: "members.sendLink",
  method: "post",
  path: "/v1/members/{id}/send-link",
  summary: "Mail the link to set the password again; the one before stops working when it is on its way",
  description: "A member is mailed at most ten.",
  tag,
  can: "members.edit",
  callers: NO_VISITORS,
  params: byId,
  status: 204,
  answer: null,
  handler: (call) =>
    call.asTenant(async (tx) => {
      await countLink(tx, call.params.id);
      await call.enqueue(tx, mail.kind, { member_id: call.params.id });
    }),
});

const remove = route({
  operation: "members.delete",
  method: "delete",
  path: "/v1/members/{id}",
  summary: "Remove a member; the sessions and the links that were mailed end",
  description: "Refused with `last_admin` for the last active administrator.",
  tag,
  can: "members.delete",
  params: byId,
  status: 204,
  answer: null,
  handler: (call) =>
    call.asTenant(async (tx) => {
      const { id } = call.params;
      await takeOut(tx, call, id);
      call.afterCommit(() => call.asPlatform((tx) => endMembership(tx, call.tenant.id, id)));
    }),
});

export const routes = [list, get, create, update, putUnits, sendLink, remove];
