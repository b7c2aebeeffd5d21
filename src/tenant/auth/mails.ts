// What is mailed about signing in, in the tenant's language. Nothing here comes from a member's row: who owns a placement could
// write there what he likes people to read. Languages are added in one place, below.

/** A tenant as its mails know it. */
export interface MailingTenant {
  name: string;
  locale: string;
  time_zone: string;
}

/** What the mail about a forgotten password tells. */
export interface ResetMail {
  tenant: MailingTenant;
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

/** What the mail about a new password tells. */
export interface ChangeMail {
  tenant: MailingTenant;
  at: Date;
  /** Where the request came from; null where nobody told. */
  address: string | null;
}

interface ChangeTexts {
  subject(tenant: string): string;
  unknown: string;
  text(tenant: string, at: string, address: string): string;
}

const CHANGE: Record<string, ChangeTexts> = {
  en: {
    subject: (tenant) => `Your password was changed: ${tenant}`,
    unknown: "unknown",
    text: (tenant, at, address) =>
      `The password of your account was changed.

Where: ${tenant}
When: ${at}
Network address: ${address}

All sessions from before have ended. If it was you, there is nothing to do.
If it was not you, ask for a new password at once where you sign in, and tell an administrator of ${tenant}:
the link that you get by mail shuts out whoever did it.
`,
  },
  de: {
    subject: (tenant) => `Ihr Passwort wurde geändert: ${tenant}`,
    unknown: "unbekannt",
    text: (tenant, at, address) =>
      `Das Passwort Ihres Kontos wurde geändert.

Wo: ${tenant}
Wann: ${at}
Netzwerkadresse: ${address}

Alle früheren Sitzungen sind beendet. Wenn Sie es waren, müssen Sie nichts tun.
Wenn Sie es nicht waren, fordern Sie sofort dort, wo Sie sich anmelden, ein neues Passwort an und verständigen Sie eine
Administratorin oder einen Administrator von ${tenant}: Der Link, den Sie per Mail bekommen, sperrt aus, wer es war.
`,
  },
  fr: {
    subject: (tenant) => `Votre mot de passe a été modifié : ${tenant}`,
    unknown: "inconnue",
    text: (tenant, at, address) =>
      `Le mot de passe de votre compte a été modifié.

Où : ${tenant}
Quand : ${at}
Adresse réseau : ${address}

Toutes les sessions précédentes ont pris fin. Si c'était vous, vous n'avez rien à faire.
Si ce n'était pas vous, demandez tout de suite un nouveau mot de passe là où vous vous connectez, et prévenez un
administrateur de ${tenant} : le lien que vous recevrez par mail exclura la personne qui l'a fait.
`,
  },
};

/** Subject and text of the mail with a reset link, in the tenant's language or else in English. */
export function resetMail({ tenant, url, expiresAt }: ResetMail): { subject: string; text: string } {
  const texts = inLanguage(RESET, tenant);
  return { subject: texts.subject(short(tenant)), text: texts.text(tenant.name, url, time(tenant, expiresAt)) };
}

/** Subject and text of the mail that tells of a new password, in the tenant's language or else in English. */
export function changeMail({ tenant, at, address }: ChangeMail): { subject: string; text: string } {
  const texts = inLanguage(CHANGE, tenant);
  const text = texts.text(tenant.name, time(tenant, at), address ?? texts.unknown);
  return { subject: texts.subject(short(tenant)), text };
}

function inLanguage<T>(texts: Record<string, T>, { locale }: MailingTenant): T {
  return texts[locale.slice(0, 2).toLowerCase()] ?? texts.en;
}

/** The name as it fits into a subject. */
function short({ name }: MailingTenant): string {
  return name.slice(0, 150);
}

/** A point in time as the tenant writes it. */
function time({ locale, time_zone: timeZone }: MailingTenant, at: Date): string {
  const format = new Intl.DateTimeFormat(locale, { dateStyle: "full", timeStyle: "short", timeZone });
  return `${format.format(at)} (${timeZone})`;
}
