// From what a line says about its time to the instant at which its interval ends and the day that it is billed under.
// Knows the habits of meter files: times that mark the start or the end, and 00:00:00 as the day's 24th hour.
import type { Civil, ZoneClock } from "./local_time.ts";
import type { Written } from "./timestamp.ts";

/** How a file marks its intervals. */
export interface IntervalHabit {
  marks: "interval_start" | "interval_end";
  /** What a written 00:00:00 means: the moment at which the written day starts, or the one at which it ends. */
  midnight: "start_of_day" | "end_of_day";
  /** Length in minutes, or a civil day; needed where the start is marked. */
  interval?: number | "day";
}

/** When the interval ends (Unix milliseconds) and the local day it belongs to ("2011-12-31"). */
export interface Interval {
  endsAt: number;
  day: string;
}

const DAY = 86_400_000;
const MINUTE = 60_000;
const REMEMBERED = 65_536;

/**
 * Places the lines of one file in time. Keep one per file: an hour that the clocks repeat in autumn is told apart by the
 * order of the lines (the first time it is written, then the second; the other way round in a file that runs backwards).
 */
export class IntervalReader {
  readonly #clock: ZoneClock;
  readonly #habit: IntervalHabit;
  readonly #repeated = new Map<Civil, number>();
  #previous = -Infinity;
  #dayNumber = NaN;
  #dayText = "";

  constructor(clock: ZoneClock, habit: IntervalHabit) {
    this.#clock = clock;
    this.#habit = habit;
  }

  /** Returns the interval, or undefined when the written time does not exist in the zone. */
  read(written: Written): Interval | undefined {
    const mark = this.#mark(written);
    if (!mark) return undefined;
    this.#previous = mark.instant;
    if (this.#habit.marks === "interval_end") {
      return { endsAt: mark.instant, day: this.#text(Math.floor((mark.civil - 1) / DAY)) };
    }
    const day = Math.floor(mark.civil / DAY);
    const { interval } = this.#habit;
    const endsAt = interval === "day"
      ? this.#clock.firstInstant((day + 1) * DAY)
      : mark.instant + (interval ?? 0) * MINUTE;
    return { endsAt, day: this.#text(day) };
  }

  /** The marked moment: as an instant, and on the clock's face. */
  #mark({ civil, day, instant, endOfDay }: Written): { instant: number; civil: Civil } | undefined {
    if (instant !== undefined) return { instant, civil: this.#clock.civil(instant) };
    if (endOfDay || (civil === day && this.#habit.midnight === "end_of_day")) {
      return { instant: this.#clock.firstInstant(day + DAY), civil: day + DAY };
    }
    const instants = this.#clock.instants(civil);
    if (instants.length < 2) return instants.length ? { instant: instants[0], civil } : undefined;
    return { instant: this.#inOrder(civil, instants), civil };
  }

  #inOrder(civil: Civil, instants: number[]): number {
    const taken = this.#repeated.get(civil);
    if (taken !== undefined) return instants[0] === taken ? instants[1] : instants[0];
    const first = this.#previous > instants[0] ? instants[1] : instants[0];
    if (this.#repeated.size >= REMEMBERED) this.#repeated.clear();
    this.#repeated.set(civil, first);
    return first;
  }

  #text(day: number): string {
    if (day !== this.#dayNumber) {
      this.#dayNumber = day;
      this.#dayText = new Date(day * DAY).toISOString().slice(0, 10);
    }
    return this.#dayText;
  }
}
