// Random changes of roles, members, units and sessions, and random decisions in between, against an oracle: none may be
// wrong, whatever token is shown to whatever process. BULKHEAD_SEED repeats a run.
import assert from "node:assert/strict";
import { bootApp } from "../support/app.ts";
import { openPlace } from "../support/placement.ts";
import { Random, seedFrom } from "../support/random.ts";
import { World } from "./roles_world.ts";

const DECISIONS = 20_000;
/** Decisions between two changes, asked at once. */
const AT_ONCE = 40;

async function worldOf(seed: number, slugs: string[], work: (world: World) => Promise<void>): Promise<void> {
  const app = await bootApp();
  try {
    const second = await app.secondProcess();
    try {
      const world = new World(app, second, new Random(seed));
      await world.furnish(slugs);
      await work(world);
    } finally {
      await second.stop();
    }
  } finally {
    await app.stop();
  }
}

Deno.test("random changes of access: no decision is wrong in 20,000", async () => {
  const seed = seedFrom("BULKHEAD_SEED");
  console.log(`    seed ${seed}`);
  await worldOf(seed, ["oracle-one", "oracle-two", "oracle-three"], async (world) => {
    while (world.decisions < DECISIONS && world.wrong.length === 0) {
      await world.change();
      if (world.random.chance(0.5)) await world.renew();
      await world.decide(AT_ONCE);
    }
    assert.deepEqual(world.wrong, [], `seed ${seed}, after ${world.decisions} decisions`);
    // Nothing that is decided in one way only: each answer is the right one often.
    const rare = ["200", "401", "403", "404", "rows"].filter((kind) => (world.kinds[kind] ?? 0) < DECISIONS / 50);
    assert.deepEqual(rare, [], JSON.stringify(world.kinds));
    assert.ok(world.refusedChanges > 10);
    const { decisions, changes, refusedChanges } = world;
    console.log(`    ${decisions} decisions, ${changes} changes (${refusedChanges} refused as they should): 0 wrong`);
    console.log(`    ${JSON.stringify(world.kinds)}`);
  });
});

Deno.test("the same finds a change that leaves the access version as it was", async () => {
  await worldOf(7, ["oracle-fault"], async (world) => {
    const place = await openPlace(world.app, world.tenants[0]);
    // Planted: whatever makes the version grow is undone by the database, as if every change had forgotten it.
    await place.admin`create function public.planted() returns trigger language plpgsql as
      'begin new.access_version := old.access_version; return new; end'`;
    await place
      .admin`create trigger planted before update on tenant.members for each row execute function public.planted()`;
    try {
      while (world.decisions < 2_000 && world.wrong.length === 0) {
        await world.change();
        await world.decide(AT_ONCE);
      }
    } finally {
      await place.end();
    }
    assert.ok(world.wrong.length > 0, `not found in ${world.decisions} decisions`);
  });
});
