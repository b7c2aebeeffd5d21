// Visits to one table under a context: those that must open nothing, and the tenant's own, in which every granted verb
// does its work.
import assert from "node:assert/strict";
import type { Sql } from "../../src/db/direct.ts";
import { signContext } from "../../src/tenancy/context.ts";
import { attempt, type Claim, NOBODY, type Place, proven, under } from "../support/placement.ts";
import type { Table } from "../../src/prove/catalogue.ts";
import { columnsOfLogin, insertion, type Row } from "../../src/prove/rows.ts";
import { sameRow, type Scene } from "./stage.ts";

/** What is tried on every table. */
export const VERBS = ["select", "insert", "update", "delete"] as const;
type Verb = typeof VERBS[number];

/** Refused rights and refused contexts, a closed tenant. */
const REFUSED = ["42501", "BH001"];

/** Contexts that must not open the tenant, by what is wrong with them. */
export function wrongClaims({ place, other }: Scene, elsewhere: Place): Record<string, Claim> {
  const { id } = place.tenant;
  const good = proven(place).proof;
  const signed = (signer = place.signer, pid = 0, now?: number) => ({
    tenantId: id,
    proof: signContext(signer, id, null, pid, now),
  });
  return {
    "no tenant": NOBODY,
    "no proof": { tenantId: id, proof: "" },
    "another tenant, proven here": proven(place, other.tenant.id),
    "another tenant's proof": { tenantId: id, proof: proven(place, other.tenant.id).proof },
    "a forged proof": { tenantId: id, proof: good.slice(0, -1) + (good.endsWith("0") ? "1" : "0") },
    "a made-up proof": { tenantId: id, proof: `v1.1.-.0.9999999999.${"0".repeat(64)}` },
    "an expired proof": signed(place.signer, 0, Date.now() - 120_000),
    "a proof that is good for too long": signed(place.signer, 0, Date.now() + 600_000),
    "another placement's key": signed(elsewhere.signer),
    "a key that is not there": signed({ ...place.signer, keyId: 2 }),
    "another backend": signed(place.signer, place.pid + 1),
    "a proof of another user's": { tenantId: id, proof: good.replace(".-.", `.${id}.`) },
    "a claim that is no uuid": { tenantId: `${id}'`, proof: good },
    "a proof that is no proof": { tenantId: id, proof: "x".repeat(10_000) },
  };
}

/** A statement of this kind against one row, which gives the row back. */
export function onRow(table: Table, verb: Verb, row: Row, insert: string): string {
  const name = writable(table);
  switch (verb) {
    case "select":
      return `select tenant_id from ${table.name}`;
    case "insert":
      return insert;
    case "update":
      return `update ${table.name} set "${name}" = "${name}" where ${sameRow(table, row)} returning tenant_id`;
    case "delete":
      return `delete from ${table.name} where ${sameRow(table, row)} returning tenant_id`;
  }
}

/** A statement of this kind against whatever is there. It reads nothing, so that only the guard of its verb holds it. */
function onAnything(table: Table, verb: Verb, insert: string): string {
  switch (verb) {
    case "select":
      return `select 1 from ${table.name}`;
    case "insert":
      return insert.replace(/ returning .*$/s, "");
    case "update":
      return `update ${table.name} set "${writable(table)}" = default`;
    case "delete":
      return `delete from ${table.name}`;
  }
}

function writable(table: Table): string {
  return table.columns.find(({ mayUpdate }) => mayUpdate)?.name ?? "tenant_id";
}

/** An insert that is valid for the tenant: what is refused of it is refused for the context alone. */
export async function validInsert({ place, rows }: Scene, table: Table): Promise<string> {
  let made = "";
  const run = (tx: Sql) => async (text: string) => {
    const { value, error } = await attempt(tx, (inner) => inner.unsafe(text));
    if (error) throw error;
    made = text;
    return value![0] as unknown as Row;
  };
  await under(place, proven(place), (tx) => rows.make(table, place.tenant.id, columnsOfLogin(table), run(tx)));
  return made;
}

/** Tries all verbs under a claim that must not open the tenant; gives the number of attempts. */
export async function tryAll(scene: Scene, table: Table, claim: Claim, insert: string | null): Promise<number> {
  const { place, other, rows } = scene;
  const row = await rows.row(table, place.tenant.id);
  const given = insert ?? insertion(table, columnsOfLogin(table), []);
  // Another tenant, proven, may have rows of its own: they are not this one's.
  const elsewhere = claim.tenantId === other.tenant.id;
  for (const verb of VERBS) {
    const text = elsewhere ? onRow(table, verb, row, given) : onAnything(table, verb, given);
    const { value, error } = await under(place, claim, (tx) => attempt(tx, (inner) => inner.unsafe(text)));
    if (error) {
      // Another tenant's insert fails at its parents, which are not this tenant's; a claim must be a uuid to be a default.
      const ofDefault = verb === "insert" && claim.tenantId !== place.tenant.id ? ["23503", "22P02"] : [];
      // Where a tenant has one row, there is no place for a second.
      if (verb === "insert" && !table.may.insert) ofDefault.push("23505");
      assert.ok([...REFUSED, ...ofDefault].includes(error.code), `${verb}: ${error.code} ${error.message}`);
    } else {
      const seen = elsewhere ? value!.filter((found) => found.tenant_id === place.tenant.id).length : value!.count;
      assert.equal(seen, 0, `${verb} saw or changed rows`);
    }
  }
  return VERBS.length;
}

/** The tenant's own visit: each verb that is granted does its work, each other one is refused. */
export async function tryOwn({ place, rows }: Scene, table: Table, claim: Claim): Promise<number> {
  const { id } = place.tenant;
  await under(place, claim, async (tx) => {
    const known = await rows.row(table, id);
    const seen = await tx.unsafe(`select tenant_id from ${table.name}`);
    assert.ok(
      seen.length > 0 && seen.every((row) => row.tenant_id === id),
      "select did not show the tenant's rows alone",
    );
    const run = async (text: string) => {
      const { value, error } = await attempt(tx, (inner) => inner.unsafe(text));
      if (error) throw error;
      return value![0] as unknown as Row;
    };
    const columns = columnsOfLogin(table);
    const fresh = table.may.insert ? await rows.make(table, id, columns, run) : known;
    assert.equal(fresh.tenant_id, id, "insert did not give the row to the tenant");
    for (const verb of VERBS) {
      if (verb === "select" || verb === "insert" && table.may.insert) continue;
      const text = onRow(table, verb, fresh, insertion(table, columns, columns.map(() => null)));
      const { value, error } = await attempt(tx, (inner) => inner.unsafe(text));
      if (!table.may[verb]) {
        // Where a tenant has one row there is no place for a second.
        const refusals = verb === "insert" ? ["42501", "23505"] : ["42501"];
        assert.ok(refusals.includes(error?.code ?? ""), `${verb} is not granted but was not refused`);
      } // A row that others refer to may not be deleted, but the wall let the statement through.
      else if (!(verb === "delete" && error?.code === "23503")) {
        assert.equal(value?.length, 1, `${verb}: ${error?.message}`);
      }
    }
  });
  return VERBS.length;
}
