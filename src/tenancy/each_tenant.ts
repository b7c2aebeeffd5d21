// Work that is done for many tenants one by one, beside the requests: a few at once, and what fails for one keeps no other
// from it.
import type { TenantRecord } from "./directory.ts";
import type { Services } from "./services.ts";

/** How many tenants are looked into at once. */
const WIDTH = 4;

/** Runs `work` for each tenant that is still there; `what` says in the log what failed. */
export async function eachTenant(
  services: Services,
  ids: readonly string[],
  what: string,
  work: (tenant: TenantRecord) => Promise<void>,
): Promise<void> {
  const waiting = [...ids].reverse();
  const lane = async () => {
    for (let id = waiting.pop(); id; id = waiting.pop()) {
      try {
        const tenant = await services.directory.byId(id);
        if (tenant) await work(tenant);
      } catch (error) {
        services.log.warn(`${what} failed for a tenant`, { tenant: id, reason: String(error) });
      }
    }
  };
  await Promise.all(Array.from({ length: WIDTH }, lane));
}
