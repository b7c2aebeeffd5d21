// All attacks, in the order in which they are reported.
import type { Attack } from "./attack.ts";
import { LEAKY } from "./clauses.ts";
import { FORGING } from "./forging.ts";
import { PROBING } from "./probing.ts";
import { READING } from "./reading.ts";
import { WRITING } from "./writing.ts";

/** Every attack that is tried on every table. */
export const ATTACKS: Attack[] = [...READING, ...FORGING, ...LEAKY, ...WRITING, ...PROBING];
