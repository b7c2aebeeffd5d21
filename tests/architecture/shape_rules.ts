// How files look: names, lengths, the few places where something sharp may be held, and the form of SQL files.
// Each rule takes the files and gives a sentence per fault.
import { UNSAFE } from "../../src/lint/no_unsafe.ts";
import { entryFor } from "../../src/lint/source.ts";
import { type Files, functionsOf, mask, typescript } from "./source.ts";

const MAX_LINES = 400;
const P95_LINES = 250;
const MAX_FUNCTION = 80;
const MAX_CONTENTS = 80;
const CONTENTS = ["src/app.ts", "src/routes.ts", "src/worker.ts"];
const FORBIDDEN_WORDS = ["utils", "util", "helpers", "helper", "common", "lib", "manager", "service"];

/** The entries, and the tests' kit, which has no entry: it looks for the test server. */
const READS_ENVIRONMENT = ["src/main.ts", "deploy.ts", "src/testing/cluster.ts"];

function lineCount(text: string): number {
  return text.replace(/\n$/, "").split("\n").length;
}

/** Names say what a thing is: snake_case, and none of the words that say nothing. */
export function names(files: Files): string[] {
  return [...files.keys()].flatMap((path) => {
    const faults: string[] = [];
    const words = path.toLowerCase().split(/[^a-z0-9]+/);
    const empty = words.find((word) => FORBIDDEN_WORDS.includes(word));
    if (empty) faults.push(`"${path}" has "${empty}" in its name: a thing without a better name is in the wrong place`);
    const snake = path.split("/").every((part) => /^[a-z0-9]+(_[a-z0-9]+)*(\.d)?(\.(ts|tsx|sql))?$/.test(part));
    if (!snake) faults.push(`"${path}" is not snake_case`);
    return faults;
  });
}

/** No file is long, and few are longer than most. */
export function fileLengths(files: Files): string[] {
  const lengths = [...files].map(([path, text]) => ({ path, lines: lineCount(text) }));
  const faults = lengths.filter(({ lines }) => lines > MAX_LINES)
    .map(({ path, lines }) => `"${path}" has ${lines} lines, more than ${MAX_LINES}`);
  const sorted = lengths.map(({ lines }) => lines).sort((a, b) => a - b);
  const p95 = sorted[Math.ceil(sorted.length * 0.95) - 1] ?? 0;
  if (p95 > P95_LINES) faults.push(`The 95th percentile of file lengths is ${p95} lines, more than ${P95_LINES}`);
  for (const { path, lines } of lengths) {
    if (CONTENTS.includes(path) && lines > MAX_CONTENTS) faults.push(`"${path}" has ${lines} lines: it only lists`);
  }
  return faults;
}

/** No function is long. */
export function functionLengths(files: Files): string[] {
  return typescript(files).flatMap(([path, text]) =>
    functionsOf(text).filter(({ lines }) => lines > MAX_FUNCTION)
      .map(({ line, lines }) => `"${path}", line ${line}: a function of ${lines} lines, more than ${MAX_FUNCTION}`)
  );
}

/** Only the entries read the environment; settings are handed down from there. */
export function environment(files: Files): string[] {
  return typescript(files).filter(([path, text]) =>
    !READS_ENVIRONMENT.includes(path) && /\bDeno\.env\b|\bprocess\.env\b/.test(mask(text))
  ).map(([path]) => `"${path}" reads the environment`);
}

/** Text goes to a database as it is only in files that are named here. */
export function unsafeStatements(files: Files): string[] {
  const using = typescript(files).filter(([, text]) => /\.unsafe\s*[(<]/.test(mask(text))).map(([path]) => path);
  const faults = using.filter((path) => !entryFor(path, UNSAFE)).map((path) => `"${path}" uses .unsafe`);
  const used = using.map((path) => entryFor(path, UNSAFE));
  const idle = Object.keys(UNSAFE).filter((path) => !used.includes(path));
  return [...faults, ...idle.map((path) => `"${path}" may use .unsafe but does not: take it off the list`)];
}

/** What is to be done is in the issues, not in the code. */
export function unfinished(files: Files): string[] {
  const word = new RegExp(`\\b(${["TO", "FIX"].map((head, i) => head + ["DO", "ME"][i]).join("|")})\\b`);
  return [...files].flatMap(([path, text]) =>
    text.split("\n").flatMap((line, i) => word.test(line) ? [`"${path}", line ${i + 1}: unfinished`] : [])
  );
}

/** Every file says what it is for before it says anything else. */
export function headers(files: Files): string[] {
  return [...files].filter(([path, text]) => !(path.endsWith(".sql") ? /^-- \S/ : /^(\/\/ \S|\/\*\*)/).test(text))
    .map(([path]) => `"${path}" does not open with a comment that says what it is for`);
}

/** Migrations are history, of shape only: rights are desired state and live in sql/policies. */
export function migrations(files: Files): string[] {
  return [...files].filter(([path]) => path.startsWith("sql/migrations/")).flatMap(([path, text]) => {
    const code = text.replace(/--[^\n]*/g, "").replace(/'(?:[^']|'')*'/g, "''");
    const found = /\b(grant|revoke|policy|row\s+level\s+security|security\s+definer)\b/i.exec(code);
    const faults = found ? [`"${path}" says "${found[1]}": rights are in sql/policies`] : [];
    if (!/^\d{4}_[a-z0-9_]+\.sql$/.test(path.split("/").at(-1)!)) faults.push(`"${path}" is not named NNNN_words.sql`);
    if (!/\block/i.test(header(text)) || !/\bundo/i.test(header(text))) {
      faults.push(`"${path}" does not open with why, what it locks and how it is undone`);
    }
    return faults;
  });
}

function header(text: string): string {
  return /^(--[^\n]*\n)+/.exec(text)?.[0] ?? "";
}
