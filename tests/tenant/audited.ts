// What the tests of the audit have in common: entries, what audit.verify says of them, and a chain that is forged whole.
import assert from "node:assert/strict";
import type { Sql } from "../../src/db/direct.ts";
import type { Verified } from "../../src/tenant/audit/model.ts";
import { type Entry, hashOf, type Head } from "../../src/tenant/audit/offline.ts";
import type { TestTenant } from "../../src/testing/mod.ts";

/** One entry more. */
export const addBuilding = (tenant: TestTenant, name: string) =>
  tenant.asTenant((tx) =>
    tx`insert into tenant.buildings (name, address, city, country) values (${name}, 'x', 'x', 'CA')`
  );

/** What audit.verify says of a chain that has entries, told an earlier `head` or not. */
export async function verified(tenant: TestTenant, head = ""): Promise<Verified & { head: Head }> {
  const response = await tenant.fetch(`/v1/audit/verify${head && `?head=${head}`}`);
  const body = await response.json();
  assert.equal(response.status, 200, JSON.stringify(body));
  return body;
}

/** The lines of an export. */
export const exported = async (tenant: TestTenant) =>
  (await (await tenant.fetch("/v1/audit/export")).text()).trimEnd().split("\n");

/** What who owns the server can do: an entry says something else, and every hash from there on is made to fit. */
export async function writeAnew(tenant: TestTenant, admin: Sql): Promise<void> {
  const entries: Entry[] = (await exported(tenant)).slice(0, -1).map((line) => {
    const { changes, ...rest } = JSON.parse(line);
    return { ...rest, changes: JSON.stringify(changes) };
  });
  let before = entries[0].prev_hash;
  for (const entry of entries) {
    if (entry.seq === 2) entry.actor = "member:forged";
    const [{ changes }] = await admin`select changes::text as changes from tenant.audit
      where tenant_id = ${tenant.id} and seq = ${entry.seq}`;
    Object.assign(entry, { changes, prev_hash: before });
    before = entry.hash = hashOf(entry);
    await admin`update tenant.audit set actor = ${entry.actor}, prev_hash = decode(${entry.prev_hash}, 'hex'),
      hash = decode(${entry.hash}, 'hex') where tenant_id = ${tenant.id} and seq = ${entry.seq}`;
  }
  await admin`update app.audit_heads set hash = decode(${before}, 'hex') where tenant_id = ${tenant.id}`;
}
