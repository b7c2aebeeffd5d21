// The mail of an invitation, in the invitee's language: subject and text, with the single-use link. Languages are added in
// one place, below.
import { oneLine, pointInTime, textsFor } from "../../tenancy/mail_texts.ts";

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

const TEXTS: Record<"en" | "de" | "fr", Texts> = {
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

/** Subject and text, in the invitee's language or else in English. */
export function invitationMail(mail: InvitationMail): { subject: string; text: string } {
  const { language, texts } = textsFor(TEXTS, mail.locale);
  const tenant = oneLine(mail.tenant.name);
  const quoted = mail.message?.split(/\r\n|[\r\n\u2028\u2029]/).map((part) => `> ${oneLine(part)}`).join("\n");
  const until = pointInTime(mail.expiresAt, { tag: mail.locale, language, timeZone: mail.tenant.time_zone });
  const parts = [
    texts.greeting(tenant, mail.inviter && oneLine(mail.inviter)),
    ...(quoted ? [`${texts.message}\n\n${quoted}`] : []),
    `${texts.accept}\n${mail.url}`,
    `${texts.until(until)}\n${texts.ignore}`,
  ];
  return { subject: texts.subject(tenant.slice(0, 150)), text: `${parts.join("\n\n")}\n` };
}
