// expectNoLeak(): asks of one table or one route whether a tenant can see, change or guess anything of another there.
// The same questions as `deno task prove` asks of everything, for the length of one test.
import assert from "node:assert/strict";
import { testPlatform } from "./platform.ts";
import { routeLeaks } from "./route_leaks.ts";
import { tableLeaks } from "./table_leaks.ts";
import { freshTenant, type TestTenant } from "./tenant.ts";

/** What {@link expectNoLeak} may be told. */
export interface LeakOptions {
  /** Two tenants; default: two fresh ones in the shared database. */
  tenants?: readonly [TestTenant, TestTenant];
  /** Makes what the `{id}` of a route means, and gives its id. Default: a row of the table that the path is named for. */
  id?: (tenant: TestTenant) => Promise<string>;
}

/**
 * Asserts that nothing of one tenant reaches another.
 * @param subject A table ("parking_spaces", "tenant.parking_spaces") or a route, by its operation ("parking.get") or by
 * method and path ("GET /v1/parking/{id}").
 * @throws AssertionError that names each leak; Error when there is no such table or route.
 */
export async function expectNoLeak(subject: string, options: LeakOptions = {}): Promise<void> {
  const platform = await testPlatform();
  const tenants = options.tenants ?? [await freshTenant(), await freshTenant()];
  const find = isRoute(subject) ? routeLeaks : tableLeaks;
  const leaks: string[] = [];
  for (const [attacker, victim] of [tenants, [tenants[1], tenants[0]]]) {
    leaks.push(...await find({ platform, subject, attacker, victim, id: options.id }));
  }
  if (leaks.length === 0) return;
  throw new assert.AssertionError({ message: `"${subject}" leaks:\n${leaks.map((leak) => `  - ${leak}`).join("\n")}` });
}

function isRoute(subject: string): boolean {
  return /^[A-Z]+ \//.test(subject) || subject.includes(".") && !subject.startsWith("tenant.");
}
