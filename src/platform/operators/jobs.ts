// The job behind an operator's new password: a mail that tells of it.
import type { Tx } from "../../db/sql.ts";
import type { Call } from "../../http/route.ts";
import type { QueuedJob } from "../../queue/queue.ts";
import {
  noticeQueue,
  openNotice,
  type PasswordNotice,
  prepareNotice,
} from "../../tenancy/accounts/password_notices.ts";
import type { Services } from "../../tenancy/services.ts";

/** The queue of mails that tell an operator of a new password. */
export const OPERATOR_CHANGED_QUEUE = noticeQueue("operators.passwordChanged");

/** Prepares the mail to an operator; what comes back sends its job with the change. */
export function tellOfChange(call: Call, email: string): Promise<(tx: Tx) => Promise<void>> {
  const { services, origin: { address } } = call;
  return prepareNotice(services, OPERATOR_CHANGED_QUEUE, { to: email, at: new Date(), address });
}

/** Works one job of the queue. */
export async function mailOperatorChange(services: Services, job: QueuedJob): Promise<void> {
  const notice = await openNotice(services, OPERATOR_CHANGED_QUEUE, job);
  await services.mail.send({ to: notice.to, ...changeMail(services.publicUrl, notice), idempotencyKey: job.id });
}

function changeMail(publicUrl: string, { at, address }: PasswordNotice): { subject: string; text: string } {
  return {
    subject: "Your password as an operator of Bulkhead was changed",
    text: `The password by which you sign in as an operator of Bulkhead was changed.

Where: ${publicUrl}
When: ${at.toISOString().slice(0, 16).replace("T", " ")} UTC
Network address: ${address ?? "unknown"}

All tokens that you had before have ended. If it was you, there is nothing to do.
If it was not you, tell a superadmin at once: a new link to set the password shuts out whoever did it.
`,
  };
}
