// The app over doors of its own: what goes over the wire is counted, and nothing else uses its connections.
import { createApp } from "../../app.ts";
import { createDoors, type Doors } from "../../db/doors.ts";
import { Pools } from "../../db/pools.ts";
import { platformHosts } from "../../services.ts";
import type { Services } from "../../tenancy/services.ts";

/** What something cost. */
export interface Cost {
  /** Round trips to databases. */
  trips: number;
  /** How often what a caller may do was read anew. */
  reloads: number;
  /** Password hashes. */
  hashes: number;
}

/** An app that counts. */
export interface Counted {
  doors: Doors;
  /** Sends a request and gives what it cost. Throws unless the status is 2xx. */
  cost(method: string, path: string, init: RequestInit): Promise<Cost>;
  /** What `work` costs. */
  costOf(work: () => Promise<unknown>): Promise<Cost>;
  end(): Promise<void>;
}

/** Makes one; `instead` takes the place of the process's own services. */
export function countedApp(services: Services, pools = countedPools(), instead: Partial<Services> = {}): Counted {
  const plain = createDoors(pools, services.servers.platform(), services.log);
  const counts = { reloads: 0, hashes: 0 };
  const doors: Doors = {
    asPlatform: (context, work) => plain.asPlatform(context, work),
    asTenant: (context, work) => {
      if (context.operation === "access.read") counts.reloads++;
      return plain.asTenant(context, work);
    },
  };
  const verify: Services["passwords"]["verify"] = (hash, password) => {
    counts.hashes++;
    return services.passwords.verify(hash, password);
  };
  const own = { ...services, doors, passwords: { ...services.passwords, verify }, ...instead };
  const app = createApp(own, platformHosts(services.config, services.publicUrl));
  const costOf = async (work: () => Promise<unknown>): Promise<Cost> => {
    const before = { ...counts, trips: pools.stats().roundTrips };
    await work();
    const { reloads, hashes } = counts;
    return {
      trips: pools.stats().roundTrips - before.trips,
      reloads: reloads - before.reloads,
      hashes: hashes - before.hashes,
    };
  };
  return {
    doors,
    costOf,
    cost: (method, path, init) =>
      costOf(async () => {
        const response = await app.request(services.publicUrl + path, { ...init, method });
        const text = await response.text();
        if (!response.ok) throw new Error(`${method} ${path} was answered ${response.status}: ${text.slice(0, 300)}`);
      }),
    end: () => pools.end(),
  };
}

/** Connections for a counted app. */
export function countedPools(): Pools {
  return new Pools({ maxConnections: 8, perPool: 2, idleMs: 60_000 });
}
