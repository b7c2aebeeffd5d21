// The random run: lanes, each with tenants of its own, that do one thing after another through the doors and hold what came
// of it against the oracle. The same seed gives every lane the same choices again; how lanes interleave is up to the server.
import type { Work } from "../../db/doors.ts";
import { AppError } from "../../errors.ts";
import { Random } from "../random.ts";
import type { Row } from "../rows.ts";
import * as honest from "./honest.ts";
import * as hostile from "./hostile.ts";
import { keyOf, type Known, type Player, type World } from "./world.ts";

/** One step of the run. */
export interface Play {
  world: World;
  player: Player;
  victim: Player;
  known: Known;
  random: Random;
  visit<T>(readOnly: boolean, work: Work<T>): Promise<T>;
  leak(sentence: string): void;
  mismatch(sentence: string): void;
  /** Notes a leak when a row is not the player's. */
  own(row: Row, what: string): void;
  /** Notes what differs between the rows that came and those that the oracle expects. */
  sameRows(rows: Row[], expected: Row[], what: string): void;
  /** Notes a mismatch when something goes through that must not. */
  refused(sentence: string, work: Promise<unknown>): Promise<void>;
}

/** What the run came to. */
export interface PropertyResult {
  seed: number;
  operations: number;
  hostile: number;
  /** Steps by what they did. */
  kinds: Record<string, number>;
  leaks: string[];
  mismatches: string[];
  ms: number;
}

type Step = (play: Play) => Promise<void>;

/** How often what is done, of a hundred. */
const STEPS: [number, Step, boolean][] = [
  [22, honest.readOne, false],
  [12, honest.readAll, false],
  [9, honest.insertOne, false],
  [8, honest.updateOne, false],
  [6, honest.deleteOne, false],
  [3, honest.transaction, false],
  [2, honest.aborted, true],
  [1, honest.caught, true],
  [9, hostile.readForeign, true],
  [6, hostile.writeForeign, true],
  [5, hostile.countForeign, true],
  [4, hostile.forged, true],
  [4, hostile.injected, true],
  [3, hostile.injectedValue, true],
  [2, hostile.badValue, true],
  [1, hostile.writeInReading, true],
  [1, hostile.leaveBehind, true],
  [2, hostile.forgotten, true],
];

const LANES = 8;
const MAX_TOLD = 20;

/** Plays `operations` steps. */
export async function play(
  world: World,
  options: { seed: number; operations: number; say?: (done: number, of: number) => void },
): Promise<PropertyResult> {
  const { seed, operations } = options;
  const result: PropertyResult = { seed, operations: 0, hostile: 0, kinds: {}, leaks: [], mismatches: [], ms: 0 };
  const started = performance.now();
  const lane = async (number: number) => {
    const random = new Random(seed + number);
    const players = world.players.filter((_, i) => i % LANES === number);
    for (let i = number; i < operations; i += LANES) {
      await step(world, random.pick(players), random, result);
      if (++result.operations % 1_000 === 0) options.say?.(result.operations, operations);
    }
  };
  await Promise.all(Array.from({ length: LANES }, (_, number) => lane(number)));
  await compareAll(world, result);
  result.ms = performance.now() - started;
  return result;
}

async function step(world: World, player: Player, random: Random, result: PropertyResult): Promise<void> {
  let at = random.below(100);
  const [, run, isHostile] = STEPS.find(([share]) => (at -= share) < 0)!;
  if (isHostile) result.hostile++;
  result.kinds[run.name] = (result.kinds[run.name] ?? 0) + 1;
  const note = (list: string[]) => (sentence: string) => void (list.length < MAX_TOLD && list.push(sentence));
  const victim = world.players[(world.players.indexOf(player) + 1) % world.players.length];
  const one = makePlay({ world, player, victim, known: random.pick(world.known), random }, {
    leak: note(result.leaks),
    mismatch: note(result.mismatches),
  });
  try {
    await run(one);
  } catch (error) {
    const cause = error instanceof AppError && error.cause ? ` (${error.cause})` : "";
    one.mismatch(`${run.name} on ${one.known.table.name} failed: ${error}${cause}`);
  }
}

type Cast = Pick<Play, "world" | "player" | "victim" | "known" | "random">;

function makePlay(cast: Cast, { leak, mismatch }: Pick<Play, "leak" | "mismatch">): Play {
  const { world, player, known } = cast;
  return {
    ...cast,
    leak,
    mismatch,
    visit: async (readOnly, work) => await world.doors.asTenant(await world.context(player, readOnly), work),
    own(row, what) {
      if (row?.tenant_id !== player.id) leak(`${what} gave a row of "${row?.tenant_id}"`);
    },
    sameRows(rows, expected, what) {
      for (const row of rows) this.own(row, what);
      const wanted = new Map(expected.map((row) => [keyOf(known.table, row), JSON.stringify(row)]));
      const wrong = rows.filter((row) => wanted.get(keyOf(known.table, row)) !== JSON.stringify(row)).length;
      if (wrong > 0 || rows.length !== expected.length) {
        mismatch(
          `${what} of ${known.table.name}: ${rows.length} rows, ${wrong} unexpected, instead of ${expected.length}`,
        );
      }
    },
    async refused(sentence, work) {
      const through = await work.then(() => true, () => false);
      if (through) mismatch(sentence);
    },
  };
}

/** At the end: everything that is in the database is what the oracle knows, for every tenant and table. */
async function compareAll({ players, known, site }: World, result: PropertyResult): Promise<void> {
  for (const { table } of known) {
    const columns = table.columns.map(({ name }) => `"${name}"::text`).join(", ");
    const rows = await site.admin.unsafe(
      `select ${columns} from ${table.name} where tenant_id = any ($1::text::uuid[])`,
      [
        `{${players.map(({ id }) => id).join(",")}}`,
      ],
    );
    const expected = players.flatMap((player) =>
      [...player.rows.get(table.name)!.values()].map((row) => JSON.stringify(row))
    );
    const found = new Set(rows.map((row) => JSON.stringify({ ...row })));
    const missing = expected.filter((row) => !found.has(row)).length;
    if (missing > 0 || rows.length !== expected.length) {
      result.mismatches.push(
        `${table.name} ended with ${rows.length} rows instead of ${expected.length}, ${missing} not as known`,
      );
    }
  }
}
