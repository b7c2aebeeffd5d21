// One attempt to prove that one is the owner of an account: counted, refused while the account or the address has to wait, and
// answered alike whether the account exists or not. Every route that takes a password or a code of an account goes through here.
import { addressGroup } from "../../http/client_address.ts";
import { AppError } from "../../errors.ts";
import type { Call } from "../../http/route.ts";
import { countFailure, type LockKeys, lockKeys, refuseLocked, settle } from "../../tenancy/accounts/lockout.ts";

/** What is counted for an attempt on the account with this digest. */
export function keysOf(call: Call, digest: Uint8Array): LockKeys {
  const { servers, config } = call.services;
  const address = call.origin.address === null ? null : addressGroup(call.origin.address);
  return lockKeys(servers, digest, { address, free: config.LOGIN_FAILURES_PER_ADDRESS });
}

/** An attempt with a password. */
export interface PasswordAttempt {
  keys: LockKeys;
  /** Seconds to wait, as they were read together with the account. */
  wait: number | null;
  /** Null where there is no account that may sign in here: then no password is right. */
  account: { id: string } | null;
  /** The stored hash, also of an account that may not sign in: the work is the same. */
  passwordHash: string | null;
  password: string;
  /** False where a second factor is still to come. */
  done: boolean;
  refusal: AppError;
}

/** Checks a password. Throws `refusal`, or AppError `too_many_attempts`, `overloaded`. */
export async function provePassword(call: Call, attempt: PasswordAttempt): Promise<void> {
  refuseLocked(attempt.wait);
  const right = await call.services.passwords.verify(attempt.passwordHash, attempt.password);
  if (!right || !attempt.account) return await fail(call, attempt.keys, attempt.refusal);
  const { id: accountId } = attempt.account;
  refuseLocked(await call.asPlatform((tx) => settle(tx, attempt.keys, { accountId, done: attempt.done })));
}

/** Counts a failed attempt. Always throws: `refusal`, or AppError `too_many_attempts`. */
export async function fail(call: Call, keys: LockKeys, refusal: AppError): Promise<never> {
  refuseLocked(await call.asPlatform((tx) => countFailure(tx, keys)));
  call.log.warn("A sign-in was refused", { code: refusal.code });
  throw refusal;
}
