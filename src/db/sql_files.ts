// Reads the SQL files and fills in the names of roles. The files use psql's variables, so that they can be read and run
// with psql too: `:"owner"` becomes a quoted identifier, `:'owner'` a quoted literal. Nothing else is substituted.
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";

/** One SQL file: its name without the folder, where it is, its text and the SHA-256 of the text, in hex. */
export interface SqlFile {
  name: string;
  path: string;
  text: string;
  sha256: string;
}

/** The planes that have migrations. */
export type Plane = "platform" | "tenant";

const ROOT = new URL("../../sql/", import.meta.url);

function readFolder(folder: string, pattern: RegExp): SqlFile[] {
  return readdirSync(new URL(folder, ROOT))
    .filter((name) => pattern.test(name))
    .sort()
    .map((name) => {
      const text = readFileSync(new URL(folder + name, ROOT), "utf8");
      return { name, path: `sql/${folder}${name}`, text, sha256: createHash("sha256").update(text).digest("hex") };
    });
}

/** The migrations of a plane, oldest first. */
export function migrationFiles(plane: Plane): SqlFile[] {
  return readFolder(`migrations/${plane}/`, /^\d{4}_[a-z0-9_]+\.sql$/);
}

/** The policy files whose names begin with one of `prefixes` ("10", "3"), in order. */
export function policyFiles(...prefixes: string[]): SqlFile[] {
  return readFolder("policies/", /^\d{2}_[a-z0-9_]+\.sql$/).filter((f) => prefixes.some((p) => f.name.startsWith(p)));
}

/** Quotes an identifier (PostgreSQL manual, 4.1.1). Throws on a NUL byte. */
export function quoteIdentifier(name: string): string {
  if (name.includes("\0") || name === "") throw new TypeError("Not an identifier");
  return `"${name.replaceAll('"', '""')}"`;
}

/** Quotes a string literal (PostgreSQL manual, 4.1.2.1). Throws on a NUL byte. */
export function quoteLiteral(value: string): string {
  if (value.includes("\0")) throw new TypeError("Not a literal");
  const quoted = `'${value.replaceAll("'", "''")}'`;
  return value.includes("\\") ? ` E${quoted.replaceAll("\\", "\\\\")}` : quoted;
}

/** Fills `:"name"` and `:'name'`. Throws when a file uses a variable that is not given. */
export function fill(file: Pick<SqlFile, "name" | "text">, variables: Record<string, string>): string {
  return file.text.replace(/(?<!:):(["'])([a-z_]+)\1/g, (_, quote: string, name: string) => {
    const value = variables[name];
    if (value === undefined) throw new Error(`"${file.name}" uses the variable "${name}", which has no value here`);
    return quote === '"' ? quoteIdentifier(value) : quoteLiteral(value);
  });
}

/**
 * Says in an error of the server's from which file it came, and from which line where the server told the place. What the
 * proof says (BH900) is about the database and stays as it is.
 */
export function located(error: unknown, file: SqlFile, text: string): unknown {
  if (!(error instanceof Error)) return error;
  const { code, position } = error as Error & { code?: string; position?: string };
  if (code === "BH900") return error;
  const line = position
    ? `, line ${[...text].slice(0, Number(position) - 1).filter((one) => one === "\n").length + 1}`
    : "";
  error.message = `${file.path}${line}: ${error.message}`;
  return error;
}
