// What a new password must be like (NIST SP 800-63B: length and a list of known ones, no rules about classes of characters).
// The list is that of zxcvbn-ts (MIT): some 49,000 passwords from published leaks. It is loaded with the first new password.

import { AppError } from "../errors.ts";

/** The longest password that is hashed, in UTF-16 units. */
export const MAX_PASSWORD_CHARACTERS = 256;

const MIN_PASSWORD_CHARACTERS = 10;
/** A known password with so many digits and signs at its end is as easy to guess. */
const MAX_DECORATION = 5;

/** Whose password it is to be. */
export interface PasswordOwner {
  email: string;
  /** The field of the body that carried it; `password` if absent. */
  field?: string;
  /** The password until now, which must not be kept. */
  current?: string;
}

/**
 * Refuses a new password that is too short, too long, the person's e-mail address, the old one, or among the best known.
 * @throws AppError `unprocessable`, naming the field.
 */
export async function acceptPassword(password: string, owner: PasswordOwner): Promise<void> {
  const fault = findFault(password, owner) ?? (isKnown(password, await known()) ? WELL_KNOWN : undefined);
  if (fault) {
    throw new AppError("unprocessable", fault, { fields: [{ path: owner.field ?? "password", message: fault }] });
  }
}

const WELL_KNOWN = "Choose a password that fewer people use, this one is well known";

function findFault(password: string, { email, current }: PasswordOwner): string | undefined {
  const length = [...password].length;
  if (length < MIN_PASSWORD_CHARACTERS) {
    return `Choose a password of at least ${MIN_PASSWORD_CHARACTERS} characters, this one has ${length}`;
  }
  if (password.length > MAX_PASSWORD_CHARACTERS) {
    return `Choose a password of at most ${MAX_PASSWORD_CHARACTERS} characters, this one has ${password.length}`;
  }
  const [plain, address] = [password.trim().toLowerCase(), email.toLowerCase()];
  if (plain === address || plain === address.split("@")[0]) return "Choose a password that is not the e-mail address";
  if (password === current) return "Choose another password than the one until now";
  return undefined;
}

function isKnown(password: string, list: ReadonlySet<string>): boolean {
  const plain = password.trim().toLowerCase();
  if (list.has(plain) || new Set(plain).size < 4) return true;
  const stem = plain.replace(/[^\p{L}]+$/u, "");
  return plain.length - stem.length <= MAX_DECORATION && list.has(stem);
}

let loading: Promise<ReadonlySet<string>> | undefined;

function known(): Promise<ReadonlySet<string>> {
  return loading ??= import("@zxcvbn-ts/language-common").then(({ dictionary }) =>
    new Set([...dictionary["passwords-common"], ...COMMON])
  );
}

// What the list does not have.
const COMMON =
  `0123456789 0987654321 9876543210 1234512345 123456123456 qwertyqwerty zxcvbnmasd asdfasdfasdf 1q2w3e4r5t6y7u8i
  p@ssword123 thepassword yourpassword changemenow admin123456 admin1234567 adminadmin adminadmin1 rootroot12
  iloveyouforever blink182blink abcdefghij abcdefghijk abc1234567 abcdef123456 aa12345678 test123456 test1234567
  testpassword user123456 demo123456 correcthorsebatterystaple`
    .split(/\s+/);
