// Every rule of the lint plugin on code that it must find and on code that it must leave alone.
import assert from "node:assert/strict";
import plugin from "../../src/lint/plugin.ts";

/** What the rules say of a file, by their names. */
function found(path: string, source: string): string[] {
  return Deno.lint.runPlugin(plugin, path, source).map(({ id }) => id.replace("bulkhead/", ""));
}

interface Cases {
  /** File → code in which the rule finds one fault. */
  bad: [path: string, source: string][];
  good: [path: string, source: string][];
}

const route = "src/tenant/parking/routes.ts";
const model = "src/tenant/parking/model.ts";
const queries = "src/tenant/parking/queries.ts";

const CASES: Record<string, Cases> = {
  "no-raw-pool": {
    bad: [
      [route, 'import postgres from "postgres";'],
      [route, 'import postgres from "npm:postgres@3";'],
      [route, 'import { Pool } from "../../db/pool.ts";'],
      [route, 'import { type Target, Pool } from "../../db/pool.ts";'],
      [route, 'import { Pools } from "../../db/pools.ts";'],
      [route, 'import "../../db/wire.ts";'],
      [route, 'export { openDirect } from "../../db/direct.ts";'],
      [route, 'export * from "../../db/connection.ts";'],
      [route, 'const { openDirect } = await import("../../db/direct.ts");'],
    ],
    good: [
      [route, 'import type { Pool } from "../../db/pool.ts";'],
      [route, 'import { type Sql } from "../../db/direct.ts";'],
      [route, 'export type { Sql } from "../../db/direct.ts";'],
      [queries, 'import { sql, type Tx } from "../../db/sql.ts";'],
      ["src/db/doors.ts", 'import { Pool } from "./pool.ts";'],
      ["src/services.ts", 'import { Pools } from "./db/pools.ts";'],
      ["tests/db/pool_test.ts", 'import { Pool } from "../../src/db/pool.ts";'],
    ],
  },
  "no-unsafe": {
    bad: [
      [queries, "export const list = (tx: Tx, name: string) => tx.unsafe(`select ${name}`);"],
      [queries, 'await sql["unsafe"](text);'],
      [queries, "await this.sql.unsafe<Row[]>(text);"],
      ["src/db/rollout.ts/other.ts", "await sql.unsafe(text);"],
    ],
    good: [
      [queries, "export const list = (tx: Tx, name: string) => tx`select ${name}`;"],
      [queries, "const unsafe = (text: string) => text; unsafe(text);"],
      ["src/db/rollout.ts", "await sql.unsafe(text);"],
      ["tests/access/rows_test.ts", "await sql.unsafe(text);"],
    ],
  },
  "no-tenant-id-in-schema": {
    bad: [
      [model, "export const newSpace = z.strictObject({ tenant_id: z.uuid(), label: text(100) });"],
      [model, "const fields = { label: text(100), tenantId: text(36) };"],
      [model, 'const fields = { "tenant_id": z.uuid() };'],
      [route, "const body = z.object({ tenantId: id });"],
      [route, "const body = newSpace.extend({ tenant_id: id });"],
      [route, "const query = pageQuery({ filters: { tenant_id: z.uuid().optional() } });"],
    ],
    good: [
      [model, "export const newSpace = z.strictObject({ label: text(100) });"],
      [route, "log.info(`made`, { tenant_id: call.tenant.id });"],
      [route, "const { tenant_id } = row;"],
      ["src/platform/events/model.ts", "export const event = z.object({ tenant_id: z.uuid() });"],
      ["tests/tenant/parking_test.ts", "const body = z.object({ tenant_id: z.uuid() });"],
    ],
  },
  "no-query-outside-door": {
    bad: [
      [queries, "let kept; call.asTenant(async (tx) => { kept = tx; });"],
      [queries, "class A { take(tx: Tx) { this.tx = tx; } }"],
      [queries, "call.asTenant((tx) => tx);"],
      [queries, "async function take(tx: Tx) { await tx`select 1`; return tx; }"],
      [queries, "function take(tx: Tx) { return { tx }; }"],
      [queries, "call.asTenant((tx) => ({ run: 1, tx }));"],
      [queries, "call.asTenant(async (transaction: Tx) => { kept = transaction; });"],
      [queries, "call.asTenant(async (tx) => { all.push(tx); });"],
      [queries, "call.asTenant(async (tx) => { byId.set(id, tx); });"],
      [queries, "function take(tx: Tx) { const other = tx; return list(other); }"],
      [queries, "const rows = await tx`select 1`;"],
      [queries, "import { tx } from './kept.ts'; export const list = () => tx`select 1`;"],
    ],
    good: [
      [queries, "export function list(tx: Tx) { return tx`select 1`; }"],
      [queries, "call.asTenant((tx) => listBuildings(tx, call.query));"],
      [queries, "call.asTenant(async (tx) => { const [row] = await tx`select 1`; return row; });"],
      [queries, "call.asTenant(async (tx) => { for (const id of ids) await touch(tx, id); });"],
      [queries, "sql.begin(async (raw) => { const tx = raw as unknown as Sql; await tx`select 1`; });"],
      [queries, "const tax = 1; const total = tax; function f() { return tax; }"],
      ["src/db/scope.ts", "class A { take(tx: Tx) { this.tx = tx; } }"],
    ],
  },
  "no-template-sql-string": {
    bad: [
      [queries, "export const list = (tx: Tx, name: string) => tx(`select ${name}` as never);"],
      [queries, "const where = sql([text] as never);"],
    ],
    good: [
      [queries, "export const list = (tx: Tx, name: string) => tx`select ${name}`;"],
      [queries, "export const list = (tx: Tx) => tx<Row>`select 1`.map(one);"],
      [queries, "const where = join([sql`a`, sql`b`], sql` and `);"],
    ],
  },
};

for (const [rule, { bad, good }] of Object.entries(CASES)) {
  Deno.test(`bulkhead/${rule} finds each fault once and nothing else`, () => {
    for (const [path, source] of bad) {
      assert.deepEqual(found(path, source).filter((id) => id === rule), [rule], `${path}: ${source}`);
    }
    for (const [path, source] of good) assert.deepEqual(found(path, source), [], `${path}: ${source}`);
  });
}

Deno.test("the plugin names every rule that is tested, and no other", () => {
  assert.deepEqual(Object.keys(plugin.rules).sort(), Object.keys(CASES).sort());
});

Deno.test("every message says what to do instead", () => {
  for (const { bad } of Object.values(CASES)) {
    for (const [path, source] of bad) {
      for (const { message } of Deno.lint.runPlugin(plugin, path, source)) assert.match(message, /^[A-Z].{40,}[^.]$/);
    }
  }
});
