// The job that mails a new member the link to set a password. It waits in the queue, so that a mail server that is away loses
// none. Who has set a password or was shut out meanwhile gets no mail.
import { z } from "zod";
import { emailDigest } from "../../tenancy/accounts.ts";
import { mailLink } from "../../tenancy/accounts/mailed_links.ts";
import { tenantJob } from "../../tenancy/jobs.ts";
import { setupMail } from "./mail.ts";
import { findWaiting } from "./queries.ts";

/** How long the link in the mail works. */
const LINK_HOURS = 72;

const params = z.object({ member_id: z.uuid() });

export const mail = tenantJob<z.output<typeof params>>({
  kind: "mail.setup",
  params,
  run: async (job) => {
    const { tenant, services, params: { member_id: memberId } } = job;
    const member = await job.asTenant((tx) => findWaiting(tx, memberId), { readOnly: true });
    if (!member) return { sent: false };
    const { email, first_name: firstName, locale } = member;
    const expiresAt = new Date(Date.now() + LINK_HOURS * 3_600_000);
    const digest = emailDigest(services.servers, email);
    const link = { purpose: "setup" as const, digest, tenantId: tenant.id, memberId, expiresAt };
    await mailLink(job, { prefix: "bhs", link }, async (token) => {
      const url = `${services.publicUrl}/t/${tenant.slug}/setup-password#token=${token}`;
      const about = { tenant, firstName, locale: locale ?? tenant.locale, url, expiresAt };
      await services.mail.send({ to: email, ...setupMail(about) });
    });
    return { sent: true };
  },
});

export const jobs = [mail];
