// The error of a connection that could not be made. It stands apart from the connections themselves, so that whoever tells of
// it need not be one of those who may open one.
import { AppError } from "../errors.ts";
import type { Target } from "./wire_connect.ts";

/** No connection. Callers are shown the sentence alone; where it was and why (`cause`) are for those who run the server. */
export class CannotConnect extends AppError {
  constructor(readonly target: Pick<Target, "host" | "port" | "database" | "user">, cause: unknown) {
    super("database_unavailable", "Cannot connect to the database", { cause });
  }
}
