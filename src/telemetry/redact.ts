// The one redactor: log lines, error reports and job output all pass it before they leave the process.
// It goes by the key's name and by the shape of what strings hold; in doubt it takes away too much.

/** What stands where something secret was. */
export const REDACTED = "[redacted]";

const SECRET_WORDS =
  "pass(?:word|wd|phrase)?|pwd|secret|token|(?:api|access|private)[_-]?key|credentials?|signature|dsn";
const SECRET_KEY = new RegExp(
  `${SECRET_WORDS}|authori[sz]ation|cookie|key$|^kek$|salt$|connection_?(?:string|url)|database_?url`,
  "i",
);
const QUOTED = String.raw`\\{1,3}"[^"]*(?:"|$)|"(?:[^"\\]|\\[^]?)*(?:"|$)|'[^']*(?:'|$)`;
const MAX_DEPTH = 8;
const MAX_ITEMS = 100;
const MAX_STRING = 64 * 1024;

const SHAPES: [RegExp, string][] = [
  [/-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]{0,40}-----|$)/g, REDACTED],
  // A URL with a password: up to the last @ before a space, because passwords are often not encoded.
  [/\b([a-z][a-z0-9+.-]{0,20}:\/\/[^\s:/@]{0,128}):\S{1,2048}@/gi, `$1:${REDACTED}@`],
  [/\b(bearer|basic)\s+[\w.~+/=-]{8,}/gi, `$1 ${REDACTED}`],
  [/\beyJ[\w-]{5,4096}(?:\.[\w-]*){1,4}/g, REDACTED],
  [/\bbhs1\.\d{1,6}\.[\w.-]+/g, REDACTED],
  [/\$argon2(?:id|i|d)\$[^\s"']+/g, REDACTED],
  [/SCRAM-SHA-256\$[^\s"']+/g, REDACTED],
  [/\bbh_(?:op|[0-9A-Za-z]{22})_[0-9A-Za-z]{20,}/g, REDACTED], // API keys, whole or nearly
  // Our own tokens: a prefix and 43 characters of base64url; and the usual ones of payment services.
  [/\b[a-z][a-z0-9_]{1,15}_[A-Za-z0-9_-]{43}(?![A-Za-z0-9_-])/g, REDACTED],
  [/\b(?:sk|rk|pk|whsec)_\w{16,}/g, REDACTED],
  // password=…, "token": "…", and the like inside text, also inside JSON inside JSON, also cut off.
  [
    new RegExp(`((?:${SECRET_WORDS})\\\\{0,3}["']?\\s{0,3}[=:]\\s{0,3})(?:${QUOTED}|[^\\s&,;"'{}]+)`, "gi"),
    `$1${REDACTED}`,
  ],
];

/** What each of the shapes needs at least: most texts are names and ids, and have none of it. */
const MAY_HOLD_SHAPE = /[\s:=$_]|eyJ|bhs1\./;

/** Takes the secrets out of a value of any kind; gives plain JSON-like data and never throws. */
export type Redactor = (value: unknown) => unknown;

/**
 * A redactor that also knows these very strings (the configured passwords and keys) wherever they turn up.
 * @param known Strings of fewer than 6 characters are left out, they would hide ordinary text.
 */
export function createRedactor(known: readonly string[] = []): Redactor {
  const exact = known.filter((secret) => secret.length >= 6).flatMap((secret) => [secret, encodeURIComponent(secret)]);
  // The longest first: a secret that contains another must not leave its ends behind.
  const secrets = [...new Set(exact)].sort((a, b) => b.length - a.length);
  return (value) => visit(value, secrets, 0, new Set());
}

/** {@link createRedactor} without known strings. */
export const redact: Redactor = createRedactor();

/** The string without the secrets that its shape gives away. */
export function redactText(text: string, secrets: readonly string[] = []): string {
  if (text.length > MAX_STRING) return `[${text.length} characters]`;
  let unknown = text;
  for (const secret of secrets) {
    if (secret.length <= unknown.length) unknown = unknown.replaceAll(secret, REDACTED);
  }
  if (!MAY_HOLD_SHAPE.test(unknown)) return unknown;
  return SHAPES.reduce((rest, [shape, replacement]) => rest.replace(shape, replacement), unknown);
}

function visit(value: unknown, secrets: readonly string[], depth: number, above: Set<object>): unknown {
  if (typeof value === "string") return redactText(value, secrets);
  if (typeof value === "bigint") return value.toString();
  if (typeof value === "function" || typeof value === "symbol") return `[${typeof value}]`;
  if (typeof value !== "object" || value === null) return value;
  if (above.has(value)) return "[circular]";
  if (depth >= MAX_DEPTH) return "[deep]";
  above.add(value);
  try {
    return visitObject(value, (inner) => visit(inner, secrets, depth + 1, above));
  } catch {
    return "[unreadable]";
  } finally {
    above.delete(value);
  }
}

function visitObject(value: object, inner: (value: unknown) => unknown): unknown {
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? "[invalid date]" : value.toISOString();
  if (value instanceof URL || value instanceof RegExp) return inner(String(value));
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return `[${value.byteLength} bytes]`;
  if (value instanceof Error) return visitError(value, inner);
  if (value instanceof Map) return visitEntries([...value], inner);
  if (value instanceof Headers) return visitEntries([...value], inner);
  if (value instanceof Set) return [...value].slice(0, MAX_ITEMS).map(inner);
  if (Array.isArray(value)) return value.slice(0, MAX_ITEMS).map(inner);
  return visitEntries(Object.entries(value), inner);
}

function visitEntries(entries: [unknown, unknown][], inner: (value: unknown) => unknown): Record<string, unknown> {
  const shown = entries.slice(0, MAX_ITEMS).map(([key, value]) => {
    const hide = namesSecret(String(key)) && value !== null && value !== undefined && typeof value !== "boolean";
    return [inner(String(key)), hide ? REDACTED : inner(value)];
  });
  return Object.fromEntries(shown);
}

/** What was found of names: the log's are the same few again and again. */
const named = new Map<string, boolean>();
const MAX_NAMED = 1_000;

function namesSecret(key: string): boolean {
  const known = named.get(key);
  if (known !== undefined) return known;
  const found = SECRET_KEY.test(key);
  if (named.size < MAX_NAMED) named.set(key, found);
  return found;
}

// Only these: a database error also carries the statement, its parameters and the row in question.
function visitError(error: Error, inner: (value: unknown) => unknown): Record<string, unknown> {
  const { name, message, stack, cause } = error;
  const code = "code" in error ? error.code : undefined;
  return { name: inner(name), message: inner(message), code: inner(code), stack: inner(stack), cause: inner(cause) };
}
