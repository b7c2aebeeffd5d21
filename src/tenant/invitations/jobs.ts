// The job that mails an invitation. It waits in the queue, so that a mail server that is away loses none. Idempotent as mail can
// be: a mail that may have gone out already is sent again, with a link of its own.
import { z } from "zod";
import { emailDigest } from "../../tenancy/accounts.ts";
import { mailLink } from "../../tenancy/accounts/mailed_links.ts";
import { tenantJob } from "../../tenancy/jobs.ts";
import { invitationMail } from "./mail.ts";
import { invitationToMail, noteSent } from "./queries.ts";

const params = z.object({
  invitation_id: z.uuid(),
  /** The number of this mail. When it was asked for anew meanwhile, the newer job mails. */
  send: z.int(),
});

export const mail = tenantJob<z.output<typeof params>>({
  kind: "mail.invitation",
  params,
  run: async (job) => {
    const { tenant, services, params: { invitation_id: id, send } } = job;
    const found = await job.asTenant((tx) => invitationToMail(tx, id), { readOnly: true });
    if (found.status !== "pending" || found.sends !== send) return { sent: false };
    const { email, inviter, message, locale } = found;
    const expiresAt = new Date(found.expires_at);
    const digest = emailDigest(services.servers, email);
    const link = { purpose: "invitation" as const, digest, tenantId: tenant.id, invitationId: id, expiresAt };
    await mailLink(job, { prefix: "bhi", link }, async (token) => {
      const url = `${services.publicUrl}/t/${tenant.slug}/accept-invitation#token=${token}`;
      await services.mail.send({
        to: email,
        ...invitationMail({ tenant, inviter, message, locale, url, expiresAt }),
      });
    });
    await job.asTenant((tx) => noteSent(tx, id));
    return { sent: true };
  },
});

export const jobs = [mail];
