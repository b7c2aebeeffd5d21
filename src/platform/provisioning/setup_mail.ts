// The mail with the setup link, in the tenant's own time zone and way of writing dates.

/** What the mail tells. */
export interface SetupMail {
  firstName: string;
  organization_name: string;
  slug: string;
  time_zone: string;
  locale: string;
  publicUrl: string;
  token: string;
  expiresAt: Date;
}

/** Subject and text of the mail. The token is behind `#`, which browsers keep to themselves. */
export function setupMail(about: SetupMail): { subject: string; text: string } {
  const home = `${about.publicUrl}/t/${about.slug}`;
  const until = new Intl.DateTimeFormat(about.locale, {
    dateStyle: "full",
    timeStyle: "short",
    timeZone: about.time_zone,
  }).format(about.expiresAt);
  return {
    subject: `${about.organization_name.slice(0, 150)} is ready: set your password`,
    text: `Hello ${about.firstName},

${about.organization_name} has its place on Bulkhead now. Set your password to begin:

${home}/setup-password#token=${about.token}

The link works once, until ${until} (${about.time_zone}). If it has run out, ask us for a new one.

For programs, the same as a call:

curl -X POST ${home}/v1/auth/setup-password \\
  -H 'content-type: application/json' \\
  -d '{"token": "${about.token}", "password": "a long password of your own"}'

Then sign in at ${home}/v1/auth/login with this address and your password.
`,
  };
}
