// The one error shape: problem+json (RFC 9457) with a stable `code` and the request's id. Every error of every route
// leaves through here; an unknown error shows nothing of itself.
import { z } from "@hono/zod-openapi";
import { AppError, type Code, ERRORS } from "../errors.ts";

/** The schema of every error answer. */
export const problemSchema = z.object({
  type: z.string().openapi({
    description: "A URI that names the kind of error",
    example: "urn:bulkhead:error:not_found",
  }),
  title: z.string(),
  status: z.number().int(),
  code: z.enum(Object.keys(ERRORS) as [Code, ...Code[]]).openapi({ description: "Stable; programs decide by it" }),
  detail: z.string().optional().openapi({ description: "What was wrong and what to do, for people" }),
  request_id: z.string(),
  fields: z.array(z.object({ path: z.string(), message: z.string() })).optional(),
}).openapi("Problem");

/** The answer to an error. Unknown errors become `internal` without their message. */
export function problem(error: unknown, requestId: string): Response {
  const known = error instanceof AppError ? error : new AppError("internal");
  const { status, title } = ERRORS[known.code];
  const body = {
    type: `urn:bulkhead:error:${known.code}`,
    title,
    status,
    code: known.code,
    ...(known.detail && { detail: known.detail }),
    request_id: requestId,
    ...(known.fields && { fields: known.fields }),
  };
  const headers: Record<string, string> = { "content-type": "application/problem+json", "cache-control": "no-store" };
  if (status === 401) headers["www-authenticate"] = "Bearer";
  const retryAfter = known.retryAfter ?? (status === 503 ? 1 : 0);
  if (retryAfter) headers["retry-after"] = String(Math.ceil(retryAfter));
  return new Response(JSON.stringify(body), { status, headers });
}

/** Turns zod's issues into an `invalid_request` that names each field. `where` is "body", "query" or "params". */
export function invalid(where: string, error: z.ZodError): AppError {
  const fields = error.issues.slice(0, 50).flatMap((issue) => {
    const path = [where, ...issue.path].join(".");
    if (issue.code === "unrecognized_keys") {
      return issue.keys.slice(0, 20).map((key) => ({ path: `${path}.${key}`, message: "Not known here" }));
    }
    return [{ path, message: issue.message }];
  });
  const first = fields[0];
  return new AppError("invalid_request", first ? `Correct "${first.path}": ${first.message}` : undefined, { fields });
}
