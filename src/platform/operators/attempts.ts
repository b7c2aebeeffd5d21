// One attempt of an operator to prove a password or a code: counted, refused while the address has to wait, and answered alike
// whether there is such an operator or not. The same waiting as for accounts, and never the same counters.
import { Buffer } from "node:buffer";
import { createHmac } from "node:crypto";
import { AppError } from "../../errors.ts";
import { addressGroup } from "../../http/client_address.ts";
import type { Call } from "../../http/route.ts";
import { countFailure, type LockKeys, lockKeys, refuseLocked } from "../../tenancy/accounts/lockout.ts";
import type { Credentials, Seen } from "./queries.ts";

/** What is counted for an attempt with this address of mail. */
export function keysOf(call: Call, email: string): LockKeys {
  const { servers, config } = call.services;
  const digest = createHmac("sha256", servers.accountKey).update(`operator:${email.trim().toLowerCase()}`).digest();
  const address = call.origin.address === null ? null : addressGroup(call.origin.address);
  return lockKeys(servers, Buffer.from(digest), { address, free: config.LOGIN_FAILURES_PER_ADDRESS });
}

/**
 * Checks a password and gives whose it is. A right one counts only after `settle()`, in the transaction that it leads to.
 * @throws AppError `invalid_credentials`, the same for everybody, or `too_many_attempts`, `overloaded`.
 */
export async function prove(call: Call, keys: LockKeys, known: Credentials, password: string): Promise<Seen> {
  refuseLocked(known.wait);
  const right = await call.services.passwords.verify(known.password_hash, password);
  if (right && known.active && known.id) return { id: known.id, accessVersion: known.access_version! };
  return await fail(call, keys, new AppError("invalid_credentials"));
}

/** Counts a failed attempt. Always throws: `refusal`, or AppError `too_many_attempts`. */
export async function fail(call: Call, keys: LockKeys, refusal: AppError): Promise<never> {
  refuseLocked(await call.asPlatform((tx) => countFailure(tx, keys)));
  call.log.warn("A sign-in was refused", { code: refusal.code });
  throw refusal;
}
