// Civil time to instants: gaps, overlaps, days without a midnight, and the habits of meter files.
import assert from "node:assert/strict";
import { type IntervalHabit, IntervalReader } from "../../src/tenant/readings/interval.ts";
import { isTimeZone, ZoneClock } from "../../src/tenant/readings/local_time.ts";
import { formatFault, timestampReader } from "../../src/tenant/readings/timestamp.ts";

const toronto = new ZoneClock("America/Toronto");

function instants(clock: ZoneClock, civil: string): string[] {
  return clock.instants(Date.parse(`${civil}Z`)).map((instant) => new Date(instant).toISOString());
}

/** Reads times of one file: [instant at which the interval ends, day], or null for a time that does not exist. */
function read(habit: Partial<IntervalHabit>, times: string[], zone = "America/Toronto", format = "YYYY-MM-DD HH:mm") {
  const reader = new IntervalReader(new ZoneClock(zone), { marks: "interval_end", midnight: "start_of_day", ...habit });
  const parse = timestampReader(format);
  return times.map((time) => {
    const interval = reader.read(parse(time)!);
    return interval ? [new Date(interval.endsAt).toISOString().slice(0, 16), interval.day] : null;
  });
}

Deno.test("ZoneClock gives one instant, none in the spring gap, two in the autumn overlap", () => {
  assert.deepEqual(instants(toronto, "2011-12-01T00:00:00"), ["2011-12-01T05:00:00.000Z"]);
  assert.deepEqual(instants(toronto, "2012-03-11T02:00:00"), []);
  assert.deepEqual(instants(toronto, "2012-03-11T03:00:00"), ["2012-03-11T07:00:00.000Z"]);
  assert.deepEqual(instants(toronto, "2011-11-06T01:30:00"), ["2011-11-06T05:30:00.000Z", "2011-11-06T06:30:00.000Z"]);
});

Deno.test("ZoneClock knows half-hour changes and a day that was skipped", () => {
  const lordHowe = new ZoneClock("Australia/Lord_Howe");
  assert.equal(instants(lordHowe, "2011-04-03T01:45:00").length, 2);
  assert.equal(instants(lordHowe, "2011-10-02T02:15:00").length, 0);
  assert.deepEqual(instants(new ZoneClock("Pacific/Apia"), "2011-12-30T12:00:00"), []);
});

Deno.test("ZoneClock.firstInstant() finds the end of a day whose midnight does not exist", () => {
  const saoPaulo = new ZoneClock("America/Sao_Paulo"); // clocks went from 24:00 on 15 October 2011 to 01:00
  const midnight = Date.parse("2011-10-16T00:00:00Z");
  assert.deepEqual(saoPaulo.instants(midnight), []);
  assert.equal(new Date(saoPaulo.firstInstant(midnight)).toISOString(), "2011-10-16T03:00:00.000Z");
});

Deno.test("ZoneClock agrees with the zone data at every hour of three years", () => {
  const clock = new ZoneClock("Europe/Vilnius");
  const from = Date.UTC(2010, 0, 1);
  for (let hour = 0; hour < 3 * 365 * 24; hour++) {
    const instant = from + hour * 3_600_000;
    assert.ok(clock.instants(clock.civil(instant)).includes(instant), new Date(instant).toISOString());
  }
});

Deno.test("isTimeZone() takes zones of the IANA database only", () => {
  for (const zone of ["America/Toronto", "UTC", "Etc/GMT+5", "America/Argentina/Buenos_Aires"]) {
    assert.ok(isTimeZone(zone));
  }
  for (const zone of ["", "Nowhere/City", "+02:00", "America/Toronto\0", "../etc", "x".repeat(80)]) {
    assert.ok(!isTimeZone(zone), zone);
  }
});

Deno.test("IntervalReader takes 00:00 as the named day's 24th hour where the file does", () => {
  const times = ["2011-12-31 23:00", "2011-12-31 00:00", "2012-01-01 01:00"];
  assert.deepEqual(read({ midnight: "end_of_day" }, times), [
    ["2012-01-01T04:00", "2011-12-31"],
    ["2012-01-01T05:00", "2011-12-31"],
    ["2012-01-01T06:00", "2012-01-01"],
  ]);
  assert.deepEqual(read({}, ["2012-01-01 00:00"]), [["2012-01-01T05:00", "2011-12-31"]]);
});

Deno.test("IntervalReader takes 24:00 as the end of the named day, and the end of a changed day rightly", () => {
  assert.deepEqual(read({}, ["2011-12-31 24:00"]), [["2012-01-01T05:00", "2011-12-31"]]);
  assert.deepEqual(read({ midnight: "end_of_day" }, ["2012-03-11 00:00", "2011-11-06 00:00"]), [
    ["2012-03-12T04:00", "2012-03-11"],
    ["2011-11-07T05:00", "2011-11-06"],
  ]);
});

Deno.test("IntervalReader refuses a time that the clocks skip", () => {
  const times = ["2012-03-11 01:00", "2012-03-11 02:00", "2012-03-11 03:00"];
  assert.deepEqual(read({}, times), [["2012-03-11T06:00", "2012-03-11"], null, ["2012-03-11T07:00", "2012-03-11"]]);
});

Deno.test("IntervalReader tells the repeated hour apart by the order of the lines", () => {
  const forward = ["2011-11-06 01:00", "2011-11-06 01:30", "2011-11-06 01:00", "2011-11-06 01:30", "2011-11-06 02:00"];
  const ends = ["05:00", "05:30", "06:00", "06:30", "07:00"].map((time) => [`2011-11-06T${time}`, "2011-11-06"]);
  assert.deepEqual(read({}, forward), ends);
  assert.deepEqual(read({}, [...forward].reverse()), [...ends].reverse());
});

Deno.test("IntervalReader adds the interval where times mark the start", () => {
  const times = ["2011-11-06 00:00", "2011-11-06 01:00", "2011-11-06 01:00"];
  assert.deepEqual(read({ marks: "interval_start", interval: 60 }, times), [
    ["2011-11-06T05:00", "2011-11-06"],
    ["2011-11-06T06:00", "2011-11-06"],
    ["2011-11-06T07:00", "2011-11-06"],
  ]);
  assert.deepEqual(
    read({ marks: "interval_start", interval: "day" }, ["2012-03-11"], "America/Toronto", "YYYY-MM-DD"),
    [
      ["2012-03-12T04:00", "2012-03-11"],
    ],
  );
});

Deno.test("IntervalReader takes a time with an offset as it is and finds its local day", () => {
  const times = ["2012-01-01T05:00:00Z", "2012-01-01T07:00:00+02:00", "2012-01-01T05:00:01Z"];
  assert.deepEqual(read({}, times, "America/Toronto", "YYYY-MM-DDTHH:mm:ssZ"), [
    ["2012-01-01T05:00", "2011-12-31"],
    ["2012-01-01T05:00", "2011-12-31"],
    ["2012-01-01T05:00", "2012-01-01"],
  ]);
});

Deno.test("timestampReader() reads each token and refuses what is no date", () => {
  const civil = (format: string, text: string) => {
    const written = timestampReader(format)(text);
    return written && new Date(written.civil).toISOString().slice(0, 19);
  };
  assert.equal(civil("MM/DD/YYYY HH:mm:ss", "12/31/2011 23:59:58"), "2011-12-31T23:59:58");
  assert.equal(civil("D.M.YYYY H:mm", "1.2.2012 7:05"), "2012-02-01T07:05:00");
  assert.equal(civil("YYYY-MM-DD hh:mm A", "2012-02-29 12:30 am"), "2012-02-29T00:30:00");
  assert.equal(civil("YYYY-MM-DD hh:mm A", "2012-02-29 12:30 PM"), "2012-02-29T12:30:00");
  assert.equal(civil("YYYYMMDD", "20111201"), "2011-12-01T00:00:00");
  const wrong = [
    "02/30/2012 01:00:00",
    "13/01/2012 01:00:00",
    "1/1/2012 01:00:00",
    "01/01/2012 24:00:01",
    "01/01/0012 01:00:00",
  ];
  for (const text of [...wrong, "01/01/2012 25:00:00", "01/01/2012 01:60:00", "01/01/2012 01:00:00 ", ""]) {
    assert.equal(civil("MM/DD/YYYY HH:mm:ss", text), undefined, text);
  }
});

Deno.test("formatFault() names what a format lacks, doubles or does not know", () => {
  assert.equal(formatFault("MM/DD/YYYY HH:mm:ss"), undefined);
  assert.equal(formatFault("YYYY-MM-DDTHH:mm:ssZ"), undefined);
  assert.match(formatFault("MM/DD HH:mm")!, /lacks the year/);
  assert.match(formatFault("YYYY-MM-DD MM")!, /month twice/);
  assert.match(formatFault("YYYY-MM-DD hh:mm")!, /needs hh/);
  assert.match(formatFault("yyyy-MM-DD")!, /lacks the year/);
  assert.match(formatFault("YYYY-MM-DD X")!, /no token/);
});
