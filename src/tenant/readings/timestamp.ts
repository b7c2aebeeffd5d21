// Reads the timestamp cell of a meter file by the format that the mapping names. A format is made of a few tokens and
// the characters between them; whatever else it has is taken literally.
import type { Civil } from "./local_time.ts";

/** What a timestamp says: the clock's face, the written day, and the instant when the text carries an offset. */
export interface Written {
  /** Civil time; 24:00:00 is already the next day's 00:00:00 here, and `endOfDay` is set. */
  civil: Civil;
  /** The day as written, as civil midnight. */
  day: Civil;
  /** Unix milliseconds, when the format has an offset. */
  instant?: number;
  /** Written as 24:00:00. */
  endOfDay: boolean;
}

/** Tokens: which part of the time each stands for, and what it matches. */
const TOKENS: Record<string, { kind: string; pattern: string }> = {
  YYYY: { kind: "year", pattern: "(\\d{4})" },
  MM: { kind: "month", pattern: "(\\d{2})" },
  DD: { kind: "day", pattern: "(\\d{2})" },
  HH: { kind: "hour", pattern: "(\\d{2})" },
  hh: { kind: "hour12", pattern: "(\\d{2})" },
  mm: { kind: "minute", pattern: "(\\d{2})" },
  ss: { kind: "second", pattern: "(\\d{2})" },
  M: { kind: "month", pattern: "(\\d{1,2})" },
  D: { kind: "day", pattern: "(\\d{1,2})" },
  H: { kind: "hour", pattern: "(\\d{1,2})" },
  h: { kind: "hour12", pattern: "(\\d{1,2})" },
  A: { kind: "half", pattern: "([AaPp][Mm])" },
  Z: { kind: "offset", pattern: "([Zz]|[+-]\\d{2}:?\\d{2})" },
};
const TOKEN = /YYYY|MM|DD|HH|hh|mm|ss|M|D|H|h|A|Z/g;

const DAY = 86_400_000;

/** Whether the format's texts carry an offset from UTC. */
export function hasOffset(format: string): boolean {
  return kindsOf(format).includes("offset");
}

/** Says what is wrong with a format, or nothing. */
export function formatFault(format: string): string | undefined {
  const kinds = kindsOf(format);
  const tokens = `; the tokens are ${Object.keys(TOKENS).join(" ")}`;
  const twice = kinds.find((kind, at) => kinds.indexOf(kind) !== at);
  if (twice) return `The format "${format}" names the ${twice} twice`;
  const missing = ["year", "month", "day"].find((kind) => !kinds.includes(kind));
  if (missing) return `The format "${format}" lacks the ${missing}${tokens}`;
  if (kinds.includes("hour12") !== kinds.includes("half")) return `The format "${format}" needs hh (or h) with A`;
  if (kinds.includes("hour12") && kinds.includes("hour")) return `The format "${format}" names the hour twice`;
  if (/[A-Za-z]/.test(format.replace(TOKEN, "").replaceAll("T", ""))) {
    return `The format "${format}" has letters that are no token${tokens}`;
  }
}

/** Compiles a format into a reader, which returns undefined for a text that does not match or is no date. */
export function timestampReader(format: string): (text: string) => Written | undefined {
  let source = "";
  let from = 0;
  for (const token of format.matchAll(TOKEN)) {
    source += literal(format.slice(from, token.index)) + TOKENS[token[0]].pattern;
    from = token.index + token[0].length;
  }
  const pattern = new RegExp(`^${source}${literal(format.slice(from))}$`);
  const kinds = kindsOf(format);
  const group = (kind: string) => kinds.indexOf(kind) + 1;
  const [year, month, day] = ["year", "month", "day"].map(group);
  const [hour, hour12, minute, second] = ["hour", "hour12", "minute", "second"].map(group);
  const [half, offset] = ["half", "offset"].map(group);
  return (text) => {
    const part = pattern.exec(text);
    if (!part) return undefined;
    const number = (at: number) => at ? Number(part[at]) : 0;
    return written(
      [number(year), number(month), number(day)],
      [hour12 ? hourOfHalf(number(hour12), part[half]) : number(hour), number(minute), number(second)],
      offset ? part[offset] : undefined,
    );
  };
}

function kindsOf(format: string): string[] {
  return (format.match(TOKEN) ?? []).map((token) => TOKENS[token].kind);
}

function literal(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&");
}

function hourOfHalf(hour: number, half: string): number {
  if (hour < 1 || hour > 12) return -1;
  return hour % 12 + (half.toLowerCase() === "pm" ? 12 : 0);
}

function written(date: number[], time: number[], offset: string | undefined): Written | undefined {
  const [year, month, dayOfMonth] = date;
  const [hour, minute, second] = time;
  const endOfDay = hour === 24 && minute === 0 && second === 0;
  if (year < 1900 || year > 2199 || hour < 0 || (hour > 23 && !endOfDay) || minute > 59 || second > 59) {
    return undefined;
  }
  const day = Date.UTC(year, month - 1, dayOfMonth);
  const back = new Date(day);
  if (month < 1 || back.getUTCMonth() !== month - 1 || back.getUTCDate() !== dayOfMonth) return undefined;
  const civil = endOfDay ? day + DAY : day + ((hour * 60 + minute) * 60 + second) * 1000;
  if (offset === undefined) return { civil, day, endOfDay };
  const minutes = offsetMinutes(offset);
  return minutes === undefined ? undefined : { civil, day, endOfDay, instant: civil - minutes * 60_000 };
}

function offsetMinutes(text: string): number | undefined {
  if (text === "Z" || text === "z") return 0;
  const hours = Number(text.slice(1, 3));
  const minutes = Number(text.slice(-2));
  if (hours > 15 || minutes > 59) return undefined;
  return (text[0] === "-" ? -1 : 1) * (hours * 60 + minutes);
}
