// Which persons of external issuers are linked to a member: one's own, and those of members for who looks after them. What is
// unlinked stops at its next statement, whatever process serves it.
import type { Tx } from "../../db/sql.ts";
import { AppError } from "../../errors.ts";
import { type Call, route } from "../../http/route.ts";
import { personId } from "../../tenancy/external/person.ts";
import { byId } from "../fields.ts";
import { changeable } from "../members/changing.ts";
import { lockAccess } from "../roles/granting.ts";
import { hasMember } from "../sessions/queries.ts";
import { identities, ofMemberById } from "./model.ts";
import { listIdentities, unlinkIdentity } from "./queries.ts";

const tag = "Sessions";

const AGAIN = "The member's sessions by external providers end, and bearer tokens of this person are refused at the " +
  "next statement. It is no ban: where the provider speaks for the member's address, or lets its people join, the " +
  "same person who comes again is linked anew.";

function list(tx: Tx, call: Call, memberId: string) {
  return listIdentities(tx, memberId).map((rows) =>
    rows.map((row) => ({ id: personId(call.tenant.id, row.provider_id, row.subject), ...row }))
  );
}

/** Unlinks one of a member's; false where it is the only way in and must stay. Throws `not_found`. After `lockAccess`. */
async function unlink(
  tx: Tx,
  call: Call,
  { memberId, id, evenTheOnlyWay }: { memberId: string; id: string; evenTheOnlyWay: boolean },
): Promise<boolean> {
  const found = (await list(tx, call, memberId)).find((one) => one.id === id);
  if (!found) throw new AppError("not_found");
  return await unlinkIdentity(tx, memberId, { ...found, evenTheOnlyWay });
}

const own = route({
  operation: "auth.identities",
  method: "get",
  path: "/v1/auth/identities",
  summary: "List the identities of external providers that you can sign in by",
  tag,
  callers: ["member"],
  answer: identities,
  handler: async (call) => ({ items: await call.asTenant((tx) => list(tx, call, call.member.id)) }),
});

const removeOwn = route({
  operation: "auth.removeIdentity",
  method: "delete",
  path: "/v1/auth/identities/{id}",
  summary: "Unlink one of your identities of external providers",
  description: `Refused with \`invalid_state\` where it is your only way in. ${AGAIN}`,
  tag,
  callers: ["member"],
  params: byId,
  status: 204,
  answer: null,
  handler: (call) =>
    call.asTenant(async (tx) => {
      await lockAccess(tx);
      const one = { memberId: call.member.id, id: call.params.id, evenTheOnlyWay: false };
      if (await unlink(tx, call, one)) return;
      throw new AppError(
        "invalid_state",
        "This is your only way in: sign in by another identity provider first, or ask an administrator to unlink it",
      );
    }),
});

const ofMember = route({
  operation: "members.identities",
  method: "get",
  path: "/v1/members/{id}/identities",
  summary: "List the identities of external providers that a member can sign in by",
  tag,
  can: "sessions.view",
  params: byId,
  answer: identities,
  handler: async (call) => {
    const { id } = call.params;
    const items = await call.asTenant((tx) => list(tx, call, id));
    if (items.length === 0 && !await call.asTenant((tx) => hasMember(tx, id))) throw new AppError("not_found");
    return { items };
  },
});

const removeOfMember = route({
  operation: "members.removeIdentity",
  method: "delete",
  path: "/v1/members/{id}/identities/{identity_id}",
  summary: "Unlink an identity of an external provider from a member, also the only way in",
  description: "Refused with `forbidden` for a member who may do more than the caller, and with `last_admin` for the " +
    `only way in of the last active administrator. ${AGAIN} To keep somebody out, suspend or remove the member instead.`,
  tag,
  can: "sessions.revoke",
  params: ofMemberById,
  status: 204,
  answer: null,
  handler: (call) =>
    call.asTenant(async (tx) => {
      const { id: memberId, identity_id: id } = call.params;
      const { role, status, other_admins: others } = await changeable(tx, call, memberId);
      const last = role === "admin" && status === "active" && others === 0;
      if (await unlink(tx, call, { memberId, id, evenTheOnlyWay: !last })) return;
      throw new AppError(
        "last_admin",
        "This is the only way in of the last active administrator: make another one first",
      );
    }),
});

/** For members. */
export const routes = [own, removeOwn, ofMember, removeOfMember];
