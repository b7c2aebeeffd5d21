// The log: one JSON object per line on standard error, every line through the redactor. It never throws: a line that
// cannot be written must not fail the work that it tells of. `alarm` is for what must never happen, such as a refusal
// by row-level security; it is written at every level.

import { Buffer } from "node:buffer";
import { setImmediate } from "node:timers";
import { createRedactor } from "./redact.ts";

/** The levels, from talkative to silent. */
export const LEVELS = ["debug", "info", "warn", "error"] as const;

/** From which importance on lines are written. */
export type Level = typeof LEVELS[number];

/** What a line carries beside its message, such as `request_id`, `tenant_id`, `operation`, `error`. */
export type Fields = Record<string, unknown>;

/** A logger; `msg` is a constant sentence, what varies goes into the fields. */
export interface Log {
  debug(msg: string, fields?: Fields): void;
  info(msg: string, fields?: Fields): void;
  warn(msg: string, fields?: Fields): void;
  error(msg: string, fields?: Fields): void;
  /** A boundary was violated or tried: someone should look at once. */
  alarm(msg: string, fields?: Fields): void;
  /** A logger that adds these fields to every line. */
  child(fields: Fields): Log;
}

/** How {@link createLog} writes. */
export interface LogOptions {
  level: Level;
  /** Takes one line without its newline; default: standard error. */
  write?: (line: string, level: Level | "alarm") => void;
  /** Configured secrets that must not appear in any line, whatever their shape. */
  secrets?: readonly string[];
}

/** Lines of what goes well wait for the end of this turn: under load one write takes those of several requests. */
let waiting = "";

function writeToStandardError(line: string, level: Level | "alarm"): void {
  if (waiting === "") setImmediate(flush);
  waiting += line + "\n";
  if (level !== "debug" && level !== "info") flush(); // before something worse happens
}

/** Not by `console` or a TextEncoder: formatting and encoding take longer there than all else about a line. */
function flush(): void {
  let rest: Uint8Array = Buffer.from(waiting);
  waiting = "";
  try {
    while (rest.length > 0) rest = rest.subarray(Deno.stderr.writeSync(rest));
  } catch {
    // Nowhere is left to tell it.
  }
}

for (const end of ["unload", "error", "unhandledrejection"]) globalThis.addEventListener(end, flush);

/** A logger of JSON lines `{ time, level, msg, … }`; times are ISO 8601 in UTC. */
export function createLog(options: LogOptions): Log {
  const redact = createRedactor(options.secrets);
  const write = options.write ?? writeToStandardError;
  const from = LEVELS.indexOf(options.level);

  function put(level: Level | "alarm", msg: string, fields: Fields): void {
    if (level !== "alarm" && LEVELS.indexOf(level) < from) return;
    try {
      const safe = redact(fields);
      const rest = typeof safe === "object" ? safe : { fields: safe };
      const head = { time: new Date().toISOString(), level, msg: redact(msg) };
      // Twice: first for the order in the line, then because no field may stand in for one of these three.
      write(JSON.stringify({ ...head, ...rest, ...head }), level);
    } catch {
      // Nowhere is left to tell it.
    }
  }

  function build(base: Fields): Log {
    const line = (level: Level | "alarm") => (msg: string, fields?: Fields) => put(level, msg, { ...base, ...fields });
    return {
      debug: line("debug"),
      info: line("info"),
      warn: line("warn"),
      error: line("error"),
      alarm: line("alarm"),
      child: (fields) => build({ ...base, ...fields }),
    };
  }

  return build({});
}
