// The program: `deno task dev | demo | reset | db | keys | audit | prove | bench`. The only file besides deploy.ts that reads the environment.
import { Command, Option } from "commander";
import * as audit from "./cli/audit.ts";
import { bench } from "./cli/bench.ts";
import { deploy, newMigration, status } from "./cli/db.ts";
import { demo } from "./cli/demo.ts";
import { dev } from "./cli/dev.ts";
import * as contextKeys from "./cli/keys.ts";
import { prove } from "./cli/prove.ts";
import { endWithError } from "./cli/reason.ts";
import { reset } from "./cli/reset.ts";
import { start } from "./cli/start.ts";
import { readConfig } from "./config.ts";

const program = new Command("bulkhead")
  .description("Multi-tenant SaaS foundation on PostgreSQL row-level security")
  .showHelpAfterError()
  .addOption(new Option("--home <folder>", "folder of the local installation").default(".bulkhead"));

const dir = () => program.opts<{ home: string }>().home;
const config = (quiet = false) => readConfig({ ...(quiet && { LOG_LEVEL: "silent" }), ...Deno.env.toObject() });

program.command("dev").description("serve the platform here until Ctrl-C")
  .action(() => dev({ config: config(), dir: dir() }));

program.command("demo").description("tell the whole story on real input, then serve until Ctrl-C")
  .option("--once", "end after the story", false)
  .option("--json", "print the results as one JSON document", false)
  .action((options) => demo({ config: config(true), dir: dir(), ...options }));

program.command("start").description("serve on the configured server: API and worker, nothing embedded")
  .option("--no-worker", "serve the API only")
  .action((options) => start({ config: config(), ...options }));

program.command("reset").description("remove the local installation with all its data")
  .option("-y, --yes", "do not ask", false)
  .action((options) => reset({ dir: dir(), ...options }));

const db = program.command("db").description("the schema: roll out, show, add a migration");
db.command("deploy").description("roll out roles, migrations, queue, policies; then prove them")
  .option("--json", "print the report as JSON", false)
  .action((options) => deploy({ config: config(true), dir: dir(), ...options }));
db.command("status").description("show which migrations are applied")
  .option("--json", "print them as JSON", false)
  .action((options) => status({ config: config(true), dir: dir(), ...options }));
db.command("new").description("add an empty migration")
  .addArgument(program.createArgument("<plane>").choices(["platform", "tenant"]))
  .argument("<name>", "words joined by _")
  .action((plane, name) => void newMigration(plane, name));

const keys = program.command("keys").description("the keys that sign tenant contexts: show, rotate");
keys.command("list").description("show which keys each placement accepts")
  .option("--json", "print them as JSON", false)
  .action((options) => contextKeys.list({ config: config(true), dir: dir(), ...options }));
keys.command("rotate").description("sign with a new key; the old one is accepted for an hour more")
  .option("--placement <id>", "rotate this one")
  .option("--all", "rotate every placement's", false)
  .option("--now", "retire the old key at once: what it signed fails", false)
  .option("--json", "print the results as JSON", false)
  .action((options) => contextKeys.rotate({ config: config(true), dir: dir(), ...options }));

const audits = program.command("audit").description("a tenant's audit: verify, export");
audits.command("verify").description("follow the chain: nothing was changed, removed or put in")
  .requiredOption("--tenant <slug>", "whose")
  .option("--head <seq:hash>", "an earlier end of the chain, which must still be in it")
  .option("--json", "print the result as JSON", false)
  .action((options) => audit.verify({ config: config(true), dir: dir(), ...options }));
audits.command("export").description("write every entry as JSON lines or CSV")
  .requiredOption("--tenant <slug>", "whose")
  .addOption(new Option("--format <format>", "as what").choices(["jsonl", "csv"]).default("jsonl"))
  .option("--out <file>", "where to; by default the standard output")
  .action((options) => audit.exportAll({ config: config(true), dir: dir(), ...options }));

program.command("prove").description(
  "prove that no tenant can reach another one: rights, attacks, a random run, routes, jobs",
)
  .option(
    "--url <postgres url>",
    "prove this database of a deployment instead of a scratch deployment",
    (url, given: string[] | undefined) => [...given ?? [], url],
  )
  .option("--postgres <folder>", "run the scratch servers with these PostgreSQL programs, 15 or later")
  .option("--quick", "look at less: seconds instead of minutes", false)
  .option("--operations <number>", "random operations (100000, with --quick 2000)")
  .option("--seed <number>", "repeat a random run")
  .option("--mutants", "plant every known fault and show what finds it", false)
  .option("--json", "print the report as JSON", false)
  .option("--html <file>", "write the report as one page")
  .addHelpText(
    "after",
    `
One database of a deployment at a time, the shared one first. Nothing is left in it:
  prove --url 'postgres://postgres:…@db.example.com:5432/bulkhead_shared?sslmode=require'
The attacks need a superuser's login; with any other the rights are proven, and the report says what was not tried
("passed" is null in its JSON). The exit code is 1 when anything was found.

Another version of PostgreSQL than the embedded one:
  prove --postgres /usr/lib/postgresql/15/bin`,
  )
  .action((options) => prove({ config: config(true), ...options }));

program.command("bench").description("measure, with goals")
  .argument("[suite]", "which measurements", "main")
  .option("--json", "print the numbers as JSON", false)
  .action((suite, options) => bench({ config: config(true), suite, ...options }));

try {
  await program.parseAsync(Deno.args, { from: "user" });
} catch (error) {
  await endWithError(error, { whole: Deno.env.get("LOG_LEVEL") === "debug" });
}
