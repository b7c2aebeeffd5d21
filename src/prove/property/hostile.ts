// What an attacker does through the same doors: foreign ids, contexts that do not stand, injected statements, values that
// cannot be encoded, and settings left behind for the next one.
import { ContextStatement } from "../../db/pool.ts";
import { AppError } from "../../errors.ts";
import { signContext } from "../../tenancy/context.ts";
import type { Attack } from "../attacks/attack.ts";
import { ATTACKS } from "../attacks/catalogue.ts";
import { byKey, columnsOf, keyValues } from "./honest.ts";
import type { Play } from "./play.ts";
import { raw } from "./raw_door.ts";

/** Attacks that are one statement: the extended protocol takes no more. */
const SINGLE: Attack[] = ATTACKS.filter(({ claim, login, residual }) => !claim && !login && !residual);

/** Reads a row of another tenant by its key. */
export async function readForeign(play: Play): Promise<void> {
  const { victim, known } = play;
  const row = victim.base.get(known.table.name)!;
  const text = `select ${columnsOf(known)} from ${known.table.name} where ${byKey(known)}`;
  const rows = await play.visit(true, (tx) => raw(tx, text, keyValues(known, row)));
  if (rows.length > 0) play.leak("a foreign row was read by its key");
}

/** Changes or removes a row of another tenant by its key. */
export async function writeForeign(play: Play): Promise<void> {
  const { victim, known, random } = play;
  const row = victim.base.get(known.table.name)!;
  const { table } = known;
  const column = table.columns.find(({ mayUpdate }) => mayUpdate);
  const removes = table.may.delete && (random.chance(0.5) || !column);
  if (!removes && !column) return await readForeign(play);
  const text = removes
    ? `delete from ${table.name} where ${byKey(known)} returning 1 as gone`
    : `update ${table.name} set "${column!.name}" = "${column!.name}" where ${byKey(known)} returning 1 as changed`;
  const rows = await play.visit(false, (tx) => raw(tx, text, keyValues(known, row)));
  if (rows.length > 0) play.leak("a foreign row was changed by its key");
}

/** Counts the rows of others. */
export async function countForeign(play: Play): Promise<void> {
  const { player, known } = play;
  const text = `select count(*)::int as count from ${known.table.name} where tenant_id <> ?::uuid`;
  const [{ count }] = await play.visit(true, (tx) => raw(tx, text, [player.id]));
  if (count !== 0) play.leak(`${count} foreign rows were counted`);
}

/** Enters the victim with a proof that does not stand. */
export async function forged(play: Play): Promise<void> {
  const { player, victim, known, world, random } = play;
  const { signer } = world.site;
  const good = (pid: number) => signContext(signer, victim.id, null, pid);
  const sign = random.pick<(pid: number) => string>([
    () => "",
    (pid) => signContext(signer, player.id, null, pid),
    (pid) => good(pid).replace(/.$/, (last) => last === "0" ? "1" : "0"),
    (pid) => signContext(signer, victim.id, null, pid, Date.now() - 90_000),
    (pid) => signContext(signer, victim.id, null, pid, Date.now() + 600_000),
    (pid) => good(pid + 1),
    (pid) => signContext({ ...signer, key: new Uint8Array(32) }, victim.id, null, pid),
    () => "x".repeat(1_000),
  ]);
  const context = { ...await world.context(player, true), tenantId: victim.id, sign, caller: undefined };
  try {
    const rows = await world.doors.asTenant(context, (tx) => raw(tx, `select 1 from ${known.table.name}`));
    if (rows.length > 0) play.leak("a forged context opened the victim");
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== "context_refused") throw error;
  }
}

/** Sends a statement of the attacks' catalogue; whatever it does is undone. */
export async function injected(play: Play): Promise<void> {
  const { player, known, random, victim } = play;
  const ground = player.grounds.find(({ table }) => table.name === known.table.name);
  const attack = random.pick(SINGLE);
  const text = ground && attack.sql(ground);
  if (!text || /;(?! *$)/.test(text.replace(/\$\$.*\$\$/s, "")) || /^copy/.test(text)) return await readForeign(play);
  const undo = new Error("Undo");
  try {
    await play.visit(false, async (tx) => {
      const rows = await raw(tx, text);
      const own = new Set(Object.values(player.base.get(known.table.name)!));
      const secrets = Object.values(victim.base.get(known.table.name)!).filter((value) =>
        value !== null && value.length >= 32 && !own.has(value) && !text.includes(value)
      );
      const told = JSON.stringify(rows);
      const marked = rows.some(({ leaked }) => leaked === true || Number(leaked) > 0);
      if (marked || secrets.some((secret) => told.includes(secret!))) play.leak(`${attack.name}: a foreign row`);
      throw undo;
    });
  } catch (error) {
    if (error === undo) return;
    const cause = error instanceof AppError ? error.cause as { code?: string } | undefined : error as { code?: string };
    if (cause?.code === "22012") play.leak(`${attack.name}: an expression was evaluated on a foreign row`);
  }
}

/** Injected where a value is quoted by hand. */
export async function injectedValue(play: Play): Promise<void> {
  const { player, victim, known, random } = play;
  const end = random.pick([
    "' or true --",
    `' or tenant_id = '${victim.id}' --`,
    `' union all select tenant_id::text from ${known.table.name} --`,
    `' or (select set_config('app.tenant_id', '${victim.id}', true)) is not null --`,
    "'; drop table tenant.members; --",
    `' or 1 / (case when tenant_id = '${player.id}' then 1 else 0 end) = 1 --`,
  ]);
  const text = `select tenant_id::text from ${known.table.name} where tenant_id::text = '${end}`;
  try {
    const rows = await play.visit(true, (tx) => raw(tx, text));
    if (rows.some(({ tenant_id }) => tenant_id !== player.id)) play.leak("an injected condition showed foreign rows");
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    const cause = (error as AppError).cause as { code?: string } | undefined;
    if (cause?.code === "22012") play.leak("an injected expression was evaluated on a foreign row");
  }
}

const BAD: (() => unknown)[] = [
  () => "a\0b",
  () => "\ud800",
  () => Number.NaN,
  () => Infinity,
  () => new Date("nonsense"),
  () => undefined,
  () => ({ a: 1 }),
  () => "not a uuid",
];

/** A value that cannot be encoded, or that the server refuses: only this visit may suffer from it. */
export async function badValue(play: Play): Promise<void> {
  const { known, random } = play;
  const value = random.pick(BAD)();
  const visit = () =>
    play.visit(true, (tx) => raw(tx, `select 1 from ${known.table.name} where tenant_id = ?::uuid`, [value as string]));
  await play.refused("a value that is none was taken", Promise.resolve().then(visit));
}

/** Writes in a visit that may only read. */
export async function writeInReading(play: Play): Promise<void> {
  const { known, random } = play;
  const column = known.table.columns.find(({ mayUpdate }) => mayUpdate);
  if (!column) return await countForeign(play);
  const text = `update ${known.table.name} set "${column.name}" = "${column.name}"`;
  const several = random.chance(0.3);
  await play.refused(
    "a reading visit could write",
    play.visit(true, async (tx) => {
      if (several) await raw(tx, "select 1");
      return await raw(tx, text);
    }),
  );
}

const LEFT = [
  (victim: string, proof: string) =>
    `select set_config('app.tenant_id', '${victim}', false), set_config('app.proof', '${proof}', false)`,
  () => "set default_transaction_read_only = on",
  () => "set search_path = public",
  () => "prepare bulkhead_read (text, text) as select 1",
  () => "prepare bulkhead_remember (text, text) as select 1",
  () => "deallocate all",
  () => "listen spy",
  () => "set session authorization default",
  () => "set role none",
  () => "select pg_try_advisory_lock(1)",
  () => "declare c cursor with hold for select * from tenant.members",
  () => "commit",
  () => "discard all",
];

/** Leaves something on the session for whoever comes next. The next visits show whether it reached them. */
export async function leaveBehind(play: Play): Promise<void> {
  const { player, victim, world, random } = play;
  const proof = signContext(world.site.signer, player.id, null, 0);
  const text = random.pick(LEFT)(victim.id, proof);
  await play.visit(false, (tx) => raw(tx, text)).catch(() => {});
}

const NO_CONTEXT = new ContextStatement("bulkhead_prove_nothing", "select 1", 0);

/** A visit that forgot its context, on the pool that all tenants share: it must find nothing of whoever was there before. */
export async function forgotten(play: Play): Promise<void> {
  const { known, world } = play;
  const pool = world.pools.get(world.target);
  const context = { statement: NO_CONTEXT, values: () => [] };
  const rows = await pool.run(context, (tx) => raw(tx, `select 1 from ${known.table.name} limit 1`)).catch((error) => {
    if (error.code === "42501") return []; // a claim that was left behind, and was not believed
    throw error;
  });
  if (rows.length > 0) play.leak("a session still knew the tenant that was there before");
}
