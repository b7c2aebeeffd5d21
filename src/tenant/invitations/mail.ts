// The mail of an invitation, in the invitee's language: subject and text, and the single-use link. The platform keeps the
// link's hash, so that whoever owns a placement cannot read it there. Languages are added in one place, below.
import { AppError } from "../../errors.ts";
import type { Call } from "../../http/route.ts";
import { newSecretToken } from "../../identity/secret_tokens.ts";
import { emailDigest, keepAccountToken } from "../../tenancy/accounts.ts";
import { invitationToMail } from "./queries.ts";

/** What the mail says. */
export interface InvitationMail {
  tenant: { name: string; time_zone: string };
  /** Null where a program invites. */
  inviter: string | null;
  message: string | null;
  locale: string;
  url: string;
  expiresAt: Date;
}

interface Texts {
  subject(tenant: string): string;
  greeting(tenant: string, inviter: string | null): string;
  message: string;
  accept: string;
  until(date: string): string;
  ignore: string;
}

const TEXTS: Record<string, Texts> = {
  en: {
    subject: (tenant) => `Invitation to ${tenant}`,
    greeting: (tenant, inviter) =>
      inviter
        ? `${inviter} invites you to become a member of ${tenant}.`
        : `You are invited to become a member of ${tenant}.`,
    message: "The invitation says:",
    accept: "Accept it here:",
    until: (date) => `The link works once, until ${date}.`,
    ignore: "If you do not expect this, do nothing: without you nothing happens.",
  },
  de: {
    subject: (tenant) => `Einladung zu ${tenant}`,
    greeting: (tenant, inviter) =>
      inviter
        ? `${inviter} lädt Sie ein, Mitglied von ${tenant} zu werden.`
        : `Sie sind eingeladen, Mitglied von ${tenant} zu werden.`,
    message: "Dazu heißt es:",
    accept: "Nehmen Sie die Einladung hier an:",
    until: (date) => `Der Link gilt einmal, bis ${date}.`,
    ignore: "Wenn Sie das nicht erwarten, tun Sie nichts: Ohne Sie geschieht nichts.",
  },
  fr: {
    subject: (tenant) => `Invitation à rejoindre ${tenant}`,
    greeting: (tenant, inviter) =>
      inviter
        ? `${inviter} vous invite à devenir membre de ${tenant}.`
        : `Vous êtes invité à devenir membre de ${tenant}.`,
    message: "L'invitation dit :",
    accept: "Acceptez-la ici :",
    until: (date) => `Le lien fonctionne une fois, jusqu'au ${date}.`,
    ignore: "Si vous ne l'attendez pas, ne faites rien : sans vous, rien ne se passe.",
  },
};

/** The texts for a language tag: the tag is cut from its end until one fits, else English (RFC 4647, 3.4, lookup). */
function textsFor(locale: string): { language: string; texts: Texts } {
  const parts = locale.toLowerCase().split("-");
  for (; parts.length > 0; parts.pop()) {
    const language = parts.join("-");
    if (Object.hasOwn(TEXTS, language)) return { language, texts: TEXTS[language] };
  }
  return { language: "en", texts: TEXTS.en };
}

/** One line, whatever somebody typed. */
const line = (text: string) => text.replace(/[\p{Cc}\u2028\u2029]+/gu, " ").trim();

/** Subject and text, in the invitee's language or else in English. */
export function invitationMail(mail: InvitationMail): { subject: string; text: string } {
  const { language, texts } = textsFor(mail.locale);
  // Numbers and order as in the invitee's own country, words in the language of the mail.
  const locale = mail.locale.toLowerCase().startsWith(language) ? mail.locale : language;
  const { name, time_zone: timeZone } = mail.tenant;
  const format = new Intl.DateTimeFormat(locale, { dateStyle: "full", timeStyle: "short", timeZone });
  const tenant = line(name);
  const quoted = mail.message?.split(/\r\n|[\r\n\u2028\u2029]/).map((part) => `> ${line(part)}`).join("\n");
  const parts = [
    texts.greeting(tenant, mail.inviter && line(mail.inviter)),
    ...(quoted ? [`${texts.message}\n\n${quoted}`] : []),
    `${texts.accept}\n${mail.url}`,
    `${texts.until(`${format.format(mail.expiresAt)} (${timeZone})`)}\n${texts.ignore}`,
  ];
  return { subject: texts.subject(tenant.slice(0, 150)), text: `${parts.join("\n\n")}\n` };
}

/** Makes a fresh link, which ends the one before, and mails it. */
export async function sendInvitation(call: Call, id: string): Promise<void> {
  const { publicUrl, mail, servers } = call.services;
  const found = await call.asTenant((tx) => invitationToMail(tx, id));
  if (found.status !== "pending") throw new AppError("invalid_state", `The invitation is ${found.status}`);
  const { token, hash } = newSecretToken("bhi");
  const expiresAt = new Date(found.expires_at);
  const link = { purpose: "invitation" as const, tenantId: call.tenant.id, invitationId: id, hash, expiresAt };
  await call.asPlatform((tx) => keepAccountToken(tx, { ...link, digest: emailDigest(servers, found.email) }));
  const url = `${publicUrl}/t/${call.tenant.slug}/accept-invitation#token=${token}`;
  const { inviter, message, locale } = found;
  await mail.send({
    to: found.email,
    ...invitationMail({ tenant: call.tenant, inviter, message, locale, url, expiresAt }),
  });
}
