// The one table of error codes. From it come the type, the HTTP answer (problem+json, RFC 9457), the error
// responses in the OpenAPI document and a job's decision to retry. No status or title is written anywhere else.

/** `code → HTTP status, title, and whether the same call may succeed later without being changed`. */
export const ERRORS = {
  invalid_request: { status: 400, title: "The request is not valid", retry: false },
  invalid_json: { status: 400, title: "The body is not valid JSON", retry: false },
  invalid_value: { status: 400, title: "A value cannot be used", retry: false },
  tenant_required: { status: 400, title: "The request names no tenant", retry: false },
  unauthorized: { status: 401, title: "Sign in to do this", retry: false },
  token_expired: { status: 401, title: "The access token has expired", retry: false },
  invalid_credentials: { status: 401, title: "The e-mail address or the password is wrong", retry: false },
  invalid_token: { status: 401, title: "The token is unknown, used or expired", retry: false },
  access_changed: { status: 401, title: "What the caller may do has changed", retry: true },
  password_change_required: { status: 403, title: "Change your password first", retry: false },
  mfa_required: { status: 403, title: "A second factor is required", retry: false },
  forbidden: { status: 403, title: "You may not do this", retry: false },
  tenant_mismatch: { status: 403, title: "The request names different tenants", retry: false },
  tenant_unavailable: { status: 403, title: "The tenant is not available", retry: false },
  context_refused: { status: 403, title: "The database refused the tenant context", retry: false },
  origin_refused: { status: 403, title: "Pages of this origin may not do this", retry: false },
  not_found: { status: 404, title: "There is no such thing here", retry: false },
  method_not_allowed: { status: 405, title: "The method is not allowed here", retry: false },
  already_exists: { status: 409, title: "It exists already", retry: false },
  conflict: { status: 409, title: "The request conflicts with the current state", retry: false },
  invalid_state: { status: 409, title: "The current state does not allow this", retry: false },
  slug_reserved: { status: 409, title: "The slug is reserved", retry: false },
  slug_taken: { status: 409, title: "The slug is taken", retry: false },
  last_admin: { status: 409, title: "There must be an administrator", retry: false },
  plan_limit: { status: 409, title: "The plan does not allow more", retry: false },
  still_referenced: { status: 409, title: "Other records still refer to it", retry: false },
  payload_too_large: { status: 413, title: "The body is too large", retry: false },
  unsupported_media_type: { status: 415, title: "The content type is not supported", retry: false },
  unknown_host: { status: 421, title: "This host is not served here", retry: false },
  unprocessable: { status: 422, title: "The request cannot be carried out", retry: false },
  reference_not_found: { status: 422, title: "A record that the request refers to does not exist", retry: false },
  idempotency_key_reused: { status: 422, title: "The idempotency key was used for another request", retry: false },
  byo_unreachable: { status: 422, title: "The customer's database server cannot be reached", retry: false },
  byo_auth_failed: { status: 422, title: "The customer's database server refused the login", retry: false },
  byo_version_unsupported: { status: 422, title: "The customer's PostgreSQL version is not supported", retry: false },
  byo_rights_missing: { status: 422, title: "The customer's login lacks rights", retry: false },
  egress_refused: { status: 422, title: "The address may not be connected to", retry: false },
  oidc_failed: { status: 422, title: "The sign-in at the identity provider did not succeed", retry: false },
  too_many_attempts: { status: 429, title: "Too many failed attempts", retry: true },
  rate_limited: { status: 429, title: "Too many requests", retry: true },
  internal: { status: 500, title: "Something went wrong on our side", retry: true },
  overloaded: { status: 503, title: "Too busy just now", retry: true },
  issuer_unavailable: { status: 503, title: "The token's issuer cannot be reached just now", retry: true },
  database_unavailable: { status: 503, title: "A database cannot be reached just now", retry: true },
} as const satisfies Record<string, { status: number; title: string; retry: boolean }>;

/** A stable error code, as clients see it in `code`. */
export type Code = keyof typeof ERRORS;

/** One fault of one field: `path` in the body, query or params. */
export interface FieldFault {
  path: string;
  message: string;
}

/** What an {@link AppError} may carry beside its code and its sentence. */
export interface ErrorExtra {
  /** Which fields were wrong. */
  fields?: FieldFault[];
  /** Seconds after which a retry makes sense (becomes `Retry-After`). */
  retryAfter?: number;
  /** The error underneath; logged, never shown. */
  cause?: unknown;
}

/** The only error that is shown to callers: everything else becomes `internal` and is logged. */
export class AppError extends Error {
  override name = "AppError";
  readonly fields?: FieldFault[];
  readonly retryAfter?: number;

  /** @param detail A sentence for people: what was wrong and what to do; it must not carry secrets. */
  constructor(readonly code: Code, readonly detail?: string, extra: ErrorExtra = {}) {
    super(detail ?? ERRORS[code].title, { cause: extra.cause });
    this.fields = extra.fields;
    this.retryAfter = extra.retryAfter;
  }

  /** The HTTP status of this error. */
  get status(): number {
    return ERRORS[this.code].status;
  }
}

/** Whether a job that failed with `error` is worth another try: unknown errors are. */
export function isRetryable(error: unknown): boolean {
  return error instanceof AppError ? ERRORS[error.code].retry : true;
}
