// Turns the cells of one line into a reading, or says why it cannot: the mapping applied to a file whose columns are
// known. A mapping that does not fit the file is refused as a whole, before anything is stored.
import { AppError, type FieldFault } from "../../errors.ts";
import type { Mapping } from "./mapping.ts";
import { IntervalReader } from "./interval.ts";
import { isTimeZone, ZoneClock } from "./local_time.ts";
import { formatFault, hasOffset, timestampReader } from "./timestamp.ts";

/** One reading, ready to be stored. */
export interface Reading {
  /** Unix milliseconds. */
  endsAt: number;
  /** Local day, `2011-12-31`. */
  day: string;
  /** Exact decimal without needless zeros. */
  value: string;
  zone: string | null;
}

/** Why a line is no reading. */
export interface RowFault {
  reason: string;
  column?: string;
  /** Of the kind that a wrong mapping gives to every line. */
  unread?: true;
}

/** Reads the cells of lines, in the order of the file. */
export type RowReader = (cells: string[]) => Reading | RowFault;

/**
 * Prepares the reading of a file.
 * @param header Names of the columns, or null when the file has none.
 * @param zone The meter's zone, for a mapping that names none.
 * @throws AppError `unprocessable` that names each fault of the mapping and the columns there are.
 */
export function rowReader(mapping: Mapping, header: string[] | null, zone: string): RowReader {
  const faults = habitFaults(mapping, zone);
  const find = columnFinder(header, faults);
  const time = find("timestamp.column", mapping.timestamp.column);
  const amount = find("value.column", mapping.value.column);
  const zoneOf = zoneReader(mapping, find);
  if (faults.length) {
    const columns = header ? `; the columns are ${header.slice(0, 50).map(quoted).join(", ")}` : "";
    throw new AppError("unprocessable", `The mapping does not fit: ${faults[0].message}${columns}`, { fields: faults });
  }
  const parseTime = timestampReader(mapping.timestamp.format);
  const clock = new ZoneClock(mapping.timestamp.zone ?? zone);
  const intervals = new IntervalReader(clock, mapping.timestamp);
  const parseValue = valueReader(mapping.value.decimal);
  const width = header?.length;
  return (cells) => {
    if (width && cells.length !== width) return { reason: `The line has ${cells.length} cells, the header ${width}` };
    const stamp = cells[time.at]?.trim() ?? "";
    const written = parseTime(stamp);
    if (!written) {
      const reason = `${quoted(stamp)} is not a time written as "${mapping.timestamp.format}"`;
      return { reason, column: time.name, unread: true };
    }
    const interval = intervals.read(written);
    if (!interval) {
      return { reason: `${quoted(stamp)} does not exist in ${clock.zone}: the clocks skip it`, column: time.name };
    }
    const value = parseValue(cells[amount.at]?.trim() ?? "");
    if (typeof value !== "string") return { ...value, column: amount.name };
    const found = zoneOf(cells);
    if (found !== null && typeof found !== "string") return found;
    return { endsAt: interval.endsAt, day: interval.day, value, zone: found };
  };
}

function habitFaults({ timestamp }: Mapping, meterZone: string): FieldFault[] {
  const faults: FieldFault[] = [];
  const add = (path: string, message: string) => faults.push({ path: `mapping.timestamp.${path}`, message });
  const format = formatFault(timestamp.format);
  if (format) add("format", format);
  const zone = timestamp.zone ?? meterZone;
  if (!isTimeZone(zone)) add("zone", `${quoted(zone)} is not a zone of the IANA database`);
  if (timestamp.marks === "interval_start" && !timestamp.interval) {
    add("interval", "Say how long an interval is, since the times mark its start");
  }
  if (timestamp.midnight === "end_of_day" && timestamp.marks === "interval_start") {
    add("midnight", "A time that marks the start of an interval cannot be the end of a day");
  }
  if (timestamp.midnight === "end_of_day" && !format && hasOffset(timestamp.format)) {
    add("midnight", "A time with an offset is exact and cannot mean the end of the day");
  }
  return faults;
}

interface Column {
  at: number;
  name: string;
}
type Find = (path: string, column: string | number) => Column;

function columnFinder(header: string[] | null, faults: FieldFault[]): Find {
  const names = header?.map((name) => name.trim());
  const add = (path: string, message: string) => faults.push({ path: `mapping.${path}`, message });
  return (path, column) => {
    if (typeof column === "number") {
      if (names && column > names.length) add(path, `There is no column ${column}, the file has ${names.length}`);
      return { at: column - 1, name: names?.[column - 1] ?? String(column) };
    }
    const at = names?.indexOf(column.trim()) ?? -1;
    if (!names) add(path, `Give the number of column ${quoted(column)}, since the file has no header`);
    else if (at < 0) add(path, `There is no column ${quoted(column)}`);
    else if (names.lastIndexOf(column.trim()) !== at) {
      add(path, `There are several columns ${quoted(column)}; give its number`);
    }
    return { at, name: column };
  };
}

type ZoneReader = (cells: string[]) => string | null | RowFault;

function zoneReader({ zone, zones }: Mapping, find: Find): ZoneReader {
  if (zones) return flagReader(Object.entries(zones).map(([name, column]) => [name, find(`zones.${name}`, column)]));
  if (!zone) return () => null;
  if ("always" in zone) return () => zone.always;
  const { at, name } = find("zone.column", zone.column);
  const known = zone.map && new Map(Object.entries(zone.map));
  return (cells) => {
    const cell = cells[at]?.trim() ?? "";
    if (cell === "") return null;
    const found = known ? known.get(cell) : /^[a-z][a-z0-9_]{0,39}$/.test(cell) ? cell : undefined;
    return found ?? { reason: `${quoted(cell)} is not a zone that the mapping knows`, column: name };
  };
}

function flagReader(flags: [string, Column][]): ZoneReader {
  return (cells) => {
    let found: string | undefined;
    for (const [zone, { at, name }] of flags) {
      const cell = cells[at]?.trim() ?? "";
      if (cell === "0" || cell === "") continue;
      if (cell !== "1") return { reason: `${quoted(cell)} is neither 0 nor 1`, column: name };
      if (found) return { reason: `The line is marked for the zones "${found}" and "${zone}"`, column: name };
      found = zone;
    }
    return found ?? { reason: "The line is marked for no zone" };
  };
}

function valueReader(decimal: "." | ","): (text: string) => string | RowFault {
  const pattern = decimal === "." ? /^(-?)(\d+)(?:\.(\d*))?$/ : /^(-?)(\d+)(?:,(\d*))?$/;
  return (text) => {
    const part = pattern.exec(text);
    if (!part) {
      if (text === "") return { reason: "The value is missing" };
      return { reason: `${quoted(text)} is not a number written with "${decimal}"`, unread: true };
    }
    const whole = part[2].replace(/^0+(?=\d)/, "");
    const fraction = part[3]?.replace(/0+$/, "") ?? "";
    if (part[1] && (whole !== "0" || fraction)) return { reason: `${quoted(text)} is negative` };
    if (whole.length > 10) return { reason: `${quoted(text)} is too large` };
    if (fraction.length > 4) return { reason: `${quoted(text)} has more than four decimals` };
    return fraction ? `${whole}.${fraction}` : whole;
  };
}

/** A piece of the file in an error sentence: short, and without control characters. */
function quoted(text: string): string {
  const clean = text.slice(0, 61).replace(/[\p{Cc}\p{Cf}\u{2028}\u{2029}]/gu, "\u{FFFD}");
  return `"${clean.length > 60 ? `${clean.slice(0, 59)}…` : clean}"`.toWellFormed();
}
