// Where each tenant's audit ended, noted on the platform every hour: out of reach of who owns the server that the audit is
// on, and could write a whole new chain there. A chain that does not contain the noted end is told as an alarm and never
// noted. Every statement on the platform names the tenant: its tables have no row-level security.
import type { Tx } from "../../db/sql.ts";
import type { TenantRecord } from "../../tenancy/directory.ts";
import { eachTenant } from "../../tenancy/each_tenant.ts";
import type { Services } from "../../tenancy/services.ts";
import type { Head } from "./offline.ts";
import { endOfChain } from "./queries.ts";

/** Seconds after which an end is noted anew. */
const NOTED_FOR = 3_600;

type Row = { seq: string | null; hash: string | null };

const headOf = ({ seq, hash }: Row): Head | null => seq === null ? null : { seq: Number(seq), hash: hash! };

/** The end of a tenant's chain that was noted last; null before the first. */
export function findCheckpoint(tx: Tx, tenantId: string) {
  return tx<Row>`select seq, encode(hash, 'hex') as hash from platform.audit_checkpoints where tenant_id = ${tenantId}`
    .map(([row]) => row ? headOf(row) : null);
}

/** Notes the ends of all active tenants' chains that were not looked at within `seconds`. */
export async function noteCheckpoints(services: Services, seconds = NOTED_FOR): Promise<void> {
  const context = { actor: "system", operation: "audit.checkpoints", requestId: "", readOnly: true };
  const due = await services.doors.asPlatform(context, (tx) =>
    tx<Row & { id: string }>`
      select t.id, c.seq, encode(c.hash, 'hex') as hash
      from platform.tenants t left join platform.audit_checkpoints c on c.tenant_id = t.id
      where t.status = 'active' and (c.noted_at is null or c.noted_at < now() - ${seconds} * interval '1 second')
      order by c.noted_at nulls first`);
  const known = new Map(due.map((row) => [row.id, headOf(row)]));
  await eachTenant(services, [...known.keys()], "Noting the end of the audit", async (tenant) => {
    await noteCheckpoint(services, tenant, known.get(tenant.id) ?? null);
  });
}

async function noteCheckpoint(services: Services, tenant: TenantRecord, known: Head | null): Promise<void> {
  const visit = { operation: "audit.checkpoints", requestId: "" };
  const reading = await services.targets.context(tenant, { ...visit, readOnly: true });
  const { head, earlier } = await services.doors.asTenant(reading, (tx) => endOfChain(tx, known?.seq ?? 0));
  if (known && (head === null || head.seq < known.seq || earlier !== known.hash)) {
    services.log.alarm("The audit of a tenant does not contain the end that was noted", {
      tenant: tenant.id,
      entry: known.seq,
    });
    return;
  }
  if (!head || head.seq === 0) return;
  // Of two processes the one that saw more is right.
  await services.doors.asPlatform(
    { ...visit, actor: "system", readOnly: false },
    (tx) =>
      tx`insert into platform.audit_checkpoints as c (tenant_id, seq, hash)
      values (${tenant.id}, ${head.seq}, decode(${head.hash}, 'hex'))
      on conflict (tenant_id) do update set seq = excluded.seq, hash = excluded.hash, noted_at = now()
      where c.seq <= excluded.seq`,
  );
}
