// From civil time in an IANA zone to instants, by the runtime's own zone data (Intl). A civil time may not exist (clocks
// go forward) or exist twice (clocks go back): the caller gets every answer there is and decides.

/** A civil time as if it were UTC: milliseconds since 1970-01-01T00:00 on the clock's face. */
export type Civil = number;

const DAY = 86_400_000;
const HOUR = 3_600_000;
const CACHED_DAYS = 4_096;

/** Whether the runtime knows `name` as a zone of the IANA database. Offsets such as "+02:00" are not zones. */
export function isTimeZone(name: string): boolean {
  if (!/^[A-Za-z][A-Za-z0-9_+-]*(\/[A-Za-z0-9_+-]+)*$/.test(name) || name.length > 64) return false;
  try {
    return Boolean(new Intl.DateTimeFormat("en-US", { timeZone: name }));
  } catch {
    return false;
  }
}

/** One zone's clock. Days without a change of clocks cost a look-up, the others a few calls of Intl. */
export class ZoneClock {
  readonly zone: string;
  readonly #format: Intl.DateTimeFormat;
  readonly #days = new Map<number, readonly number[]>();

  /** @throws RangeError when the zone is not known. */
  constructor(zone: string) {
    this.zone = zone;
    this.#format = new Intl.DateTimeFormat("en-US", {
      timeZone: zone,
      hourCycle: "h23",
      year: "numeric",
      month: "numeric",
      day: "numeric",
      hour: "numeric",
      minute: "numeric",
      second: "numeric",
    });
  }

  /** The civil time that the clock shows at `instant` (Unix milliseconds, whole seconds). */
  civil(instant: number): Civil {
    const part: Record<string, number> = {};
    for (const { type, value } of this.#format.formatToParts(instant)) part[type] = Number(value);
    return Date.UTC(part.year, part.month - 1, part.day, part.hour, part.minute, part.second);
  }

  /** Every instant at which the clock shows `civil`, earliest first: usually one, none in a gap, two in an overlap. */
  instants(civil: Civil): number[] {
    const offsets = this.#offsets(Math.floor(civil / DAY));
    if (offsets.length === 1) return [civil - offsets[0]];
    return offsets.map((offset) => civil - offset)
      .filter((instant) => this.civil(instant) === civil)
      .sort((a, b) => a - b);
  }

  /** The first instant at or after `civil`: in a gap the moment at which the clocks go forward, in an overlap the first. */
  firstInstant(civil: Civil): number {
    const [first] = this.instants(civil);
    if (first !== undefined) return first;
    let before = Math.min(...this.#offsets(Math.floor(civil / DAY)).map((offset) => civil - offset));
    let after = before + DAY;
    while (after - before > 1000) {
      const middle = Math.floor((before + after) / 2000) * 1000;
      if (this.civil(middle) < civil) before = middle;
      else after = middle;
    }
    return after;
  }

  /** Offsets from UTC that may hold on a civil day: offsets lie between -12 and +14 hours, the day is searched wider. */
  #offsets(day: number): readonly number[] {
    let offsets = this.#days.get(day);
    if (!offsets) {
      const probes = [day * DAY - 16 * HOUR, day * DAY + 38 * HOUR];
      offsets = [...new Set(probes.map((instant) => this.civil(instant) - instant))];
      if (this.#days.size >= CACHED_DAYS) this.#days.clear();
      this.#days.set(day, offsets);
    }
    return offsets;
  }
}
