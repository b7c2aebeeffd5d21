// What a planted fault is: SQL as superuser in a scratch placement, and the words in which the proof must name it.
// `:"owner"`, `:"keeper"` and `:"tenant_login"` in it stand for the placement's roles.

/** One fault. */
export interface Fault {
  /** What is wrong, for the test's name. */
  fault: string;
  /** SQL that makes it so. */
  plant: string;
  /** What the proof must say. */
  says: RegExp;
  /** From which PostgreSQL on the fault can be made, as `server_version_num`. */
  since?: number;
}

/** A table that keeps every rule; faults spoil one of them. */
export const notes = (more = "") =>
  `set role :"owner";
  create table tenant.notes (tenant_id uuid not null, id uuid not null default app.uuid_v7(), body text, parent uuid,
    primary key (tenant_id, id)${more});
  call app.isolate('tenant.notes');
  reset role;`;
