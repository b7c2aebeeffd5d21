// The job behind a forgotten password: it finds out whether the address is an active member's, and mails a link. It runs in
// the queue, so that the request costs the same for every address and a mail that fails is tried again.
// What must not happen here: a mail to an address that a placement names; it goes where the person asked for it.
import { z } from "zod";
import type { QueueDefinition, QueuedJob } from "../../queue/queue.ts";
import { newSecretToken } from "../../identity/secret_tokens.ts";
import { countResets, emailDigest, keepAccountToken } from "../../tenancy/accounts.ts";
import { findCredentials } from "../../tenancy/accounts/credentials.ts";
import type { TenantRecord } from "../../tenancy/directory.ts";
import type { Services } from "../../tenancy/services.ts";
import { resetMail } from "./mails.ts";

/** The queue of forgotten passwords. */
export const FORGOT_QUEUE: QueueDefinition = {
  name: "auth.forgotPassword",
  retryLimit: 3,
  retryDelay: 5,
  retryDelayMax: 120,
  expireInSeconds: 60,
};

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
