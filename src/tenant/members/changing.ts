// What must hold when a member's access changes, whoever changes it: there is always an administrator, nobody takes from
// who holds more than they do themselves, and a plan's number of members is kept. All after `lockAccess`.
import type { Tx } from "../../db/sql.ts";
import { AppError } from "../../errors.ts";
import type { Call } from "../../http/route.ts";
import { builtInRole } from "../../identity/permissions.ts";
import { endMemberSessions } from "../../tenancy/accounts/end_sessions.ts";
import { giveRole, type Granter, lockAccess, refuseBeyond } from "../roles/granting.ts";
import { countMembers, findStanding, removeMember, setUnits, type Standing, updateMember } from "./queries.ts";
import type { MemberChange } from "./model.ts";

/** @throws AppError `plan_limit` when the tenant has all the members that its plan allows. Call it after `lockAccess`. */
export async function refuseOverPlan(tx: Tx, { tenant }: Pick<Call, "tenant">): Promise<void> {
  const { members } = tenant.limits;
  if (await countMembers(tx) < members) return;
  throw new AppError("plan_limit", `The plan "${tenant.plan}" allows ${members} members: remove one, or ask for more`);
}

/** Locks, and gives how the member stands, who is the caller's to change. @throws AppError `not_found`, `forbidden` */
export async function changeable(tx: Tx, call: Granter, id: string): Promise<Standing> {
  await lockAccess(tx);
  const standing = await findStanding(tx, id);
  const held = standing.effective ?? builtInRole(standing.role)?.permissions ?? {};
  refuseBeyond(call, held, "The member holds");
  return standing;
}

/** @throws AppError `last_admin` */
function refuseWithoutAdmin({ role, status, other_admins }: Standing): void {
  if (role !== "admin" || status !== "active" || other_admins > 0) return;
  throw new AppError("last_admin", "This is the last active administrator: make another member one first");
}

/** Changes a member; sessions end when it is not active any more. */
export async function changeMember(tx: Tx, call: Granter, id: string, change: MemberChange): Promise<void> {
  const { role, status } = change;
  const standing = await changeable(tx, call, id);
  if (role !== undefined && role !== standing.role) await giveRole(tx, call, role);
  const next = status === "active" && !standing.joined ? "pending" : status;
  if ((role ?? "admin") !== "admin" || (next ?? "active") !== "active") refuseWithoutAdmin(standing);
  await updateMember(tx, id, { ...change, ...(next !== undefined && { status: next as MemberChange["status"] }) });
  if (next !== undefined && next !== "active") await endMemberSessions(tx, id, { reason: "member" });
}

/** Removes a member and ends the sessions. */
export async function takeOut(tx: Tx, call: Granter, id: string): Promise<void> {
  refuseWithoutAdmin(await changeable(tx, call, id));
  await removeMember(tx, id);
  await endMemberSessions(tx, id, { reason: "member" });
}

/** Puts a member into these units and no others. */
export async function moveMember(tx: Tx, call: Granter, id: string, unitIds: string[]): Promise<void> {
  await changeable(tx, call, id);
  await setUnits(tx, id, unitIds);
}
