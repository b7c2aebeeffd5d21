// The jobs behind passwords. A forgotten one: it finds out whether the address is an active member's, and mails a link. It
// runs in the queue, so that the request costs the same for every address and a mail that fails is tried again. A new one: the
// person is told of it.
// What must not happen here: a mail to an address that only a placement names; a link goes where the person asked for it, and
// word of a new password to the account's own address.
import { Buffer } from "node:buffer";
import { z } from "zod";
import type { Tx } from "../../db/sql.ts";
import type { Call } from "../../http/route.ts";
import type { QueueDefinition, QueuedJob } from "../../queue/queue.ts";
import { newSecretToken } from "../../identity/secret_tokens.ts";
import { countResets, emailDigest, keepAccountToken } from "../../tenancy/accounts.ts";
import { findCredentials } from "../../tenancy/accounts/credentials.ts";
import { noticeQueue, openNotice, prepareNotice } from "../../tenancy/accounts/password_notices.ts";
import type { TenantRecord } from "../../tenancy/directory.ts";
import type { Services } from "../../tenancy/services.ts";
import { changeMail, resetMail } from "./mails.ts";

/** The queue of forgotten passwords. */
export const FORGOT_QUEUE: QueueDefinition = {
  name: "auth.forgotPassword",
  retryLimit: 3,
  retryDelay: 5,
  retryDelayMax: 120,
  expireInSeconds: 60,
};

/** The queue of mails that tell a person of a new password. */
export const CHANGED_QUEUE = noticeQueue("auth.passwordChanged");

/** Minutes for which a reset link works. */
export const RESET_MINUTES = 60;
const MAX_PER_HOUR = 5;

const payload = z.object({ email: z.string() });

/** What the address in a job is sealed for. */
export const forgotScope = (jobId: string) => ({ purpose: "auth.forgotPassword", id: jobId });

/** Works one job of the queue. */
export async function mailReset(services: Services, job: QueuedJob): Promise<void> {
  const tenant = job.tenantId ? await services.directory.byId(job.tenantId) : null;
  if (tenant?.status !== "active") return;
  const email = await services.secrets.open(payload.parse(job.data).email, forgotScope(job.id));
  const memberId = await findMember(services, tenant, email, job.id);
  if (!memberId) return;
  const { token, hash } = newSecretToken("bhreset");
  const expiresAt = new Date(Date.now() + RESET_MINUTES * 60_000);
  const digest = emailDigest(services.servers, email);
  const link = { purpose: "reset" as const, digest, tenantId: tenant.id, memberId, hash, expiresAt };
  await services.doors.asPlatform(platform(job.id, false), (tx) => keepAccountToken(tx, link));
  const url = `${services.publicUrl}/t/${tenant.slug}/reset-password#token=${token}`;
  await services.mail.send({ to: email, ...resetMail({ tenant, url, expiresAt }) });
}

/** The active member of the address, unless enough was mailed to it already. */
async function findMember(services: Services, tenant: TenantRecord, email: string, jobId: string) {
  const digest = emailDigest(services.servers, email);
  const { account, mailed } = await services.doors.asPlatform(platform(jobId, true), async (tx) => ({
    account: (await findCredentials(tx, digest, tenant.id, null)).account,
    mailed: await countResets(tx, digest),
  }));
  if (!account?.active || !account.memberId || mailed >= MAX_PER_HOUR) return null;
  const entering = { operation: FORGOT_QUEUE.name, requestId: jobId, readOnly: true };
  const found = await services.doors.asTenant(
    await services.targets.context(tenant, entering),
    (tx) => tx`select from tenant.members where id = ${account.memberId} and status = 'active' and deleted_at is null`,
  );
  return found.length > 0 ? account.memberId : null;
}

function platform(jobId: string, readOnly: boolean) {
  return { actor: `job:${FORGOT_QUEUE.name}`, operation: FORGOT_QUEUE.name, requestId: jobId, readOnly };
}

/**
 * Prepares the mail that tells of a new password; what comes back sends its job with the change. None goes out where the
 * address in the member's row is not the account's: the owner of a placement may have written it there.
 */
export async function tellOfChange(
  call: Call,
  member: { email: string },
  digest: Uint8Array,
): Promise<(tx: Tx) => Promise<void>> {
  const { services, tenant, origin: { address } } = call;
  const to = member.email.trim().toLowerCase(); // what the digest is made of, to the letter
  if (!Buffer.from(digest).equals(emailDigest(services.servers, to))) {
    const line = "Nobody was told of the new password: the member's address is not the account's";
    return () => Promise.resolve(call.log.info(line));
  }
  return await prepareNotice(services, CHANGED_QUEUE, { to, at: new Date(), address, tenantId: tenant.id });
}

/** Works one job of {@link CHANGED_QUEUE}. */
export async function mailChange(services: Services, job: QueuedJob): Promise<void> {
  const tenant = job.tenantId ? await services.directory.byId(job.tenantId) : null;
  if (!tenant) return;
  const { to, ...change } = await openNotice(services, CHANGED_QUEUE, job);
  await services.mail.send({ to, ...changeMail({ tenant, ...change }), idempotencyKey: job.id });
}
