// A tenant with a row of every kind, for tests that need ids of rows that are there.
import assert from "node:assert/strict";
import type { TestApp, TestTenant } from "../support/app.ts";

/** A building that is accepted. */
export const BUILDING = { name: "House", address: "1 Front Street", city: "Toronto", country: "CA" };
/** A meter that is accepted, with a property. */
export const METER = { serial_number: "S", utility: "electricity", unit: "kWh", time_zone: "America/Toronto" };

/** Makes a row of every kind; gives their ids by the last part of their path ("buildings" → id). */
export async function furnish(app: TestApp, { admin: token }: TestTenant): Promise<Record<string, string>> {
  const make = async (path: string, body: unknown) => {
    const answer = await app.ask("POST", path, { token, body });
    assert.ok(answer.status === 201 || answer.status === 202, JSON.stringify(answer.body));
    return answer.body.id as string;
  };
  const buildings = await make("/v1/buildings", BUILDING);
  const properties = await make("/v1/properties", { building_id: buildings, label: "Flat" });
  const renters = await make("/v1/renters", { property_id: properties, first_name: "R", last_name: "R" });
  const meters = await make("/v1/meters", { ...METER, property_id: properties });
  const reports = await make("/v1/reports", { kind: "usage", month: "2011-12" });
  const members = await make("/v1/members", { first_name: "M", last_name: "M", email: `m${buildings}@members.test` });
  const { body } = await app.ask("GET", "/v1/jobs", { token });
  for (const { id } of body.items) await app.job(token, id); // what a job still writes would seem to be a test's doing
  return { buildings, properties, renters, meters, reports, members, jobs: body.items[0].id };
}
