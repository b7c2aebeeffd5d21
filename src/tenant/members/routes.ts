// The API of members. A new member gets a single-use link by mail and sets the password by it.
import { newSecretToken } from "../../identity/secret_tokens.ts";
import { pageOf, toPage } from "../../http/paging.ts";
import { route } from "../../http/route.ts";
import { byId } from "../fields.ts";
import { keepSetupToken } from "../auth/queries.ts";
import { member, memberQuery, newMember } from "./model.ts";
import { createMember, getMember, listMembers } from "./queries.ts";

const tag = "Members";

/** How long the link in the mail works. */
const LINK_HOURS = 72;

const list = route({
  operation: "members.list",
  method: "get",
  path: "/v1/members",
  summary: "List members",
  tag,
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
  params: byId,
  answer: member,
  handler: (call) => call.asTenant((tx) => getMember(tx, call.params.id)),
});

const create = route({
  operation: "members.create",
  method: "post",
  path: "/v1/members",
  summary: "Add a member; a link to set the password goes to the address",
  tag,
  roles: ["admin"],
  body: newMember,
  idempotent: true,
  status: 201,
  answer: member,
  handler: async (call) => {
    const { token, hash } = newSecretToken("bhs");
    const made = await call.asTenant(async (tx) => {
      const row = await createMember(tx, call.body);
      await keepSetupToken(tx, row.id, hash, LINK_HOURS);
      call.afterCommit(() => sendLink(call.body.email, token));
      return row;
    });
    return made;

    async function sendLink(to: string, token: string): Promise<void> {
      const { publicUrl, mail } = call.services;
      await mail.send({
        to,
        subject: `Your account at ${call.tenant.name}`,
        text: `${call.body.first_name}, an account was made for you at ${call.tenant.name}.\n\n` +
          `Set your password within ${LINK_HOURS} hours:\n${publicUrl}/t/${call.tenant.slug}/setup-password#token=${token}\n`,
      });
    }
  },
});

export const routes = [list, get, create];
