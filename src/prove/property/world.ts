// What the random run plays with: ten tenants of the shared placement, their rows as the oracle knows them, values that are
// known to be taken by inserts and updates, and the doors over one small pool.
import { createDoors, type Doors, type TenantContext } from "../../db/doors.ts";
import type { Target } from "../../db/pool.ts";
import { Pools } from "../../db/pools.ts";
import { setGate } from "../../db/rollout.ts";
import type { Log } from "../../telemetry/log.ts";
import { TenantTargets } from "../../tenancy/targets.ts";
import { prepareGrounds } from "../attacks/ground.ts";
import type { Ground } from "../attacks/attack.ts";
import type { Table } from "../catalogue.ts";
import { candidates, columnsOfLogin, isLink, type Row } from "../rows.ts";
import { type Attacker, openAttacker, provenBy } from "../session.ts";
import type { Scratch } from "../scratch.ts";
import type { Site } from "../site.ts";

/** The door of the run; mutants give another one. */
export type MakeDoors = (pools: Pools, platform: Target, log: Log) => Doors;

/** What can be done to a table. */
export interface Known {
  table: Table;
  /** Columns of an insert, and values that it takes; null stands for a parent's value, which is the tenant's own. */
  columns: string[];
  types: string[];
  templates: (string | null)[][];
  parents: string[];
  /** Columns that can be changed alone, with values that they take. */
  changes: { column: string; type: string; values: string[] }[];
}

/** A tenant and what the oracle knows of it. */
export interface Player {
  id: string;
  /** Rows by table and primary key. */
  rows: Map<string, Map<string, Row>>;
  /** The first row of each table, which others refer to: it stays. */
  base: Map<string, Row>;
  /** Templates in use, by table. */
  used: Map<string, Map<number, string>>;
  /** Attacks of this tenant on the next one. */
  grounds: Ground[];
}

export interface World {
  site: Site;
  doors: Doors;
  pools: Pools;
  target: Target;
  known: Known[];
  players: Player[];
  /** The context of a visit, as requests get theirs. */
  context(player: Player, readOnly: boolean): Promise<TenantContext>;
  end(): Promise<void>;
}

/** The context of a visit from its targets; mutants give another one. */
export type Contexts = (
  targets: TenantTargets,
  site: Site,
  player: Player,
  readOnly: boolean,
) => Promise<TenantContext>;

const PLAYERS = 10;
const CONNECTIONS = 4;

export const realContexts: Contexts = (targets, site, player, readOnly) =>
  targets.context({ id: player.id, placement: site.placement }, {
    operation: "prove.property",
    requestId: "",
    readOnly,
  });

/** Makes the tenants. `templates` is how many rows more than the first one a tenant may have in a table. */
export async function makeWorld(
  scratch: Scratch,
  options: { templates: number; doors?: MakeDoors; contexts?: Contexts },
): Promise<World> {
  const { services } = scratch;
  const site = scratch.sites.find(({ tier }) => tier === "shared")!;
  const session = await openAttacker(site.target);
  const players: Player[] = [];
  for (let i = 0; i < PLAYERS; i++) players.push(await makePlayer(site));
  const known = await learn(site, session, players[0], options.templates);
  for (const [i, player] of players.entries()) {
    const victim = { id: players[(i + 1) % PLAYERS].id, slug: null, record: null };
    const field = { ...site, attacker: { id: player.id, slug: null, record: null }, victim };
    player.grounds = await prepareGrounds(field, session);
  }
  await session.end();
  for (const player of players) await recall(site, known, player);
  const pools = new Pools({ maxConnections: 40, perPool: CONNECTIONS, queueMs: 20_000 });
  const targets = new TenantTargets(services.servers, services.egress);
  const contexts = options.contexts ?? realContexts;
  return {
    site,
    pools,
    doors: (options.doors ?? createDoors)(pools, services.servers.platform(), services.log),
    target: site.target,
    known,
    players,
    context: (player, readOnly) => contexts(targets, site, player, readOnly),
    end: () => pools.end(),
  };
}

async function makePlayer(site: Site): Promise<Player> {
  const player: Player = {
    id: crypto.randomUUID(),
    rows: new Map(),
    base: new Map(),
    used: new Map(),
    grounds: [],
  };
  await setGate(site.admin, site.roles, player.id, true);
  for (const table of site.tables) {
    const row = await site.rows.row(table, player.id);
    player.base.set(table.name, row);
    player.rows.set(table.name, new Map([[keyOf(table, row), row]]));
    player.used.set(table.name, new Map());
  }
  return player;
}

/** What is there when the run begins: to fill one table, rows of others were made too. */
async function recall({ admin }: Site, known: Known[], player: Player): Promise<void> {
  for (const { table } of known) {
    const columns = table.columns.map(({ name }) => `"${name}"::text`).join(", ");
    const rows = await admin.unsafe(`select ${columns} from ${table.name} where tenant_id = $1`, [player.id]);
    player.rows.set(table.name, new Map(rows.map((row) => [keyOf(table, row as Row), { ...row } as Row])));
  }
}

/** A row's primary key, as the oracle's key. */
export function keyOf(table: Table, row: Row): string {
  return table.primaryKey.map((name) => row[name]).join("|");
}

/** Tries on one tenant, undoing everything, what inserts and updates a table takes. */
async function learn(site: Site, session: Attacker, player: Player, templates: number): Promise<Known[]> {
  const run = (text: string) => session.run(provenBy(site.signer, player.id), text);
  const known: Known[] = [];
  for (const table of site.tables.filter(({ may, name }) => may.select && name !== "tenant.audit")) { // it grows by itself
    const columns = table.may.insert ? columnsOfLogin(table) : [];
    const entry: Known = {
      table,
      columns: columns.map(({ name }) => name),
      types: columns.map(({ type }) => type),
      templates: [],
      parents: table.foreignKeys.filter(({ parent }) => parent.startsWith("tenant.")).flatMap((key) => key.columns),
      changes: await changesOf(table, player.base.get(table.name)!, run),
    };
    // A link's key is its parents, of which the templates know no second ones.
    for (let i = 0; i < (table.may.insert && !isLink(table) ? templates : 0); i++) {
      await site.rows.make(table, player.id, columns, async (statement, values) => {
        const { rows: [row], error } = await run(statement);
        if (error) throw error;
        entry.templates.push(values);
        return row as Row;
      });
    }
    known.push(entry);
  }
  return known;
}

/** Columns that no key and no check with another column holds, with values that an update takes. */
async function changesOf(table: Table, row: Row, run: (text: string) => ReturnType<Attacker["run"]>) {
  const held = new Set([
    ...table.primaryKey,
    ...table.uniques.flatMap(({ columns }) => columns),
    ...table.foreignKeys.flatMap(({ columns }) => columns),
    ...table.checks.filter(({ columns }) => columns.length > 1).flatMap(({ columns }) => columns),
  ]);
  const unique = table.uniques.flatMap(({ columns }) => columns);
  const all = table.columns.map(({ name }) => `"${name}"::text`).join(", ");
  const changes: Known["changes"] = [];
  for (const column of table.columns.filter(({ name, mayUpdate }) => mayUpdate && !held.has(name))) {
    const values: string[] = [];
    for (const value of candidates(table, column, 3).slice(0, 4)) {
      const where = table.primaryKey.map((name) => `"${name}"::text = '${row[name]?.replaceAll("'", "''")}'`);
      const text = `update ${table.name} set "${column.name}" = '${value.replaceAll("'", "''")}'::${column.type}
        where ${where.join(" and ")} returning ${all}`;
      const { rows: [changed], error } = await run(text);
      // A unique key may be generated from the column: then two rows cannot have the same value.
      const free = !error && changed && unique.every((name) => changed[name] === row[name]);
      if (free) values.push(changed[column.name] as string);
    }
    if (values.length > 0) changes.push({ column: column.name, type: column.type, values });
  }
  return changes;
}
