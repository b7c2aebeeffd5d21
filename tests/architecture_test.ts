// The shape of the project, held by tests: which way imports go, what may be used where, names and lengths. Every rule is
// shown to catch its fault first, on made-up files; then the real ones must have none.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import {
  blackBox,
  handedOver,
  importCycles,
  importDirection,
  packages,
  pastTheDoors,
} from "./architecture/import_rules.ts";
import {
  environment,
  fileLengths,
  functionLengths,
  headers,
  migrations,
  names,
  unfinished,
  unsafeStatements,
} from "./architecture/shape_rules.ts";
import { type Files, functionsOf, importsOf, readProject } from "./architecture/source.ts";

const root = new URL("../", import.meta.url);
const project = readProject(root);
const listed = new Set(Object.keys(JSON.parse(readFileSync(new URL("deno.json", root), "utf8")).imports));

type Rule = (files: Files) => string[];

/** The rule finds nothing in the project, and something in a project with this fault. */
function holds(name: string, rule: Rule, plants: Record<string, Record<string, string>>): void {
  Deno.test(`${name}, and each planted fault is caught`, () => {
    for (const [fault, files] of Object.entries(plants)) {
      const planted = new Map([...project, ...Object.entries(files)]);
      const found = rule(planted).filter((sentence) => !rule(project).includes(sentence));
      assert.ok(found.length > 0, `nothing was found: ${fault}`);
    }
    assert.deepEqual(rule(project), []);
  });
}

const one = (path: string, text: string) => ({ [path]: text });
const imports = (path: string, specifier: string) => one(path, `import { x } from "${specifier}";\n`);

holds("importDirection() lets imports go inward only", importDirection, {
  "the database knows a module": imports("src/db/new.ts", "../platform/tenants/queries.ts"),
  "the database knows a module's type": one("src/db/new.ts", 'import type { x } from "../http/route.ts";'),
  "errors know the configuration": imports("src/errors.ts", "./config.ts"),
  "platform knows tenant": imports("src/platform/new/routes.ts", "../../tenant/fields.ts"),
  "tenant knows platform": imports("src/tenant/new/routes.ts", "../../platform/tenants/model.ts"),
  "tenant knows a type of platform": one("src/tenant/new.ts", 'import type { A } from "../platform/tenants/model.ts";'),
  "a module knows the app": one("src/tenant/new/routes.ts", 'export * from "../../app.ts";'),
  "a module is loaded later": one("src/http/new.ts", 'const x = await import("../platform/tenants/model.ts");'),
  "a worker is started": one("src/db/new.ts", 'new Worker(new URL("../queue/queue.ts", import.meta.url));'),
  "what runs knows the kit for tests": imports("src/tenant/new.ts", "../testing/mod.ts"),
  "an entry knows the kit for tests": imports("src/main.ts", "./testing/mod.ts"),
  "a new folder belongs nowhere": one("src/extra/new.ts", "export {};"),
});

holds("importCycles() lets no file import itself by way of others", importCycles, {
  "two files": {
    ...imports("src/tenant/a/x.ts", "../b/y.ts"),
    ...imports("src/tenant/b/y.ts", "../a/x.ts"),
  },
});

holds("handedOver() has integrations known by their types and embedded servers by local programs", handedOver, {
  "a module makes an adapter": imports("src/tenant/new.ts", "../integrations/mail/smtp.ts"),
  "an adapter knows the database": imports("src/integrations/mail/new.ts", "../../db/sql.ts"),
  "a module starts a server": imports("src/platform/new.ts", "../embedded/cluster.ts"),
  "an embedded server knows the configuration": imports("src/embedded/new.ts", "../config.ts"),
});

holds("packages() keeps each driver in its part", (files) => packages(files, listed), {
  "the driver in a module": imports("src/tenant/new.ts", "postgres"),
  "the driver's types in a module": one("src/http/new.ts", 'import type { Sql } from "postgres";'),
  "the queue's library in a module": imports("src/platform/new.ts", "pg-boss"),
  "tokens outside identity": imports("src/http/new.ts", "jose"),
  "a provider for tests": imports("src/integrations/new.ts", "oidc-provider"),
  "a package from elsewhere": imports("src/http/new.ts", "npm:left-pad@1"),
  "the kit for tests, by its name": imports("src/tenant/new.ts", "bulkhead/testing"),
  "a file from the network": imports("src/http/new.ts", "https://deno.land/x/a.ts"),
});

holds("pastTheDoors() keeps raw connections in named files", pastTheDoors, {
  "a module connects by itself": imports("src/tenant/new/queries.ts", "../../db/direct.ts"),
  "a module takes a pool": imports("src/http/new.ts", "../db/pool.ts"),
});

holds("blackBox() keeps src out of the acceptance tests", blackBox, {
  "an acceptance test looks inside": imports("tests/acceptance/new_test.ts", "../../src/errors.ts"),
});

holds("names() lets every path say what is in it", names, {
  "utils": one("src/utils/text.ts", ""),
  "a word within a name": one("src/db/connection_manager.ts", ""),
  "a service": one("src/tenant/mail.service.ts", ""),
  "camelCase": one("src/db/sqlState.ts", ""),
  "a hyphen": one("src/db/sql-state.ts", ""),
});

holds("fileLengths() keeps files short and tables of contents shorter", fileLengths, {
  "one long file": one("src/db/new.ts", "// x\n".repeat(401)),
  "many files that are a little long": Object.fromEntries(
    Array.from({ length: 60 }, (_, i) => [`src/db/new_${i}.ts`, "// x\n".repeat(251)]),
  ),
  "app.ts does more than list": one("src/app.ts", "// x\n".repeat(81)),
});

holds("functionLengths() keeps functions short", functionLengths, {
  "a function": one("src/db/new.ts", `function long(a: string): Promise<{ b: string }> {\n${"  a;\n".repeat(80)}}\n`),
  "an arrow": one("src/db/new.ts", `const long = async (a) => {\n${"  a;\n".repeat(80)}};\n`),
  "a method": one("src/db/new.ts", `class A {\n  run(a = "}"): void {\n${"    a;\n".repeat(80)}  }\n}\n`),
});

holds("environment() is read by the entries only", environment, {
  "a module": one("src/http/new.ts", 'const x = Deno.env.get("X");'),
  "the other way": one("src/http/new.ts", "const { X } = process.env;"),
});

holds("unsafeStatements() are in named files only", unsafeStatements, {
  "a module": one("src/tenant/new.ts", "await tx.unsafe(`select ${name}`);"),
  "a name that is not needed any more": one("src/db/migrate.ts", "export {};"),
});

holds("unfinished() work is in the issues, not in the code", unfinished, {
  "a note in code": one("src/db/new.ts", `// ${"TO"}DO: later`),
  "a note in SQL": one("sql/policies/99_new.sql", `-- ${"FIX"}ME`),
});

holds("headers() open every file with what it is for", headers, {
  "SQL": one("sql/policies/99_new.sql", "select 1;"),
  "TypeScript": one("src/db/new.ts", "export {};"),
});

holds("migrations() are shape only", migrations, {
  "a grant": one("sql/migrations/tenant/0009_new.sql", "-- Locks. Undo.\ngrant select on tenant.a to public;"),
  "a policy": one("sql/migrations/tenant/0009_new.sql", "-- Locks. Undo.\ncreate policy p on tenant.a using (true);"),
  "its header is missing": one("sql/migrations/tenant/0009_new.sql", "create table tenant.a ();"),
  "its name has no number": one("sql/migrations/tenant/new.sql", "-- Locks. Undo."),
});

Deno.test("importsOf() sees every way to import and tells types apart", () => {
  const text = `import type { A } from "./a.ts";
    import { type B, type C } from "./b.ts"; import D, { type E } from "./d.ts";
    // import "./no.ts"
    const text = 'import "./no.ts"'; import "./f.ts"; await import("./g.ts");`;
  const found = importsOf("src/x/y.ts", text).map(({ file, typeOnly }) => `${file}${typeOnly ? " (types)" : ""}`);
  assert.deepEqual(found, ["src/x/a.ts (types)", "src/x/b.ts (types)", "src/x/d.ts", "src/x/f.ts", "src/x/g.ts"]);
});

Deno.test("functionsOf() measures functions and nothing else", () => {
  const text = [
    "class A {",
    "  b() {",
    "    if (x) return `${'{'}`; // }",
    "  }",
    "}",
    "const c = {",
    "  d: (e: string): Promise<{ f: 1 }> => {",
    "    return /[/{]/.test(e);",
    "  },",
    "};",
  ];
  const found = functionsOf(text.join("\n")).filter(({ lines }) => lines > 1);
  assert.deepEqual(found, [{ line: 2, lines: 3 }, { line: 7, lines: 3 }]);
});
