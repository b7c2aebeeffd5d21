// Lockouts: after a few wrong passwords or codes an account has to wait, longer with each; an address of the network too,
// but later and less. Unknown addresses of mail are counted like known ones, so that waiting tells nothing.
// What must not happen here: a right password that gets through while the account waits, however many are tried at once.
import { Buffer } from "node:buffer";
import { createHmac } from "node:crypto";
import type { Tx } from "../../db/sql.ts";
import { AppError } from "../../errors.ts";
import type { Servers } from "../servers.ts";

/** Failures that cost nothing, then seconds: 1, 2, 4 … up to the longest. */
export const ACCOUNT_DELAY = { free: 5, longestSeconds: 15 * 60 };
/** Many people may share an address of the network: it waits later and never long. */
export const ADDRESS_DELAY = { longestSeconds: 60 };

/** What is counted in one attempt. */
export interface LockKeys {
  account: Uint8Array;
  /** Null where nobody told where the request came from. */
  address: Uint8Array | null;
  /** Failures of an address that cost nothing. */
  addressFree: number;
}

/** The keys of an attempt on the account with this digest, from an address or network (`addressGroup`) or from nowhere. */
export function lockKeys(
  servers: Servers,
  digest: Uint8Array,
  { address, free }: { address: string | null; free: number },
): LockKeys {
  const key = (text: string) => new Uint8Array(createHmac("sha256", servers.accountKey).update(text).digest());
  return {
    account: key(`account:${Buffer.from(digest).toString("hex")}`),
    address: address === null ? null : key(`address:${address}`),
    addressFree: free,
  };
}

/** @throws AppError `too_many_attempts` where there are seconds to wait. */
export function refuseLocked(wait: number | null | undefined): void {
  if (!wait || wait <= 0) return;
  throw new AppError("too_many_attempts", "Wait before you try again, or reset the password by mail", {
    retryAfter: Math.ceil(wait),
  });
}

/** Seconds that an attempt with these keys has to wait; null when it has not. */
export function readLock(tx: Tx, { account, address }: LockKeys) {
  return tx<{ wait: number | null }>`select extract(epoch from max(locked_until) - now())::float8 as wait
    from platform.login_failures where key in (${account}, ${address}) and locked_until > now()`.map((rows) =>
    rows[0]?.wait ?? null
  );
}

/**
 * Counts a failure. Gives the seconds that the attempt should have waited: then it does not count; null when it does.
 * The answer must be the same as for a right password, which {@link settle} refuses then.
 */
export function countFailure(tx: Tx, { account, address, addressFree }: LockKeys) {
  return tx<{ wait: number | null }>`with old as (
      delete from platform.login_failures where key in (
        select key from platform.login_failures where last_failure_at < now() - interval '1 day'
          and key not in (${account}, coalesce(${address}::bytea, '')) limit 100 for update skip locked)
    ), counted as (
      insert into platform.login_failures as f (key, failures, last_failure_at, locked_until)
      select key, 1, now(), '-infinity' from unnest(array[${account}::bytea, ${address}::bytea]) key where key is not null
      on conflict (key) do update set (failures, last_failure_at, locked_until) = (
        select case when waits then f.failures else next.failures end,
          case when waits then f.last_failure_at else now() end,
          case when waits then f.locked_until when next.failures < free then '-infinity'
            else now() + least(longest, 2 ^ least(next.failures - free, 20)) * interval '1 second' end
        from (select f.locked_until > now() as waits,
          case when f.key = ${account} then ${ACCOUNT_DELAY.free}::int else ${addressFree}::int end as free,
          case when f.key = ${account} then ${ACCOUNT_DELAY.longestSeconds}::float8
            else ${ADDRESS_DELAY.longestSeconds}::float8 end as longest) of_it,
        lateral (select case when f.last_failure_at < now() - case when f.key = ${account} then interval '1 day'
          else interval '1 hour' end then 1 else f.failures + 1 end as failures) next)
      returning last_failure_at = now() as fresh, locked_until
    )
    select extract(epoch from max(locked_until) - now())::float8 as wait from counted where not fresh`.map((rows) =>
    rows[0].wait
  );
}

/**
 * What follows a right password or code: forgets the account's failures, unless it has been locked meanwhile by other
 * attempts; then gives the seconds to wait. `done` is false where a second factor is still to come: nothing is forgotten.
 */
export function settle(tx: Tx, keys: LockKeys, { accountId, done }: { accountId: string; done: boolean }) {
  return tx<{ wait: number | null }>`with mine as (
      update platform.login_failures set failures = case when ${done} and locked_until <= now() then 0 else failures end
      where key = ${keys.account} returning locked_until
    ), seen as (
      update platform.accounts set last_login_at = now()
      where id = ${accountId} and ${done} and not exists (select from mine where locked_until > now())
    )
    select extract(epoch from max(locked_until) - now())::float8 as wait from (
      select locked_until from mine union all
      select locked_until from platform.login_failures where key = ${keys.address}
    ) locks where locked_until > now()`.map((rows) => rows[0].wait);
}

/** Ends an account's waiting: its owner has proven to read its mail. */
export function unlock(tx: Tx, { account }: LockKeys) {
  return tx`delete from platform.login_failures where key = ${account}`;
}
