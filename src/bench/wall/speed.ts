// Throughput without delay and answer times with it, all contenders turn about in one run.
import type { Measurement } from "../../cli/bench.ts";
import { ask, type Round } from "./client.ts";
import type { Contenders, Name } from "./contenders.ts";
import { atLeast, atMost, median, medianRatio, shown } from "./numbers.ts";

/** Milliseconds that each turn begins with and that are not measured: the others' turns have left everything cold. */
const LEAD_MS = 250;
/**
 * Turns are short, and the first ones are not counted: V8 takes ten seconds of work to compile all that is often run,
 * and throws it away again when a process had nothing to do for eight.
 */
const THROUGHPUT = { warm: 12, rounds: 16, lanes: 16, ms: 1_000 };
const ANEW = { ...THROUGHPUT, rounds: 10 };
/** Each tenant once, after everything that is kept for some seconds only has ended. */
const QUIET = { pause: 12_000, rounds: 3, lanes: 4, ms: 250 };
const TIMES = { warm: 3, rounds: 5, lanes: 8, ms: 1_000 };

const NAMES: Record<Name, string> = {
  ours: "Bulkhead",
  anew: "Bulkhead, every context verified anew",
  plain: "(a) plain condition, no transaction",
  naive: "(b) begin, set_config, query, commit",
  postgraphile: "(c) PostGraphile",
};

type Rounds = Partial<Record<Name, Round[]>>;

/** Measures and gives every number. */
export async function measureSpeed(contenders: Contenders): Promise<Measurement[]> {
  const all = (Object.keys(contenders.asked) as Name[]).filter((name) => name !== "anew");
  const straight = await rounds(contenders, all, "straight", THROUGHPUT);
  const anew = await rounds(contenders, ["anew", "plain"], "straight", ANEW);
  await contenders.delay(1);
  const at1 = await rounds(contenders, all, "delayed", TIMES);
  await contenders.delay(10);
  const at10 = await rounds(contenders, all, "delayed", TIMES);
  const quiet = await afterSilence(contenders);
  await contenders.delay(0);
  const ratio = (other: Name) => straight[other] ? medianRatio(rates(straight.ours!), rates(straight[other])) : NaN;
  const slower = (of: Rounds) => medianRatio(times(of.ours!), times(of.plain!));
  const { missing } = contenders;
  return [
    atLeast("throughput against (a) at 0 ms", ratio("plain"), "×", 0.9),
    atLeast(
      "throughput against (b) at 0 ms",
      ratio("naive"),
      "×",
      2,
      `(a), which has no tenancy at all, reaches ${
        medianRatio(rates(straight.plain!), rates(straight.naive!)).toFixed(2)
      } ×`,
    ),
    shown(
      "throughput against (a) at 0 ms, every context verified anew",
      medianRatio(rates(anew.anew!), rates(anew.plain!)),
      "×",
    ),
    shown("p50 of (b) against ours at 1 ms", medianRatio(times(at1.naive!), times(at1.ours!)), "×"),
    shown("p50 of (b) against ours at 10 ms", medianRatio(times(at10.naive!), times(at10.ours!)), "×"),
    atLeast(
      "throughput against (c) at 0 ms",
      ratio("postgraphile"),
      "×",
      5,
      missing
        ? `not measured: ${missing}`
        : `(a) reaches ${medianRatio(rates(straight.plain!), rates(straight.postgraphile!)).toFixed(2)} ×`,
    ),
    atMost("p50 against (a) at 10 ms", slower(at10), "×", 1.05),
    shown("p50 against (a) at 1 ms", slower(at1), "×"),
    shown("p50 at 10 ms, a tenant's first read in twelve seconds", median(times(quiet)), "ms", "4 at once"),
    ...absolute(straight, at1, at10),
  ];
}

function absolute(straight: Rounds, at1: Rounds, at10: Rounds): Measurement[] {
  return (Object.keys(straight) as Name[]).flatMap((name) => [
    shown(`throughput at 0 ms: ${NAMES[name]}`, median(rates(straight[name]!)), "requests/s"),
    shown(`p50 at 0 ms: ${NAMES[name]}`, median(times(straight[name]!)), "ms", `${THROUGHPUT.lanes} at once`),
    shown(`p50 at 1 ms: ${NAMES[name]}`, median(times(at1[name]!)), "ms", `${TIMES.lanes} at once`),
    shown(`p50 at 10 ms: ${NAMES[name]}`, median(times(at10[name]!)), "ms", `${TIMES.lanes} at once`),
  ]);
}

/** Each round asks every contender once, in another order each time, so that none always follows the same one. */
async function rounds(
  { asked }: Contenders,
  names: Name[],
  way: "straight" | "delayed",
  { warm, rounds, ...load }: { warm: number; rounds: number; lanes: number; ms: number },
): Promise<Rounds> {
  const result: Rounds = Object.fromEntries(names.map((name) => [name, []]));
  for (let round = -warm; round < rounds; round++) {
    const order = names.map((_, turn) => names[(round + warm + turn) % names.length]);
    for (const name of round % 2 ? order.reverse() : order) {
      await ask(asked[name]![way], { lanes: load.lanes, ms: LEAD_MS });
      const measured = await ask(asked[name]![way], load);
      if (round >= 0) result[name]!.push(measured);
    }
  }
  return result;
}

/** Ours, asked by each tenant once in a while. */
async function afterSilence({ asked }: Contenders): Promise<Round[]> {
  const result: Round[] = [];
  for (let round = 0; round < QUIET.rounds; round++) {
    await new Promise((resolve) => setTimeout(resolve, QUIET.pause));
    result.push(await ask(asked.ours!.delayed, QUIET));
  }
  return result;
}

function rates(rounds: Round[]): number[] {
  return rounds.map((round) => round.perSecond);
}

function times(rounds: Round[]): number[] {
  return rounds.map((round) => round.p50);
}
