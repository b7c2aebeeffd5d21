// Rate limits as processes count them: exact over all of them, none's requests another's, and what happens when the
// database or a process goes away. Each `Limits` here is a process; the windows are short where a test waits for their end.
import assert from "node:assert/strict";
import { createDoors, type Doors } from "../../src/db/doors.ts";
import { Pools } from "../../src/db/pools.ts";
import type { Query } from "../../src/db/sql.ts";
import { createLog } from "../../src/telemetry/log.ts";
import { type Limit, Limits, type Standing } from "../../src/tenancy/limits.ts";
import { bootApp, type TestApp } from "../support/app.ts";
import { adminSql } from "../support/postgres.ts";

const loose = { sanitizeOps: false, sanitizeResources: false };
let app: TestApp;
Deno.test.beforeAll(async () => void (app = await bootApp({ worker: false })));
Deno.test.afterAll(() => app.stop());

/** A process of its own: how often it visited the database, and a switch that takes the database away. */
function process(windowMs?: number, doors = app.services.doors) {
  const seen = { takes: 0, others: 0, away: false, lines: [] as string[] };
  const watched: Doors = {
    asTenant: doors.asTenant,
    asPlatform(context, work) {
      if (context.operation === "limits.take") seen.takes++;
      else seen.others++;
      return seen.away ? Promise.reject(new Error("The database is away")) : doors.asPlatform(context, work);
    },
  };
  const log = createLog({ level: "debug", write: (line) => void seen.lines.push(line) });
  return { limits: new Limits(watched, log, { windowMs }), seen };
}

function limit(allowance: number, more: Partial<Limit> = {}): Limit {
  return { name: "tenant", key: `tenant:${crypto.randomUUID()}`, allowance, ...more };
}

async function take(limits: Limits, ...of: Limit[]): Promise<Standing[]> {
  return await limits.take(of);
}

/** How many of so many requests at once are granted. */
async function granted(limits: Limits, of: Limit, requests: number): Promise<number> {
  const all = await Promise.all(Array.from({ length: requests }, () => take(limits, of)));
  return all.filter(([standing]) => standing.granted).length;
}

const sum = (numbers: number[]) => numbers.reduce((a, b) => a + b, 0);
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

Deno.test("Limits grants exactly 100 of 1,000 requests at once, in however many processes", loose, async (t) => {
  const shares = [[1_000], [500, 500], [10, 990], [1, 3, 996], [250, 250, 250, 250], new Array(20).fill(50)];
  for (const share of shares) {
    await t.step(`as ${share.join(" + ")}`, async () => {
      const of = limit(100);
      const processes = share.map(() => process());
      const counts = await Promise.all(share.map((requests, i) => granted(processes[i].limits, of, requests)));
      assert.equal(sum(counts), 100);
      assert.equal(await granted(process().limits, of, 10), 0);
      for (const { limits } of processes) await limits.stop();
    });
  }
});

/** Doors whose takes read what is used and then write it, as a limiter does that is not atomic. */
function careless(): Doors {
  const { doors } = app.services;
  const used = new Map<string, number>();
  return {
    asTenant: doors.asTenant,
    async asPlatform(context, work) {
      const source = { text: "", values: [] as (string | null)[] };
      await doors.asPlatform(context, (tx) => {
        Object.assign(source, (work(tx) as Query<unknown>).source.statement);
        return Promise.reject(new Error("not sent"));
      }).catch(() => {});
      const [key, needed, allowance] = [0, 1, 3].map((i) => source.values[i]!.replace(/[{}"]/g, ""));
      const before = used.get(key) ?? 0;
      await pause(1);
      const granted = Math.min(Number(needed), Math.max(0, Number(allowance) - before));
      used.set(key, before + granted);
      const remaining = Math.max(0, Number(allowance) - before - granted);
      return [{ place: 1, window_start: "same", granted, remaining, reset_ms: 60_000 }] as never;
    },
  };
}

Deno.test("the check of exactness finds a limiter that reads and then writes", loose, async () => {
  const doors = careless();
  const of = limit(100);
  const processes = [process(undefined, doors), process(undefined, doors)];
  const counts = await Promise.all(processes.map(({ limits }) => granted(limits, of, 500)));
  assert.ok(sum(counts) > 100, String(sum(counts)));
});

Deno.test(
  "a take is one round trip, however many limits and requests it serves; a held allowance is none",
  loose,
  async () => {
    const pools = new Pools({ maxConnections: 4, perPool: 2 });
    const doors = createDoors(pools, app.services.servers.platform(), app.services.log);
    const { limits } = process(undefined, doors);
    const trips = async (work: () => Promise<unknown>) => {
      const before = pools.stats().roundTrips;
      await work();
      return pools.stats().roundTrips - before;
    };
    const [one, two, wide] = [limit(50), limit(60), limit(1_000)];
    assert.equal(await trips(() => take(limits, one)), 1);
    assert.equal(await trips(() => take(limits, one, two)), 1);
    assert.equal(await trips(() => Promise.all([take(limits, one), take(limits, two), take(limits, one)])), 1);
    await granted(limits, wide, 50);
    assert.equal(await trips(() => take(limits, wide)), 1); // and as many in advance as were used
    assert.equal(await trips(() => take(limits, wide)), 0);
    await limits.stop();
    await pools.end();
  },
);

Deno.test("Limits grants exactly the allowance to processes that come and go in waves", loose, async () => {
  const of = limit(1_000);
  const processes = Array.from({ length: 4 }, () => process());
  let count = 0;
  for (let wave = 0; wave < 20; wave++) {
    const sizes = processes.map((_, i) => (wave * 7 + i * 13) % 19);
    count += sum(await Promise.all(processes.map(({ limits }, i) => granted(limits, of, sizes[i]))));
  }
  assert.ok(count > 500 && count < 1_000, String(count));
  const rest = await Promise.all(processes.map(({ limits }) => granted(limits, of, 400)));
  assert.equal(count + sum(rest), 1_000);
});

Deno.test("Limits asks the database seldom while much is left, and once for all that wait", loose, async () => {
  const { limits, seen } = process();
  const of = limit(1_200);
  for (let i = 0; i < 1_000; i++) assert.ok((await take(limits, of))[0].granted);
  assert.ok(seen.takes < 40, `${seen.takes} takes for 1,000 requests`);
  const before = seen.takes;
  assert.equal(await granted(limits, of, 150), 150);
  assert.ok(seen.takes - before <= 2, "150 at once");
});

Deno.test("Limits needs no more than one take for a request with several limits", loose, async () => {
  const { limits, seen } = process();
  for (let i = 1; i <= 5; i++) {
    const [a, b] = await take(limits, limit(50), limit(60));
    assert.deepEqual([a.granted, b.granted, seen.takes], [true, true, i]);
    assert.deepEqual([a.remaining, b.remaining], [49, 59]);
  }
});

Deno.test("Limits counts a request that one limit refuses against none", loose, async () => {
  const { limits } = process();
  const [narrow, wide] = [limit(5, { name: "key" }), limit(50)];
  const standings = await Promise.all(Array.from({ length: 200 }, () => take(limits, narrow, wide)));
  assert.equal(standings.filter((all) => all.every((one) => one.granted)).length, 5);
  assert.equal(await granted(limits, wide, 200), 45);
});

Deno.test("Limits of one tenant are not touched by another's requests", loose, async () => {
  const [one, other] = [process(), process()];
  const [mine, theirs] = [limit(30), limit(30)];
  assert.equal(sum(await Promise.all([one, other].map(({ limits }) => granted(limits, theirs, 500)))), 30);
  const [standing] = await take(one.limits, mine);
  assert.deepEqual([standing.granted, standing.remaining], [true, 29]);
  const sql = await adminSql(app.services.servers.settings.platformDatabase);
  const rows = await sql`select key, used from platform.rate_windows where key in (${mine.key}, ${theirs.key})
    order by used`;
  await sql.end();
  assert.deepEqual([...rows], [{ key: mine.key, used: 1 }, { key: theirs.key, used: 30 }]);
});

Deno.test(
  "Limits begins a new window when the old one has ended, with the whole allowance and no more",
  loose,
  async () => {
    const processes = [process(700), process(700)];
    const of = limit(40);
    const round = async () => sum(await Promise.all(processes.map(({ limits }) => granted(limits, of, 100))));
    for (let i = 0; i < 3; i++) {
      assert.equal(await round(), 40);
      const [{ granted, resetMs, remaining }] = await take(processes[0].limits, of);
      assert.deepEqual([granted, remaining], [false, 0]);
      assert.ok(resetMs > 0 && resetMs <= 700, String(resetMs));
      await pause(resetMs + 50);
    }
  },
);

Deno.test("Limits never uses in a window what it held of the one before", loose, async () => {
  const [early, late] = [process(600), process(600)];
  const of = limit(1_000);
  assert.equal(await granted(early.limits, of, 200), 200);
  await take(early.limits, of); // now it holds something in advance
  await pause(650);
  assert.equal(await granted(late.limits, of, 2_000) + await granted(early.limits, of, 2_000), 1_000);
});

Deno.test("a process that dies takes what it holds along; the others never get more than the rest", loose, async () => {
  const [dying, living] = [process(), process()];
  const of = limit(1_000);
  const used = await granted(dying.limits, of, 300) + await granted(dying.limits, of, 1);
  const rest = await granted(living.limits, of, 2_000);
  assert.ok(used + rest <= 1_000 && rest >= 630, `${used} and ${rest}`);
  assert.ok(used + rest < 1_000, "it held nothing, so nothing was tested");
});

Deno.test("Limits gives back what it holds, when it is not used for a second and when it stops", loose, async () => {
  for (const stop of [true, false]) {
    const [first, second] = [process(), process()];
    const of = limit(1_000);
    const used = await granted(first.limits, of, 300) + await granted(first.limits, of, 1);
    if (stop) await first.limits.stop();
    else await app.until("what was held to go back", () => Promise.resolve(first.seen.others > 0));
    await pause(100);
    assert.equal(used + await granted(second.limits, of, 2_000), 1_000);
    assert.equal(await granted(first.limits, of, 10), 0);
  }
});

Deno.test("Limits holds nothing for who comes now and then, so nothing has to go back", loose, async () => {
  const { limits, seen } = process();
  const of = limit(1_000);
  for (let i = 0; i < 3; i++) {
    assert.equal((await take(limits, of))[0].remaining, 999 - i);
    await pause(1_100);
  }
  assert.deepEqual([seen.takes, seen.others], [3, 0]);
  await limits.stop();
});

Deno.test("Limits counts alone while the database is away, refuses what is closed, and comes back", loose, async () => {
  const { limits, seen } = process();
  const [open, closed] = [limit(50), limit(50, { name: "strict", closed: true })];
  seen.away = true;
  assert.equal(await granted(limits, open, 200), 50);
  assert.equal(await granted(limits, closed, 10), 0);
  assert.ok(seen.takes <= 2, "requests wait for a database that is known to be away");
  assert.equal(seen.lines.filter((line) => line.includes("in this process alone")).length, 1);
  const sql = await adminSql(app.services.servers.settings.platformDatabase);
  const rows = await sql`select from platform.rate_windows where key in (${open.key}, ${closed.key})`;
  await sql.end();
  assert.equal(rows.length, 0);
  seen.away = false;
  await app.until("the database to be seen", async () => (await take(limits, closed))[0].granted);
  assert.equal(await granted(limits, limit(20), 100), 20);
});

Deno.test("a plan that allows more or less holds from the next take", loose, async () => {
  const { limits } = process();
  const of = limit(10);
  assert.equal(await granted(limits, of, 50), 10);
  await pause(1_050); // a refusal is remembered for a second
  assert.equal(await granted(limits, { ...of, allowance: 25 }, 50), 15);
  await pause(1_050);
  assert.equal(await granted(limits, { ...of, allowance: 5 }, 50), 0);
});

Deno.test("takes of many keys in different orders do not wait for each other for ever", loose, async () => {
  const keys = Array.from({ length: 30 }, () => limit(100_000));
  const processes = Array.from({ length: 4 }, () => process());
  const rounds = Array.from({ length: 40 }, (_, round) =>
    Promise.all(processes.map(({ limits }, i) => {
      const mixed = keys.map((_, k) => keys[(k * (i + 7) + round) % keys.length]);
      return take(limits, ...new Set(i % 2 ? mixed : mixed.toReversed()));
    })));
  const standings = (await Promise.all(rounds)).flat(2);
  assert.ok(standings.every((standing) => standing.granted && standing.window !== ""));
});
