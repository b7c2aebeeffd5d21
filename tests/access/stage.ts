// The stage of the access tests: four tenants in the three tiers, each table of their placements filled for the tenants
// that live there.
import type { Sql } from "../../src/db/direct.ts";
import { bootApp, type TestApp } from "../support/app.ts";
import { openPlace, type Place } from "../support/placement.ts";
import { readTables, type Table } from "../../src/prove/catalogue.ts";
import { type Row, Rows } from "../../src/prove/rows.ts";

/** One tenant's placement, filled. */
export interface Scene {
  tier: string;
  place: Place;
  /** A tenant that shares the placement, or that lives elsewhere. */
  other: Place;
  /** Tables of the schema tenant. */
  tables: Table[];
  /** Tables that all tenants share. */
  shared: Table[];
  rows: Rows;
}

/** Everything. */
export interface Stage {
  app: TestApp;
  scenes: Scene[];
  end(): Promise<void>;
}

/** Boots, provisions, fills. */
export async function setStage(): Promise<Stage> {
  const app = await bootApp();
  return await people(app).catch(async (error) => {
    await app.stop();
    throw error;
  });
}

async function people(app: TestApp): Promise<Stage> {
  const tenants = await Promise.all([
    app.tenant("access-one", "shared"),
    app.tenant("access-two", "shared"),
    app.tenant("access-alone", "dedicated"),
    app.tenant("access-own", "byo"),
  ]);
  const [one, two, alone, own] = await Promise.all(tenants.map((tenant) => openPlace(app, tenant)));
  const scenes = await Promise.all([
    makeScene("shared", one, two),
    makeScene("dedicated", alone, one),
    makeScene("byo", own, one),
  ]);
  return {
    app,
    scenes,
    async end() {
      for (const place of [one, two, alone, own]) await place.end();
      await app.stop();
    },
  };
}

async function makeScene(tier: string, place: Place, other: Place): Promise<Scene> {
  const tables = await readTables(place.admin, "tenant", place.placement.login);
  const shared = await readTables(place.admin, "reference", place.placement.login);
  const rows = new Rows(place.admin, [...tables, ...shared]);
  for (const table of shared) await rows.row(table, null);
  await fill(place.admin, rows, tables, place.tenant.id);
  if (tier === "shared") await fill(place.admin, rows, tables, other.tenant.id);
  return { tier, place, other, tables, shared, rows };
}

/** Gives a tenant a row in each of its tables. */
export async function fill(admin: Sql, rows: Rows, tables: Table[], tenantId: string): Promise<void> {
  for (const table of tables) await rows.row(table, tenantId);
  // Else the relay would take these for jobs that wait for it, and change them.
  await admin`update tenant.jobs set relayed_at = now() where tenant_id = ${tenantId}`;
}

/** Number and hash of a tenant's rows in every table: equal before and after means that nothing was changed. */
export async function inventory(admin: Sql, tables: Table[], tenantId: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const { name } of tables) {
    const [row] = await admin.unsafe(
      `select count(*) || ' ' || coalesce(md5(string_agg(t::text, '|' order by t::text)), '') as hash
        from ${name} t where tenant_id = $1 ${name === "tenant.audit" ? "and action <> 'refused'" : ""}`,
      [tenantId],
    );
    found[name] = row.hash;
  }
  return found;
}

/** A row's primary key as a condition. */
export function sameRow(table: Table, row: Row): string {
  return table.primaryKey.map((name) => `"${name}" = '${row[name]}'`).join(" and ");
}
