// A session as an attacker with a placement's run-time login has it: past the doors, with any SQL, under contexts that stand
// and contexts that do not. What it hears of the server is kept whole, since a leak may be in a notice as well as in a row.
import { openDirect, type Sql } from "../db/direct.ts";
import type { Target } from "../db/pool.ts";
import { quoteLiteral } from "../db/sql_files.ts";
import { signContext, type Signer } from "../tenancy/context.ts";

/** A context as a session may claim it. */
export interface Claim {
  tenantId: string;
  proof: string;
}

/** No tenant at all. */
export const NOBODY: Claim = { tenantId: "", proof: "" };

/** A tenant's own context, signed with the placement's key. */
export function provenBy(signer: Signer, tenantId: string, pid = 0): Claim {
  return { tenantId, proof: signContext(signer, tenantId, null, pid) };
}

/** What is read of the server's errors. */
export interface DatabaseFault {
  code: string;
  message: string;
  detail?: string;
  constraint_name?: string;
}

/** Tries something in a savepoint, so that an error does not end the transaction; gives its result or the error. */
export async function attempt<T>(
  tx: Sql,
  work: (tx: Sql) => Promise<T>,
): Promise<{ value?: T; error?: DatabaseFault }> {
  try {
    const savepoint = (tx as unknown as { savepoint: (run: (inner: Sql) => Promise<T>) => Promise<T> }).savepoint;
    return { value: await savepoint(work) };
  } catch (error) {
    if (typeof (error as DatabaseFault).code !== "string") throw error;
    return { error: error as DatabaseFault };
  }
}

/** Everything that came of an attack. */
export interface Outcome {
  /** Rows of all statements, as they came. */
  rows: Record<string, unknown>[];
  /** Rows that the last statement affected. */
  affected: number;
  error: DatabaseFault | null;
  /** All that was heard, as one text: rows, notices, the error with its details. */
  text: string;
}

/** Runs attacks in transactions that are undone. */
export interface Attacker {
  /** Whether the session is the login's own; else SET ROLE and the like lead back to the prover and prove nothing. */
  readonly own: boolean;
  readonly pid: number;
  /** Runs text under a claim, and undoes everything. */
  run(claim: Claim, text: string): Promise<Outcome>;
  end(): Promise<void>;
}

/** The statement that claims a context for the rest of a transaction. */
export function entering({ tenantId, proof }: Claim): string {
  return `select set_config('app.tenant_id', ${quoteLiteral(tenantId)}, true), set_config('app.proof', ${
    quoteLiteral(proof)
  }, true)`;
}

/** Opens a session of the login's own. */
export async function openAttacker(target: Target): Promise<Attacker> {
  const heard: string[] = [];
  const options = {
    onNotice: (notice: unknown) => void heard.push(JSON.stringify(notice)),
    statementTimeoutMs: 20_000,
  };
  let sql = await openDirect(target, options);
  let [{ pid }] = await sql`select pg_backend_pid() as pid`;
  return {
    own: true,
    get pid() {
      return pid;
    },
    async run(claim, text) {
      heard.length = 0;
      await sql.unsafe(`begin; ${entering(claim)}`);
      const outcome = await hear(sql, text, heard);
      try {
        await sql.unsafe("rollback");
        await sql.unsafe("discard all");
      } catch {
        await sql.end({ timeout: 0 }).catch(() => {}); // the attack broke its own connection
        sql = await openDirect(target, options);
        [{ pid }] = await sql`select pg_backend_pid() as pid`;
      }
      return outcome;
    },
    end: () => sql.end({ timeout: 1 }),
  };
}

/** Runs text and gives all that came of it. */
export async function hear(sql: Sql, text: string, notices: string[]): Promise<Outcome> {
  try {
    const { rows, affected } = await collected(await sql.unsafe(text));
    return { rows, affected, error: null, text: [JSON.stringify(rows), ...notices].join("\n") };
  } catch (error) {
    if (typeof (error as DatabaseFault).code !== "string") throw error;
    const { code, message, detail, constraint_name } = error as DatabaseFault;
    const told = { code, message, detail, constraint_name, ...(error as object) };
    return {
      rows: [],
      affected: 0,
      error: error as DatabaseFault,
      text: [JSON.stringify(told), ...notices].join("\n"),
    };
  }
}

/** Rows of one statement, of several, or of a COPY, which the driver gives as a stream. */
async function collected(result: unknown): Promise<{ rows: Record<string, unknown>[]; affected: number }> {
  if (!Array.isArray(result)) {
    const stream = result as AsyncIterable<Uint8Array> & { end?: () => void; readable?: boolean };
    if (!stream.readable) return stream.end?.(), { rows: [], affected: 0 };
    let text = "";
    for await (const chunk of stream) text += new TextDecoder().decode(chunk);
    return { rows: text ? [{ copied: text }] : [], affected: 0 };
  }
  const several = result.length > 0 && Array.isArray(result[0]);
  const parts = (several ? result : [result]) as (Record<string, unknown>[] & { count: number | null })[];
  return { rows: parts.flatMap((part) => [...part]), affected: parts.at(-1)?.count ?? 0 };
}
