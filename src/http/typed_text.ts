// What people type must have something that people see: a name of invisible characters only looks like no name, or like
// somebody else's.

const SEEN = /[^\p{C}\p{Z}\p{Default_Ignorable_Code_Point}\u2800]/u; // U+2800: Braille without dots

/** Whether a text has a character to be seen, or is empty: that is for the schema's own minimum. */
export function canBeSeen(text: string): boolean {
  return text === "" || SEEN.test(text);
}

/** What callers are told otherwise. */
export const BE_SEEN = "Use characters that can be seen";
