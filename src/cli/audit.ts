// `audit verify`, `audit export`: the audit of one tenant from the command line, read as the platform in that tenant.
import type { TenantRecord } from "../tenancy/directory.ts";
import type { Services } from "../tenancy/services.ts";
import { exportChain, type ReadPiece, verifyChain } from "../tenant/audit/chain.ts";
import { findCheckpoint } from "../tenant/audit/checkpoints.ts";
import type { ExportFormat } from "../tenant/audit/model.ts";
import { readHead } from "../tenant/audit/offline.ts";
import { nextEntries } from "../tenant/audit/queries.ts";
import { type Place, withServices } from "./running.ts";

/** Follows the chain and tells whether it is sound. Exits with 1 when it is not. */
export async function verify(options: Place & { tenant: string; head?: string; json: boolean }): Promise<void> {
  const { tenant, head, json } = options;
  if (head !== undefined && !readHead(head)) throw new Error('Give "--head" as "<seq>:<hash>", as verify printed it');
  await withServices(options, async (services) => {
    const { id } = await named(services, tenant);
    const visit = { actor: "system", operation: "audit.verify", requestId: "", readOnly: true };
    const checkpoint = await services.doors.asPlatform(visit, (tx) => findCheckpoint(tx, id));
    const result = await verifyChain(await reader(services, tenant, "audit.verify"), { checkpoint, head });
    if (json) console.log(JSON.stringify({ tenant, ...result }, null, 2));
    else if (result.fault) console.log(`✘ ${result.fault.what}`);
    else {
      const end = result.head ? `; the chain ends with ${result.head.seq}:${result.head.hash}` : "";
      console.log(`✔ ${result.entries} entries of "${tenant}"${end}`);
    }
    if (!result.ok) Deno.exitCode = 1;
  });
}

/** Writes every entry to a file, or to the standard output. */
export async function exportAll(
  options: Place & { tenant: string; format: ExportFormat; out?: string },
): Promise<void> {
  await withServices(options, async (services) => {
    const texts = exportChain(await reader(services, options.tenant, "audit.export"), options.format, {});
    const encoder = new TextEncoder();
    if (options.out) {
      return await Deno.writeFile(options.out, ReadableStream.from(texts).pipeThrough(new TextEncoderStream()));
    }
    for await (const text of texts) {
      for (let left = encoder.encode(text); left.length > 0;) left = left.subarray(await Deno.stdout.write(left));
    }
  });
}

async function reader(services: Services, slug: string, operation: string): Promise<ReadPiece> {
  const tenant = await named(services, slug);
  return async (wanted) => {
    const context = await services.targets.context(tenant, { operation, requestId: "", readOnly: true });
    return await services.doors.asTenant(context, (tx) => nextEntries(tx, wanted));
  };
}

async function named(services: Services, slug: string): Promise<TenantRecord> {
  const tenant = await services.directory.bySlug(slug);
  if (!tenant) throw new Error(`There is no tenant "${slug}"`);
  return tenant;
}
