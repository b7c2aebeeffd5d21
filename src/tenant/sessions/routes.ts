// Who is signed in where: one's own sessions, and those of members for who looks after them. An ended session stops at its
// next statement, whatever process serves it.
import { AppError } from "../../errors.ts";
import { route } from "../../http/route.ts";
import { endMemberSessions } from "../../tenancy/accounts/end_sessions.ts";
import { byId } from "../fields.ts";
import { changeable } from "../members/changing.ts";
import { revocation, sessions } from "./model.ts";
import { hasMember, listSessions, revokeSession } from "./queries.ts";

const tag = "Sessions";

const own = route({
  operation: "auth.sessions",
  method: "get",
  path: "/v1/auth/sessions",
  summary: "List where you are signed in",
  tag,
  callers: ["member"],
  answer: sessions,
  handler: async (call) => {
    const { id, sessionId } = call.member;
    return { items: await call.asTenant((tx) => listSessions(tx, id, sessionId)) };
  },
});

const revokeOwn = route({
  operation: "auth.revokeSession",
  method: "delete",
  path: "/v1/auth/sessions/{id}",
  summary: "End one of your sessions",
  tag,
  callers: ["member"],
  params: byId,
  status: 204,
  answer: null,
  handler: async (call) => {
    const { id: memberId } = call.member;
    const ended = await call.asTenant((tx) => revokeSession(tx, memberId, call.params.id));
    if (!ended) throw new AppError("not_found");
  },
});

const revokeOthers = route({
  operation: "auth.revokeSessions",
  method: "post",
  path: "/v1/auth/sessions/revoke-all",
  summary: "End all your other sessions in this tenant",
  description: "A changed password ends those in all tenants.",
  tag,
  callers: ["member"],
  status: 204,
  answer: null,
  handler: async (call) => {
    const { id, sessionId } = call.member;
    await call.asTenant((tx) => endMemberSessions(tx, id, { reason: "revoked", keep: sessionId }));
  },
});

const ofMember = route({
  operation: "members.sessions",
  method: "get",
  path: "/v1/members/{id}/sessions",
  summary: "List where a member is signed in",
  tag,
  can: "sessions.view",
  params: byId,
  answer: sessions,
  handler: async (call) => {
    const current = call.memberId === null ? null : call.member.sessionId;
    const items = await call.asTenant((tx) => listSessions(tx, call.params.id, current));
    if (items.length === 0 && !await call.asTenant((tx) => hasMember(tx, call.params.id))) {
      throw new AppError("not_found");
    }
    return { items };
  },
});

const revokeOfMember = route({
  operation: "members.revokeSessions",
  method: "post",
  path: "/v1/members/{id}/sessions/revoke",
  summary: "End a member's sessions in this tenant, all or one",
  description: "Refused with `forbidden` for a member who may do more than the caller.",
  tag,
  can: "sessions.revoke",
  params: byId,
  body: revocation,
  status: 204,
  answer: null,
  handler: (call) =>
    call.asTenant(async (tx) => {
      const { id } = call.params;
      const { session_id: sessionId } = call.body;
      await changeable(tx, call, id);
      if (sessionId === undefined) await endMemberSessions(tx, id, { reason: "revoked" });
      else if (!await revokeSession(tx, id, sessionId)) throw new AppError("not_found");
    }),
});

/** For members. */
export const routes = [own, revokeOwn, revokeOthers, ofMember, revokeOfMember];
