// What is mailed about signing in: the words, in every language that there is.
import assert from "node:assert/strict";
import { changeMail, resetMail } from "../../src/tenant/auth/mails.ts";

Deno.test("resetMail() writes in the tenant's language and time zone, and in English where it knows none", () => {
  const expiresAt = new Date("2026-03-01T20:30:00Z");
  const mail = (locale: string) =>
    resetMail({
      tenant: { name: "Acme", locale, time_zone: "Europe/Berlin" },
      url: "https://x.test/#token=t",
      expiresAt,
    });
  const cases: [string, RegExp, RegExp][] = [
    ["en-CA", /^A new password for Acme$/, /once, until .*9:30/],
    ["de-DE", /^Ein neues Passwort für Acme$/, /einmal, bis .*21:30/],
    ["fr", /^Un nouveau mot de passe pour Acme$/, /une fois, jusqu'au .*21:30/],
    ["pt-BR", /^A new password for Acme$/, /once, until/],
  ];
  for (const [locale, subject, text] of cases) {
    assert.match(mail(locale).subject, subject);
    assert.match(mail(locale).text, text);
    assert.ok(mail(locale).text.includes("https://x.test/#token=t\n"));
  }
});

Deno.test("changeMail() writes in the tenant's language and time zone, and in English where it knows none", () => {
  const at = new Date("2026-03-01T20:30:00Z");
  const mail = (locale: string, address: string | null = "203.0.113.7") =>
    changeMail({ tenant: { name: "Acme", locale, time_zone: "Europe/Berlin" }, at, address });
  const cases: [string, RegExp, RegExp, RegExp][] = [
    ["en-CA", /^Your password was changed: Acme$/, /When: .*9:30/, /address: unknown\n/],
    ["de-DE", /^Ihr Passwort wurde geändert: Acme$/, /Wann: .*21:30/, /adresse: unbekannt\n/],
    ["fr", /^Votre mot de passe a été modifié : Acme$/, /Quand : .*21:30/, /réseau : inconnue\n/],
    ["pt-BR", /^Your password was changed: Acme$/, /When: /, /address: unknown\n/],
  ];
  for (const [locale, subject, text, unknown] of cases) {
    assert.match(mail(locale).subject, subject);
    assert.match(mail(locale).text, text);
    assert.match(mail(locale).text, /203\.0\.113\.7\n/);
    assert.match(mail(locale, null).text, unknown);
  }
});
