// The mail with the single-use link by which a new member sets a password, in the member's language. Languages are added in one
// place, below.
import { oneLine, pointInTime, textsFor } from "../../tenancy/mail_texts.ts";

/** What the mail says. */
export interface SetupMail {
  tenant: { name: string; time_zone: string };
  firstName: string;
  locale: string;
  url: string;
  expiresAt: Date;
}

interface Texts {
  subject(tenant: string): string;
  greeting(name: string): string;
  made(tenant: string): string;
  set: string;
  until(date: string): string;
  ignore: string;
}

const TEXTS: Record<"en" | "de" | "fr", Texts> = {
  en: {
    subject: (tenant) => `Your account at ${tenant}`,
    greeting: (name) => `Hello ${name},`,
    made: (tenant) => `An account was made for you at ${tenant}.`,
    set: "Set your password here:",
    until: (date) => `The link works once, until ${date}.`,
    ignore: "If you do not expect this, do nothing: without you nothing happens.",
  },
  de: {
    subject: (tenant) => `Ihr Konto bei ${tenant}`,
    greeting: (name) => `Guten Tag ${name},`,
    made: (tenant) => `bei ${tenant} wurde ein Konto für Sie angelegt.`,
    set: "Setzen Sie hier Ihr Passwort:",
    until: (date) => `Der Link gilt einmal, bis ${date}.`,
    ignore: "Wenn Sie das nicht erwarten, tun Sie nichts: Ohne Sie geschieht nichts.",
  },
  fr: {
    subject: (tenant) => `Votre compte chez ${tenant}`,
    greeting: (name) => `Bonjour ${name},`,
    made: (tenant) => `Un compte a été créé pour vous chez ${tenant}.`,
    set: "Choisissez votre mot de passe ici :",
    until: (date) => `Le lien fonctionne une fois, jusqu'au ${date}.`,
    ignore: "Si vous ne l'attendez pas, ne faites rien : sans vous, rien ne se passe.",
  },
};

/** Subject and text, in the member's language or else in English. */
export function setupMail({ tenant, firstName, locale, url, expiresAt }: SetupMail): { subject: string; text: string } {
  const { language, texts } = textsFor(TEXTS, locale);
  const name = oneLine(tenant.name);
  const until = pointInTime(expiresAt, { tag: locale, language, timeZone: tenant.time_zone });
  const parts = [
    texts.greeting(oneLine(firstName)),
    texts.made(name),
    `${texts.set}\n${url}`,
    `${texts.until(until)}\n${texts.ignore}`,
  ];
  return { subject: texts.subject(name.slice(0, 150)), text: `${parts.join("\n\n")}\n` };
}
