// Ending the sessions of an account in every tenant: after a reset, a change of the password, a first second factor, or an
// operator's word; and one session, after a switch. One job a tenant, sent with the change on the platform, so that commit
// keeps both; each placement is entered by the usual door.
import { z } from "zod";
import { sql, type Tx } from "../../db/sql.ts";
import type { QueueDefinition, QueuedJob } from "../../queue/queue.ts";
import type { Services } from "../services.ts";

/** The queue `accounts.endSessions`. A closed tenant lets nobody in meanwhile; refreshing asks the platform anyway. */
export const END_SESSIONS_QUEUE: QueueDefinition = {
  name: "accounts.endSessions",
  retryLimit: 20,
  retryDelay: 2,
  retryDelayMax: 600,
  expireInSeconds: 60,
};

const payload = z.object({
  member_id: z.uuid(),
  reason: z.enum(["password", "revoked", "mfa", "switch"]),
  session_id: z.uuid().nullable().default(null),
});

/** Sends the jobs that end an account's sessions in all its tenants but `except`; of reason `mfa` as below. */
export async function endSessionsEverywhere(
  services: Services,
  tx: Tx,
  { accountId, reason, except = null }: {
    accountId: string;
    reason: "password" | "revoked" | "mfa";
    except?: string | null;
  },
): Promise<void> {
  const places = await tx<
    { tenant_id: string; member_id: string }
  >`select tenant_id, member_id from platform.memberships
    where account_id = ${accountId} and tenant_id is distinct from ${except}::uuid`;
  for (const { tenant_id: tenantId, member_id } of places) {
    await services.queue.sendWith(tx, END_SESSIONS_QUEUE.name, { member_id, reason }, { tenantId });
  }
}

/** Sends the job that ends one session: who had it goes on in another tenant. */
export async function endSessionLeft(
  services: Services,
  tx: Tx,
  { tenantId, memberId: member_id, sessionId: session_id }: { tenantId: string; memberId: string; sessionId: string },
): Promise<void> {
  await services.queue.sendWith(tx, END_SESSIONS_QUEUE.name, { member_id, session_id, reason: "switch" }, { tenantId });
}

/** Works one job of the queue. Throws where it should be tried again. */
export async function endSessionsOfMember(services: Services, job: QueuedJob): Promise<void> {
  const { member_id: memberId, session_id: only, reason } = payload.parse(job.data);
  const tenant = job.tenantId ? await services.directory.byId(job.tenantId) : null;
  if (!tenant) return;
  const entering = { operation: END_SESSIONS_QUEUE.name, requestId: job.id, readOnly: false };
  const context = await services.targets.context(tenant, entering);
  await services.doors.asTenant(context, (tx) => endMemberSessions(tx, memberId, { reason, only }));
}

/** Ends the limited tokens of a member, which have no session; whoever has one finds the access unchanged. */
export function endLimitedTokens(tx: Tx, memberId: string) {
  return tx`update tenant.members set access_version = access_version + 1 where id = ${memberId} returning id`;
}

/**
 * Ends all sessions of a member but `keep`, or `only` one; their access tokens, and limited ones, stop at their next
 * statement. Of reason `mfa` those end which the account's password alone had opened.
 */
export function endMemberSessions(
  tx: Tx,
  memberId: string,
  { reason, keep = null, only = null }: { reason: string; keep?: string | null; only?: string | null },
) {
  const which = reason === "mfa" ? sql`not mfa and kind <> 'external'` : sql`true`;
  return tx`with ended as (
      update tenant.sessions set revoked_at = now(), revoked_reason = ${reason}
      where member_id = ${memberId} and revoked_at is null and id is distinct from ${keep}::uuid
        and id = coalesce(${only}::uuid, id) and ${which} returning member_id
    )
    update tenant.members set access_version = access_version + 1 where id = ${memberId} returning id`;
}
