// The one map from PostgreSQL's SQLSTATE (manual, appendix A) to the error codes of ../errors.ts.
// What a caller's value caused is 4xx; a refused context is 403 and an alarm; an unknown state stays unknown.
import { AppError, type Code } from "../errors.ts";

/** What is read of an error that the driver threw. */
interface DatabaseError {
  code: string;
  message: string;
  constraint_name?: string;
}

const EXACT: Record<string, [Code, string?]> = {
  "23505": ["already_exists", "A record with these values exists already"],
  "23503": ["reference_not_found", "A record that this one refers to does not exist"],
  "23502": ["invalid_value", "A required value is missing"],
  "23514": ["invalid_value", "A value is outside what is allowed"],
  "23P01": ["conflict", "The record overlaps another one"],
  "40001": ["conflict", "Another request changed the same records; try again"],
  "40P01": ["conflict", "Another request changed the same records; try again"],
  "54000": ["invalid_value", "The request is too large for one statement"],
  "54001": ["invalid_value", "The request is too complex"],
  "55P03": ["overloaded", "The records are being changed by another request; try again"],
  "57014": ["overloaded", "The database took too long; try again"],
  BH002: ["access_changed", "What you may do has changed; try again"],
  BH001: ["tenant_unavailable", "The tenant is closed"],
};

const CLASSES: [RegExp, Code, string][] = [
  [/^22/, "invalid_value", "A value cannot be used as it was given"],
  [/^(08|57P|58|CONN)/, "database_unavailable", "The database cannot be reached just now"],
  [/^53/, "overloaded", "The database is too busy just now"],
];

function isDatabaseError(error: unknown): error is DatabaseError {
  return error instanceof Error && typeof (error as { code?: unknown }).code === "string" &&
    !(error instanceof AppError);
}

/** What a permissive policy says to a row that its caller may not write: sql/policies/33_rows.sql. The guard has a name. */
const OUTSIDE_UNITS = /^new row violates row-level security policy (\(USING expression\) )?for table/;

/** Whether the database refused rights: a hole was tried, which is logged as an alarm. */
export function isRefusal(error: unknown): boolean {
  return isDatabaseError(error) && error.code === "42501" && !OUTSIDE_UNITS.test(error.message);
}

/** Turns what the driver threw into an {@link AppError}; returns other errors as they are. */
export function fromDatabase(error: unknown): unknown {
  if (!isDatabaseError(error)) return error;
  const { code, message } = error;
  if (code === "42501") {
    if (OUTSIDE_UNITS.test(message)) return new AppError("forbidden", "This lies outside your units", { cause: error });
    const context = message.includes("tenant context refused");
    return new AppError(context ? "context_refused" : "forbidden", "The database refused this", { cause: error });
  }
  if (code === "23503" && message.startsWith("update or delete")) {
    return new AppError("still_referenced", "Other records still refer to this one; remove them first", {
      cause: error,
    });
  }
  const exact = EXACT[code];
  if (exact) return new AppError(exact[0], exact[1], { cause: error });
  const found = CLASSES.find(([pattern]) => pattern.test(code));
  if (found) return new AppError(found[1], found[2], { cause: error, retryAfter: 1 });
  return error;
}
