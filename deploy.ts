// The edge entry: Deno Deploy runs this file, the Supabase function imports it. Set DATABASE_URL (host, port and database
// are taken from it), BULKHEAD_MASTER_KEY, PUBLIC_URL, SMTP_URL and TICK_SECRET. Roll the schema out before, from a
// machine: `deno task db deploy`. See docs/operations.md.
import { readConfig } from "./src/config.ts";
import { createEdge } from "./src/edge.ts";

const edge = createEdge(readConfig(Deno.env.toObject()));

if (typeof Deno.cron === "function") Deno.cron("queue tick", "* * * * *", () => edge.tick().then(() => {}));

if (import.meta.main) Deno.serve(edge.fetch);

export default { fetch: edge.fetch };
