// The project's files as text, and the little that the rules must understand of TypeScript: what is code and what is a
// string or a comment, what a file imports, how long its functions are. No parser: good enough, and it says so where not.
import { readdirSync, readFileSync } from "node:fs";
import { join, normalize, posix } from "node:path";

/** Files by path from the root, with forward slashes: `src/db/sql.ts` → text. */
export type Files = Map<string, string>;

/** One import of a file. */
export interface Import {
  /** As written: `../errors.ts`, `postgres`, `node:path`. */
  specifier: string;
  /** The project file it means, from the root; null for packages. */
  file: string | null;
  /** Whether only types are imported: nothing of it is there when the program runs. */
  typeOnly: boolean;
}

/** Reads the project's own files; what is generated or installed is not among them. */
export function readProject(root: URL): Files {
  const files: Files = new Map();
  const at = (path: string) => new URL(path, root);
  function walk(folder: string): void {
    for (const entry of readdirSync(at(folder), { withFileTypes: true })) {
      const path = posix.join(folder, entry.name);
      if (entry.isDirectory()) walk(path);
      else if (/\.(ts|tsx|sql)$/.test(entry.name)) files.set(path, readFileSync(at(path), "utf8"));
    }
  }
  for (const folder of ["src", "sql", "supabase", "tests"]) walk(folder);
  files.set("deploy.ts", readFileSync(at("deploy.ts"), "utf8"));
  return files;
}

/** The TypeScript files whose paths match. */
export function typescript(files: Files, where: RegExp = /^(src\/|deploy\.ts)/): [string, string][] {
  return [...files].filter(([path]) => /\.tsx?$/.test(path) && where.test(path));
}

/** Comments and the insides of strings and regular expressions, replaced by spaces; lines and positions stay. */
export function mask(text: string): string {
  const token =
    /\/\/[^\n]*|\/\*[\s\S]*?\*\/|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\[\s\S])*`|(?<=[(,=:[!&|?{;]\s*|return\s+)\/(?![/*])(?:[^/\\\n[]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/[a-z]*/g;
  return text.replace(token, (found) => {
    const quoted = /^["'`]/.test(found);
    const inside = quoted ? found.slice(1, -1) : found;
    const blank = inside.replace(/[^\n]/g, " ");
    return quoted ? found[0] + blank + found[0] : blank;
  });
}

/** What a file imports, re-exports, loads later or starts as a worker. */
export function importsOf(path: string, text: string): Import[] {
  const code = mask(text);
  const patterns: [RegExp, boolean][] = [
    [/\b(?:import|export)\b([^;"'`]*?)\bfrom\s*"( *)"/dg, true],
    [/\bimport()\s*"( *)"/dg, false],
    [/\bimport(?:\.meta\.resolve)?()\(\s*"( *)"/dg, false],
    [/\bnew URL()\(\s*"( *)"/dg, false],
  ];
  return patterns.flatMap(([pattern, named]) =>
    [...code.matchAll(pattern)].map((match) => {
      const [from, to] = match.indices![2]!;
      const specifier = text.slice(from, to);
      const relative = /^\.\.?\//.test(specifier);
      const file = relative ? normalize(join(posix.dirname(path), specifier)).replaceAll("\\", "/") : null;
      return { specifier, file, typeOnly: named && onlyTypes(match[1]) };
    })
  ).filter((found) => found.file === null || /\.tsx?$/.test(found.file));
}

/** `import type { A }`, or `import { type A, type B }`. */
function onlyTypes(clause: string): boolean {
  const names = clause.trim();
  if (/^type\b/.test(names)) return true;
  const list = /^\{([\s\S]*)\}$/.exec(names)?.[1].split(",").map((name) => name.trim()).filter(Boolean);
  return !!list?.length && list.every((name) => name.startsWith("type "));
}

/** A function's first line and its number of lines. */
export interface FunctionSpan {
  line: number;
  lines: number;
}

/** Functions, methods and arrow functions with a body in braces, found by matching braces. */
export function functionsOf(text: string): FunctionSpan[] {
  const code = mask(text);
  const spans: FunctionSpan[] = [];
  const open: { at: number; head: string }[] = [];
  let headFrom = 0;
  for (let i = 0; i < code.length; i++) {
    if (code[i] === "{") {
      open.push({ at: i, head: code.slice(headFrom, i) });
      headFrom = i + 1;
    } else if (code[i] === "}") {
      const block = open.pop();
      headFrom = i + 1;
      if (!block || !isFunctionHead(block.head)) continue;
      const line = code.slice(0, block.at).split("\n").length;
      spans.push({ line, lines: code.slice(0, i).split("\n").length - line + 1 });
    } else if (code[i] === ";") headFrom = i + 1;
  }
  return spans;
}

/** What stands between the last brace or semicolon and the block. After an object type as a return type it is empty. */
function isFunctionHead(head: string): boolean {
  if (/\b(class|interface|enum|namespace|type)\s+\w+[^()]*$/.test(head)) return false;
  if (/^\s*(else\b|(if|for|for await|while|switch|catch)\s*\()/.test(head)) return false;
  return /(\)|=>)\s*$/.test(head) || /\)\s*:[^=]*$/.test(head) || /^\s*>?\s*$/.test(head) && head.includes(">");
}
