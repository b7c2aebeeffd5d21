// Why a command could not do what it was asked, for whoever typed it. Callers of the API are never told this much.
import { CannotConnect } from "../db/cannot_connect.ts";
import { endProgram } from "../embedded/shutdown.ts";

/** Says why and ends the program with 1: what was started is stopped, and temporary folders are removed. */
export async function endWithError(error: unknown, { whole }: { whole: boolean }): Promise<void> {
  console.error(reasonOf(error));
  if (whole) console.error(error);
  await endProgram(1);
}

/**
 * What went wrong: of a connection also where and why, and of a proof that stopped a rollout (BH900, see
 * sql/policies/90_proof.sql) each hole that it found.
 */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error instanceof CannotConnect) {
    const { host, port, database, user } = error.target;
    return `Cannot connect to database "${database}" on ${host}:${port} as "${user}": ${causeOf(error)}`;
  }
  const { code, detail } = error as Error & { code?: string; detail?: string };
  return code === "BH900" && detail ? `${error.message}:\n${detail}` : error.message;
}

/** A host with several addresses fails with no sentence of its own, and the server's sentences say no code. */
function causeOf({ cause }: Error): string {
  const { message = "", code = "" } = cause as { message?: string; code?: string };
  return message.includes(code) ? message : [message, `(${code})`].filter(Boolean).join(" ");
}
