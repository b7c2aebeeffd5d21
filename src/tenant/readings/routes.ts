// The API of readings: lists, and the import of meter files.
import { AppError } from "../../errors.ts";
import { pageOf, toPage } from "../../http/paging.ts";
import { route } from "../../http/route.ts";
import { Slots } from "../../http/slots.ts";
import { byId } from "../fields.ts";
import { getMeter } from "../meters/queries.ts";
import { importReadings } from "./import.ts";
import { importQuery, importResult, reading, readingQuery } from "./model.ts";
import { listReadings } from "./queries.ts";
import { readUpload } from "./upload.ts";

const tag = "Readings";

/** A gigabyte of readings at 20,000 a second takes about half an hour. */
const IMPORT_DEADLINE_MS = 45 * 60_000;

/** Imports of one tenant at once, in this process; all tenants of a database together may use half of its connections. */
const IMPORTS_PER_TENANT = 2;
const imports = new Slots();

export const list = route({
  operation: "readings.list",
  method: "get",
  path: "/v1/meters/{id}/readings",
  summary: "List the readings of a meter",
  tag,
  can: "readings.view",
  params: byId,
  query: readingQuery,
  answer: pageOf(reading),
  handler: async (call) => {
    const { id } = call.params;
    const rows = await call.asTenant((tx) => listReadings(tx, id, call.query));
    if (rows.length === 0) await call.asTenant((tx) => getMeter(tx, id));
    return toPage(rows, call.query, (row) => [row.ends_at, row.ends_at]);
  },
});

const importDescription = `
Streams a CSV file (RFC 4180, UTF-8, up to 1 GiB) into the readings of a meter. The file is the body; the query parameter
\`mapping\` says, as JSON, which column holds what:

- \`timestamp\`: \`column\`, \`format\` (tokens YYYY MM M DD D HH H hh h A mm ss Z, for example \`MM/DD/YYYY HH:mm:ss\` or
  \`YYYY-MM-DDTHH:mm:ssZ\`), \`zone\` (IANA; default: the meter's; not used where the format has Z), \`marks\`
  (\`interval_end\`, the default, or \`interval_start\`, which needs \`interval\`: minutes or \`"day"\`), \`midnight\`
  (\`start_of_day\`, the default, or \`end_of_day\` where 00:00:00 stands for the 24th hour of the day that it names).
- \`value\`: \`column\` and \`decimal\` (\`.\` or \`,\`). Values are exact, not negative, with up to four decimals.
- \`zones\`: zone → its column of 0 and 1; or \`zone\`: \`{ column, map }\` for one column that names the zone,
  \`{ always }\` for a tariff with one zone; or neither.
- \`delimiter\` (\`,\` \`;\` tab \`|\`), \`header\` (default true; without one, columns are numbers from 1), \`skip_lines\`.

Everything is one transaction: a mapping that does not fit the file (422, with the columns that there are) or an upload
that breaks off stores nothing. A line that is broken is rejected with its number and reason and does not stop the rest.
The same file twice changes nothing. A line that differs from a stored reading is rejected, or with
\`on_conflict=replace\` stored in its place.

Times are local. A time that the clocks skip in spring is rejected. A time that comes twice in autumn is the first of the
two where the file writes it first, and the second where it writes it again (the other way round in a file that runs
backwards). \`billing_day\` is the local day that an interval belongs to; the hour that ends at midnight belongs to the day
that it ends.

With curl: \`curl --url-query 'mapping={…}' --data-binary @file.csv -H 'content-type: text/csv' …\``.trim();

export const upload = route({
  operation: "readings.import",
  method: "post",
  path: "/v1/meters/{id}/readings/import",
  summary: "Import a CSV file of readings",
  description: importDescription,
  tag,
  can: "readings.import",
  params: byId,
  query: importQuery,
  stream: ["text/csv", "application/octet-stream"],
  answer: importResult,
  handler: (call) => {
    if ((call.request.headers.get("content-encoding") ?? "identity") !== "identity") {
      throw new AppError("unsupported_media_type", "Send the file without a content encoding");
    }
    const source = readUpload(call.request.body, { delimiter: call.query.mapping.delimiter });
    const request = { ...call.query, meterId: call.params.id, memberId: call.memberId };
    const { id, placement } = call.tenant;
    const half = Math.ceil(call.services.config.POOL_PER_DATABASE / 2);
    return imports.within(
      { [id]: IMPORTS_PER_TENANT, [placement.id]: half },
      () => call.asTenant((tx) => importReadings(tx, request, source), { deadlineMs: IMPORT_DEADLINE_MS }),
    );
  },
});

export const routes = [list, upload];
