// Files: whatever an operation serves that is not JSON is asked for with the victim's ids, by every spelling of a path.
import { readOperations } from "../operations.ts";
import type { Fetch, Scratch } from "../scratch.ts";
import { memberToken } from "../site.ts";
import { type ChannelOptions, type ChannelResult, Findings, sharedSite, victimsValues } from "./check.ts";

const BASE = "http://localhost";

/** Downloads; `fetch` may be a spoiled app. */
export async function checkFiles(
  scratch: Scratch,
  _: ChannelOptions,
  over: { fetch?: Fetch } = {},
): Promise<ChannelResult> {
  const findings = new Findings("files and reports");
  const fetch = over.fetch ?? scratch.app();
  const site = sharedSite(scratch);
  const values = await victimsValues(site);
  const document = await (await fetch(new Request(`${BASE}/openapi.json`))).json();
  const about = readOperations(document).filter(({ method, path, inTenant }) =>
    inTenant && method === "GET" && /\{id\}\/?./.test(path)
  );
  const mine = await memberToken(scratch.services, site, site.attacker.id);
  const theirs = await memberToken(scratch.services, site, site.victim.id);
  for (const { path, query, id: operation } of about) {
    const table = site.tables.find(({ name }) => name === `tenant.${path.split("/")[2]}`);
    const row = table && await site.rows.row(table, site.victim.id);
    if (!row?.id) continue;
    const forms = query ? [query] : ["", "?format=csv", "?format=json", "?part=0"];
    for (
      const id of [row.id, row.id.toUpperCase(), `..%2f${row.id}`, `%2e%2e/${row.id}`, `${row.id}%00`, `${row.id}.csv`]
    ) {
      for (const form of forms) {
        const get = async (token: string) => {
          const headers = { authorization: `Bearer ${token}`, host: "localhost" };
          const answer = await fetch(new Request(BASE + path.replace("{id}", id) + form, { headers }));
          return { status: answer.status, text: await answer.text() };
        };
        if (id === row.id) await get(theirs); // so that whoever keeps answers has one to give
        const { status, text } = await get(mine);
        findings.expect(
          status >= 400 && status < 500,
          `${operation} with a foreign id (${id.replace(row.id, "…")}${form}) answered ${status}`,
        );
        if (values.some((value) => text.includes(value) && value !== row.id)) {
          findings.leak(`${operation}: a value of the victim's came back`);
        }
      }
    }
  }
  return findings.result();
}
