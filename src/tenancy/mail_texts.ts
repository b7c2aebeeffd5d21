// Words of mails: the texts for a person's language, and what somebody typed made fit to stand among them.

/** The texts for a language tag: the tag is cut from its end until one fits, else English (RFC 4647, 3.4, lookup). */
export function textsFor<T>(all: Record<"en", T> & Record<string, T>, tag: string): { language: string; texts: T } {
  const parts = tag.toLowerCase().split("-");
  for (; parts.length > 0; parts.pop()) {
    const language = parts.join("-");
    if (Object.hasOwn(all, language)) return { language, texts: all[language] };
  }
  return { language: "en", texts: all.en };
}

/** One line, whatever somebody typed. */
export function oneLine(text: string): string {
  return text.replace(/[\p{Cc}\u2028\u2029]+/gu, " ").trim();
}

/** Until when: numbers and order as in the reader's own country, words in the language of the mail. */
export function pointInTime(
  at: Date,
  { tag, language, timeZone }: { tag: string; language: string; timeZone: string },
) {
  const locale = tag.toLowerCase().startsWith(language) ? tag : language;
  const format = new Intl.DateTimeFormat(locale, { dateStyle: "full", timeStyle: "short", timeZone });
  return `${format.format(at)} (${timeZone})`;
}
