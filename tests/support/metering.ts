// What tests of the sample domain need: a metered property, the sample file and its mapping, an import over HTTP.
import assert from "node:assert/strict";
import type { Answer, TestApp } from "./app.ts";

/** The tariff that the sample is billed by, as the platform publishes it. */
export const SAMPLE_TARIFF = "01890a5d-ac96-774b-bcce-b302099a8058";

export const SAMPLE_MAPPING = {
  timestamp: { column: "DateTime", format: "MM/DD/YYYY HH:mm:ss", midnight: "end_of_day" },
  value: { column: "Consumption kWh" },
  zones: { off_peak: "Off-peak", mid_peak: "Mid-peak", on_peak: "On-peak" },
};

/** The sample file. */
export function sampleFile(): Promise<string> {
  return Deno.readTextFile(new URL("../../sample/electricity-usage.csv", import.meta.url));
}

/** Creates something and gives it. */
// deno-lint-ignore no-explicit-any -- answers have every shape
export async function made(app: TestApp, token: string, path: string, body: unknown): Promise<any> {
  const answer = await app.ask("POST", path, { token, body });
  assert.ok(answer.status === 201 || answer.status === 202, JSON.stringify(answer.body));
  return answer.body;
}

/** A building with one property. */
export async function madeProperty(app: TestApp, token: string): Promise<{ id: string; building_id: string }> {
  const name = `Building ${crypto.randomUUID().slice(0, 8)}`;
  const building = await made(app, token, "/v1/buildings", {
    name,
    address: "1 King St",
    city: "Toronto",
    country: "CA",
  });
  return await made(app, token, "/v1/properties", { building_id: building.id, label: "Flat 1" });
}

/** A meter in a property of its own. */
export async function madeMeter(
  app: TestApp,
  token: string,
  fields: Record<string, unknown> = {},
): Promise<{ id: string; property_id: string; serial_number: string }> {
  return await made(app, token, "/v1/meters", {
    property_id: fields.property_id ?? (await madeProperty(app, token)).id,
    serial_number: `M-${crypto.randomUUID().slice(0, 8)}`,
    utility: "electricity",
    unit: "kWh",
    time_zone: "America/Toronto",
    tariff_id: SAMPLE_TARIFF,
    ...fields,
  });
}

/** Imports a file. */
export function importFile(
  app: Pick<TestApp, "ask">,
  token: string,
  meterId: string,
  raw: BodyInit,
  options: { mapping?: unknown; query?: string; headers?: Record<string, string> } = {},
): Promise<Answer> {
  const mapping = encodeURIComponent(JSON.stringify(options.mapping ?? SAMPLE_MAPPING));
  return app.ask("POST", `/v1/meters/${meterId}/readings/import?mapping=${mapping}${options.query ?? ""}`, {
    token,
    raw,
    headers: { "content-type": "text/csv", ...options.headers },
  });
}

/** Bills a month and gives the job's result. */
export async function billed(app: TestApp, token: string, body: { month: string; meter_id?: string }) {
  const { job_id } = await made(app, token, "/v1/invoices/run", body);
  const job = await app.job(token, job_id);
  assert.equal(job.status, "succeeded", JSON.stringify(job));
  return job.result;
}
