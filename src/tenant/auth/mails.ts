// What is mailed about signing in, in the tenant's language. Nothing here comes from a member's row: who owns a placement could
// write there what he likes people to read. Languages are added in one place, below.

/** What the mail about a forgotten password tells. */
export interface ResetMail {
  tenant: { name: string; locale: string; time_zone: string };
  url: string;
  expiresAt: Date;
}

interface Texts {
  subject(tenant: string): string;
  text(tenant: string, url: string, until: string): string;
}

const RESET: Record<string, Texts> = {
  en: {
    subject: (tenant) => `A new password for ${tenant}`,
    text: (tenant, url, until) =>
      `Somebody asked for a new password for this address at ${tenant}. If it was you, set it here:

${url}

The link works once, until ${until}. All sessions end with the new password.
If it was not you, do nothing: your password stays as it is.
`,
  },
  de: {
    subject: (tenant) => `Ein neues Passwort für ${tenant}`,
    text: (tenant, url, until) =>
      `Jemand hat für diese Adresse bei ${tenant} ein neues Passwort angefordert. Wenn Sie es waren, setzen Sie es hier:

${url}

Der Link gilt einmal, bis ${until}. Mit dem neuen Passwort enden alle Sitzungen.
Wenn Sie es nicht waren, tun Sie nichts: Ihr Passwort bleibt, wie es ist.
`,
  },
  fr: {
    subject: (tenant) => `Un nouveau mot de passe pour ${tenant}`,
    text: (tenant, url, until) =>
      `Quelqu'un a demandé un nouveau mot de passe pour cette adresse chez ${tenant}. Si c'était vous, choisissez-le ici :

${url}

Le lien fonctionne une fois, jusqu'au ${until}. Le nouveau mot de passe met fin à toutes les sessions.
Si ce n'était pas vous, ne faites rien : votre mot de passe reste inchangé.
`,
  },
};

/** Subject and text of the mail with a reset link, in the tenant's language or else in English. */
export function resetMail({ tenant, url, expiresAt }: ResetMail): { subject: string; text: string } {
  const { name, locale, time_zone: timeZone } = tenant;
  const texts = RESET[locale.slice(0, 2).toLowerCase()] ?? RESET.en;
  const until = new Intl.DateTimeFormat(locale, { dateStyle: "full", timeStyle: "short", timeZone }).format(expiresAt);
  return { subject: texts.subject(name.slice(0, 150)), text: texts.text(name, url, `${until} (${timeZone})`) };
}
