// What a new password must be like (NIST SP 800-63B: length and a list of known ones, no rules about classes of characters).

import { AppError } from "../errors.ts";

/** The longest password that is hashed, in UTF-16 units. */
export const MAX_PASSWORD_CHARACTERS = 256;

const MIN_PASSWORD_CHARACTERS = 10;

/**
 * Refuses a password that is too short, too long, the person's e-mail address, or among the best known ones.
 * @throws AppError `unprocessable`, naming the field `password`.
 */
export function checkPassword(password: string, person: { email: string }): void {
  const fault = findFault(password, person.email.toLowerCase());
  if (fault) throw new AppError("unprocessable", fault, { fields: [{ path: "password", message: fault }] });
}

function findFault(password: string, email: string): string | undefined {
  const length = [...password].length;
  if (length < MIN_PASSWORD_CHARACTERS) {
    return `Choose a password of at least ${MIN_PASSWORD_CHARACTERS} characters, this one has ${length}`;
  }
  if (password.length > MAX_PASSWORD_CHARACTERS) {
    return `Choose a password of at most ${MAX_PASSWORD_CHARACTERS} characters, this one has ${password.length}`;
  }
  const plain = password.trim().toLowerCase();
  if (plain === email || plain === email.split("@")[0]) return "Choose a password that is not the e-mail address";
  if (COMMON.has(plain) || new Set(plain).size < 4) {
    return "Choose a password that fewer people use, this one is well known";
  }
  return undefined;
}

// Only those of ten characters and more matter: shorter ones are refused anyway.
const COMMON = new Set(
  `1234567890 12345678910 123456789a 0123456789 0987654321 9876543210 1234554321 1234512345 123456123456 123454321
  12345678901 123456789012 1q2w3e4r5t 1q2w3e4r5t6y 1qaz2wsx3edc 1qazxsw23edc qwertyuiop qwertyuiop123 qwerty12345
  qwerty123456 qwerty1234 123qweasdzxc qweasdzxc123 qwertyqwerty asdfghjkl1 asdfghjkl123 zxcvbnm123 zxcvbnmasd
  asdfasdfasdf qazwsxedcrfv qazwsxedc1 1q2w3e4r5t6y7u8i password01 password10 password12 password123 password1234
  password12345 password123! passw0rd123 passw0rd12 p@ssw0rd123 p@ssword123 passwordpassword password!23 mypassword
  mypassword1 mypassword123 newpassword newpassword1 thepassword yourpassword changeme12 changeme123 changeme1234
  changemenow letmein123 letmein1234 letmeinnow welcome123 welcome1234 welcome2024 welcome2025 welcome2026
  administrator admin12345 admin123456 admin1234567 adminadmin adminadmin1 admin@1234 rootroot12 iloveyou12 iloveyou123
  iloveyou1234 iloveyouforever iloveyou2 ilovemyself sunshine123 princess123 football123 baseball123 superman123
  batman12345 dragon12345 monkey12345 shadow12345 master12345 michael123 jennifer12 starwars123 trustno1234 whatever123
  computer123 internet123 samsung123 liverpool1 manchester manchester1 barcelona1 realmadrid basketball basketball1
  volleyball california1 washington butterfly1 chocolate1 strawberry blink182blink abcdefghij abcdefghijk abcd123456
  abc1234567 abc123abc123 abcdef123456 aa12345678 a123456789 a1234567890 q1w2e3r4t5 q1w2e3r4t5y6 secret1234 secret12345
  temporary1 temppassword default123 summer2024! summer2025! winter2025! spring2025! autumn2025! test123456 test1234567
  testtest123 testpassword guest12345 user123456 demo123456 hello12345 helloworld helloworld1 correcthorsebatterystaple`
    .split(/\s+/),
);
