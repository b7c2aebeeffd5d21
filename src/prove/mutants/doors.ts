// Faults of the doors and of the contexts that go through them, which the random run must find, or the
// channel of sessions.
import { createDoors, type Doors, type TenantContext } from "../../db/doors.ts";
import { ContextStatement } from "../../db/pool.ts";
import { checkSessions } from "../channels/sessions.ts";
import { play } from "../property/play.ts";
import { type Contexts, type MakeDoors, makeWorld, realContexts } from "../property/world.ts";
import type { Scratch } from "../scratch.ts";
import type { CodeMutant } from "./code.ts";

/** Enough steps that each kind happens many times. */
const OPERATIONS = 800;

const found = (spoiled: { doors?: MakeDoors; contexts?: Contexts }) => async (scratch: Scratch) => {
  const world = await makeWorld(scratch, { templates: 2, ...spoiled });
  try {
    const { leaks, mismatches } = await play(world, { seed: 1, operations: OPERATIONS });
    return [...leaks, ...mismatches];
  } finally {
    await world.end();
  }
};

/** Doors whose way into a tenant is another one. */
const otherwise =
  (make: (real: Doors, pools: Parameters<MakeDoors>[0]) => Doors["asTenant"]): MakeDoors => (pools, platform, log) => {
    const real = createDoors(pools, platform, log);
    return { ...real, asTenant: make(real, pools) };
  };

const FOR_THE_SESSION = new ContextStatement(
  "bulkhead_mutant",
  `select set_config('app.tenant_id', $1, false), set_config('app.proof', $2, false),
    set_config('transaction_read_only', $3, true)`,
  3,
);

/** Settings that stay on the session. */
const sessionLevel = otherwise((_, pools) => async (context, work) =>
  await pools.get(context.target).run({
    statement: FOR_THE_SESSION,
    values: (pid) => [context.tenantId, context.sign(pid), context.readOnly ? "on" : "off"],
  }, work)
);

/** Each statement in a transaction of its own. */
const statementByStatement = otherwise((real) => (context, work) => {
  const tx =
    ((strings: TemplateStringsArray, ...values: never[]) =>
      real.asTenant(context, (inner) => inner(strings, ...values))) as never;
  return Promise.resolve(work(tx));
});

const NAMELESS = new ContextStatement(
  "bulkhead_nameless",
  `select set_config('transaction_read_only', $1, true), set_config('app.tenant_id', $2, true),
    set_config('app.proof', $3, true)`,
  3,
);

/** The first value is everybody's, so that no connection learns that it changes hands. */
const nameless = otherwise((_, pools) => async (context, work) =>
  await pools.get(context.target).run({
    statement: NAMELESS,
    values: (pid) => [context.readOnly ? "on" : "off", context.tenantId, context.sign(pid)],
  }, work)
);

/** Errors that are taken for empty answers. */
const quiet = otherwise((real) => (context, work) => real.asTenant(context, work).catch(() => [] as never));

/** Rows that stay in memory, by statement and values but not by tenant. */
const remembering: MakeDoors = otherwise((real) => {
  const kept = new Map<string, unknown>();
  return async (context, work) => {
    if (!context.readOnly) return await real.asTenant(context, work);
    const key = String(kept.size % 3);
    const known = kept.get(key);
    if (known) return kept.delete(key), known as never;
    const answer = await real.asTenant(context, work);
    kept.set(key, answer);
    return answer;
  };
});

/** The context of whoever came first, for a while. */
function sharedContext(): Contexts {
  let kept: { until: number; context: TenantContext } | null = null;
  return async (targets, site, player, readOnly) => {
    if (kept && kept.until-- > 0) return { ...kept.context, readOnly };
    kept = { until: 2, context: await realContexts(targets, site, player, readOnly) };
    return kept.context;
  };
}

const mutant = (fault: string, spoiled: { doors?: MakeDoors; contexts?: () => Contexts }): CodeMutant => ({
  fault,
  layer: "random run",
  find: (scratch) => found({ doors: spoiled.doors, contexts: spoiled.contexts?.() })(scratch),
});

/** Every fault of the doors. */
export const DOORS: CodeMutant[] = [
  mutant("the context is set for the session, not for the transaction", { doors: sessionLevel }),
  mutant("a transaction's statements are sent one by one", { doors: statementByStatement }),
  mutant("errors are taken for empty answers", { doors: quiet }),
  mutant("answers are kept without the tenant in their key", { doors: remembering }),
  mutant("contexts are kept without the tenant in their key", { contexts: sharedContext }),
  mutant("reading visits may write", {
    contexts: () => (targets, site, player) => realContexts(targets, site, player, false),
  }),
  {
    fault: "a connection keeps one tenant's settings for the next",
    layer: "sessions",
    find: async (scratch) => (await checkSessions(scratch, { quick: true }, { doors: nameless })).leaks,
  },
];
