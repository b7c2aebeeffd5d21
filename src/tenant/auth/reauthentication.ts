// Who changes second factors proves once more to be the owner of the account: a copied access token is not enough for that.
import { AppError } from "../../errors.ts";
import type { Call } from "../../http/route.ts";
import { type Credentials, getCredentials } from "../../tenancy/accounts/credentials.ts";
import { factorNotShown } from "../../tenancy/accounts/enrolment.ts";
import { readLock, refuseLocked, settle } from "../../tenancy/accounts/lockout.ts";
import { fail, keysOf, provePassword } from "./attempts.ts";
import { checkFactor } from "./second_factor.ts";

/** The caller's account. Throws AppError `forbidden` where an issuer of the tenant's own vouched, `unauthorized`. */
export async function accountOf(call: Call): Promise<NonNullable<Credentials["account"]>> {
  await call.stillIn();
  const { accountId } = call.member;
  if (!accountId) {
    throw new AppError("forbidden", "You signed in through your organisation: set up second factors there");
  }
  const { account } = await call.asPlatform((tx) => getCredentials(tx, accountId, call.tenant.id));
  if (!account?.active) throw new AppError("unauthorized", "Sign in again");
  return account;
}

/**
 * Asks for the password or a code once more. Who was let in only to set up a first factor has shown the password just now.
 * Where there is a factor, and this session has not shown one, the password is not enough.
 * @throws AppError `invalid_credentials`, `too_many_attempts`, `mfa_required`.
 */
export async function proveOnceMore(
  call: Call,
  account: NonNullable<Credentials["account"]>,
  { password, code }: { password?: string; code?: string },
): Promise<void> {
  const { duty, mfa } = call.member;
  if (account.factors.length > 0 && !mfa && code === undefined) throw factorNotShown();
  if (duty === "enrol_factor" && account.factors.length === 0) return;
  const keys = keysOf(call, account.digest);
  const wait = await call.asPlatform((tx) => readLock(tx, keys));
  const refusal = new AppError("invalid_credentials", "Give your password, or a code of your authenticator app");
  if (code === undefined) {
    const { passwordHash } = account;
    return await provePassword(call, {
      keys,
      wait,
      account,
      passwordHash,
      password: password ?? "",
      done: true,
      refusal,
    });
  }
  refuseLocked(wait);
  const use = await checkFactor(call, account.id, { code }, null);
  const used = use !== null && await call.asPlatform(async (tx) => {
    refuseLocked(await settle(tx, keys, { accountId: account.id, done: true }));
    return await use(tx);
  });
  if (!used) await fail(call, keys, refusal);
}
