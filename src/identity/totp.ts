// One-time codes by time (TOTP, RFC 6238): SHA-1, 6 digits, 30 seconds, as every authenticator app has them.
// The caller stores the secret sealed and the step of the last accepted code, in the transaction that accepts it.
// What must not happen here: a code accepted twice, or codes tried without the caller counting the tries.

import { HOTP, Secret, TOTP } from "otpauth";

/** Bytes of a secret: 160 bits, as RFC 4226 (4) recommends. */
const SECRET_BYTES = 20;
const PERIOD_SECONDS = 30;
const DIGITS = 6;
/** Steps that are looked at, from the present one: clocks differ, and typing takes time (RFC 6238, 5.2). */
const OFFSETS = [-1, 0, 1];
const ALGORITHM = "SHA1";

/** Who a secret is for, as the authenticator app shows it. */
export interface TotpLabel {
  /** Who asks for the codes: the platform's or the tenant's name. */
  issuer: string;
  /** Whose codes they are, such as an e-mail address. */
  account: string;
}

/** What {@link verifyTotp} needs to know. */
export interface TotpCheck {
  /** The step of the last accepted code; null when there was none. */
  lastStep: number | null;
  /** Milliseconds since 1970; by default now. */
  now?: number;
}

/** A new secret in base32 (RFC 4648), 32 characters without padding. */
export function newTotpSecret(): string {
  return new Secret({ size: SECRET_BYTES }).base32;
}

/**
 * The `otpauth://` address that apps read from a QR code. It holds the secret: show it once, never log it.
 * Colons are taken out of both names, since apps split the label there.
 */
export function totpUri(secret: string, label: TotpLabel): string {
  const [issuer, account] = [label.issuer, label.account].map((name) => name.replaceAll(":", " ").trim());
  if (issuer === "" || account === "") throw new Error("Give the one-time codes an issuer and an account");
  return totp(secret, { issuer, label: account }).toString();
}

/**
 * The step to store as `lastStep` when the code is right; null when it is wrong, spelt in another way than six digits,
 * outside the present step ±1, or of a step not after `lastStep` (RFC 6238, 5.2).
 * @throws Error when the secret is not base32.
 */
export function verifyTotp(code: string, secret: string, check: TotpCheck): number | null {
  if (!/^[0-9]{6}$/.test(code)) return null;
  const key = Secret.fromBase32(secret);
  const present = Math.floor((check.now ?? Date.now()) / 1000 / PERIOD_SECONDS);
  const steps = OFFSETS.map((offset) => present + offset).filter((step) => step > (check.lastStep ?? -1));
  // Every step is compared (in constant time each), so that the time taken does not tell which one was near.
  const right = steps.filter((counter) => matches(code, key, counter));
  return right.length > 0 ? Math.min(...right) : null;
}

/** The code of a moment, for tests and for the command line; `now` in milliseconds. */
export function totpCode(secret: string, now = Date.now()): string {
  return totp(secret).generate({ timestamp: now });
}

function matches(token: string, secret: Secret, counter: number): boolean {
  return HOTP.validate({ token, secret, counter, algorithm: ALGORITHM, digits: DIGITS, window: 0 }) === 0;
}

function totp(secret: string, label: { issuer?: string; label?: string } = {}): TOTP {
  return new TOTP({
    ...label,
    secret: Secret.fromBase32(secret),
    algorithm: ALGORITHM,
    digits: DIGITS,
    period: PERIOD_SECONDS,
  });
}
