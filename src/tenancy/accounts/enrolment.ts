// Keeping a second factor of an account. With the first one ends what the password alone had got, in every tenant: else who
// knows the password could go on without the factor, or take it away.
// What must not happen here: a factor beside others that nobody showed, however many requests come at once.
import type { Tx } from "../../db/sql.ts";
import { AppError } from "../../errors.ts";
import type { Services } from "../services.ts";
import { keepFactor, type UseUp } from "./authenticators.ts";
import { endSessionsEverywhere } from "./end_sessions.ts";
import { accountFactors } from "./factor_store.ts";

/** A factor to keep. */
export interface Enrolment {
  accountId: string;
  /** Whether the session has shown a factor. */
  mfa: boolean;
  keep: UseUp;
  /** Of recovery codes, in case there are none. */
  hashes: Uint8Array[];
}

/** The refusal of who has shown the password alone, where the account has a second factor. */
export function factorNotShown(): AppError {
  return new AppError("mfa_required", "Sign in with your second factor first");
}

/**
 * Keeps a factor. Gives whether it is the first, and whether the recovery codes were kept.
 * @throws AppError `mfa_required` where there are others and none was shown, and what `keep` throws.
 */
export async function enrolFactor(services: Services, tx: Tx, { accountId, mfa, keep, hashes }: Enrolment) {
  await tx`select from platform.accounts where id = ${accountId} for update`;
  const first = (await accountFactors.list(tx, accountId)).length === 0;
  const made = await keepFactor(tx, accountFactors, { ownerId: accountId, keep, hashes });
  if (!first && !mfa) throw factorNotShown();
  if (first) await endSessionsEverywhere(services, tx, { accountId, reason: "mfa" });
  return { first, made };
}
