// Every way in which a sign-in at a provider goes wrong, as one sentence that says where to look. What a provider or a
// URL says is data: of it only a short error code in a fixed alphabet is ever shown.

import * as oauth from "oauth4webapi";
import { AppError } from "../../errors.ts";

/** The one code of this part. */
export function failed(detail: string, cause?: unknown): AppError {
  return new AppError("oidc_failed", detail, { cause });
}

/** Runs `work`; whatever it throws becomes an AppError. */
export async function withClearErrors<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw error instanceof AppError ? error : failed(sentence(error), bare(error));
  }
}

/** The library hangs whole answers (codes, tokens, claims) on its errors; the log needs none of them. */
function bare(error: unknown): Error {
  if (!(error instanceof Error)) return new Error("Something else than an error was thrown");
  const code = "code" in error ? ` (${error.code})` : "";
  return new Error(`${error.name}: ${error.message}${code}`);
}

const SENTENCES: Record<string, string> = {
  [oauth.JWT_TIMESTAMP_CHECK]: "The identity provider's token has expired, or the clocks differ",
  [oauth.JWT_CLAIM_COMPARISON]: "The identity provider's token is not for this sign-in",
  [oauth.KEY_SELECTION]: "The identity provider's token is not signed with one of its published keys",
  [oauth.JSON_ATTRIBUTE_COMPARISON]: "The identity provider's answer is about another issuer or person",
  [oauth.RESPONSE_IS_NOT_JSON]: "The identity provider did not answer with JSON: check the issuer's address",
  [oauth.RESPONSE_IS_NOT_CONFORM]: "The identity provider did not answer as it should: check the issuer's address",
  [oauth.MISSING_SERVER_METADATA]: "The identity provider's discovery document lacks something that a sign-in needs",
};

function sentence(error: unknown): string {
  if (error instanceof oauth.AuthorizationResponseError) {
    if (error.error === "access_denied") return "The sign-in was refused or given up at the identity provider";
    return `The identity provider refused the sign-in${quoted(error.error)}`;
  }
  if (error instanceof oauth.ResponseBodyError) {
    if (error.error === "invalid_client") return "The identity provider does not accept our client id and secret";
    if (error.error === "invalid_grant") return "The sign-in was finished before or took too long: begin again";
    return `The identity provider refused to finish the sign-in${quoted(error.error)}`;
  }
  if (error instanceof oauth.WWWAuthenticateChallengeError) return "The identity provider does not accept our client";
  if (error instanceof oauth.OperationProcessingError || error instanceof oauth.UnsupportedOperationError) {
    return SENTENCES[error.code ?? ""] ?? "The identity provider's answer is not valid";
  }
  return "The identity provider cannot be reached";
}

function quoted(code: string): string {
  return /^[a-z][a-z0-9_]{0,63}$/.test(code) ? `: "${code}"` : "";
}
