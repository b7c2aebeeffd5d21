// The errors of the client. They carry what the API says of a refusal (problem+json, RFC 9457) and never a token, a password
// or a URL with its query.

/** One fault of one field: `path` in the body, query or params. */
export interface Fault {
  path: string;
  message: string;
}

/** A refusal of the API. Decide by `code`: it is stable. The message is for people. */
export class ProblemError extends Error {
  override name = "ProblemError";
  /** Of the API's table of codes; "unknown" where the answer is no problem+json, as of a proxy. */
  readonly code: string;
  readonly status: number;
  readonly title: string;
  readonly detail?: string;
  /** Name it when you ask the operator about a failure. */
  readonly requestId?: string;
  /** Which fields were wrong. */
  readonly fields: readonly Fault[];
  /** Seconds after which another try makes sense. */
  readonly retryAfter?: number;

  constructor(status: number, problem: Record<string, unknown>, headers: Headers) {
    const title = textOf(problem.title) ?? `The answer has status ${status}`;
    const detail = textOf(problem.detail);
    super(detail ?? title);
    this.status = status;
    this.title = title;
    this.detail = detail;
    this.code = textOf(problem.code) ?? "unknown";
    this.requestId = textOf(problem.request_id) ?? headers.get("x-request-id") ?? undefined;
    this.fields = Array.isArray(problem.fields) ? problem.fields : [];
    const seconds = Number(headers.get("retry-after") ?? NaN);
    if (Number.isFinite(seconds)) this.retryAfter = seconds;
  }
}

/** The session is over: it was signed out, revoked, expired or stolen. Sign in again. */
export class SessionEndedError extends Error {
  override name = "SessionEndedError";

  /** @param code The problem's code; "signed_out" where the store had no token any more, as after another tab signed out. */
  constructor(readonly code: string, options?: { cause?: ProblemError }) {
    super("The session has ended; sign in again", options);
  }
}

/** A request would have carried the token away from the API: it was not sent, or its redirect was not followed. */
export class TargetRefusedError extends Error {
  override name = "TargetRefusedError";
}

/**
 * The error behind an answer that is not ok.
 * @param body Its parsed body, where a generated client has read it already.
 */
export async function problemOf(response: Response, body?: unknown): Promise<ProblemError> {
  const given = body === undefined ? await response.json().catch(() => null) : body;
  const problem = typeof given === "object" && given !== null ? given as Record<string, unknown> : {};
  return new ProblemError(response.status, problem, response.headers);
}

/** Gives the answer if it is ok. @throws ProblemError where it is not. */
export async function expectOk(response: Response): Promise<Response> {
  if (response.ok) return response;
  throw await problemOf(response);
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}
