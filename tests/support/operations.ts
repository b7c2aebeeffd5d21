// Valid requests for the API's own operations, by its document, about rows that are not there: what is refused of them is refused
// for who sends them.
import { type Operation, readOperations } from "../../src/prove/operations.ts";
import type { Answer, TestProcess } from "./app.ts";

/** A value for each parameter that a path may have. */
const PARAMETERS: Record<string, () => string> = { key: () => "nobody", seq: () => "1" };

/** All operations inside tenants that need a caller. */
export async function tenantOperations(app: TestProcess): Promise<Operation[]> {
  const operations = readOperations((await app.ask("GET", "/openapi.json")).body);
  return operations.filter(({ audience }) => audience === "members");
}

/** Sends a valid request for an operation. */
export function sendValid(app: TestProcess, operation: Operation, headers: Record<string, string>): Promise<Answer> {
  const { method, path, query, body } = operation;
  const filled = path.replace(/\{(\w+)\}/g, (_, name) => PARAMETERS[name]?.() ?? crypto.randomUUID());
  return app.ask(method, filled + query, {
    headers: { ...headers, ...(body && { "content-type": body.type }) },
    ...(body && { raw: typeof body.value === "string" ? body.value : JSON.stringify(body.value) }),
  });
}
