// What the process connects as must not be able to do more than its work: a login that is a superuser, passes row-level
// security, owns something or belongs to another role would make every wall below it air. Asked once, before serving (R1).
// The proof of a rollout says the same and more; this one also sees what was changed since.
import type { Doors } from "./doors.ts";
import type { Target } from "./pool.ts";
import { sql, type Tx } from "./sql.ts";

/** A login of one dedicated placement on our server: see names.ts. */
const DEDICATED_LOGIN = "^bh_l_[0-9a-f]{32}$";

/**
 * Refuses to go on when a run-time login may too much. One round trip, as the platform's login.
 * @param runtime What requests, jobs and the queue connect as: the logins are looked at, and every dedicated one.
 * @throws Error that names each login and what is wrong with it.
 */
export async function checkRuntimeLogins(doors: Doors, runtime: Pick<Target, "user" | "database">[]): Promise<void> {
  const context = { actor: "system", operation: "boot.check", requestId: "", readOnly: true };
  const found = await doors.asPlatform(context, (tx) => findFaults(tx, runtime));
  if (found.length === 0) return;
  const faults = found.map(({ login, fault }) => `login "${login}" ${fault}`).join("; ");
  throw new Error(`Take from the run-time logins what they must not have, then start again: ${faults}`);
}

function findFaults(tx: Tx, runtime: Pick<Target, "user" | "database">[]) {
  const logins = [...new Set(runtime.map((target) => target.user))];
  const databases = [...new Set(runtime.map((target) => target.database))];
  const may = (right: string) =>
    sql`exists (select from pg_database d where d.datname = any (${databases}::text[])
      and has_database_privilege(r.oid, d.oid, 'connect') and has_database_privilege(r.oid, d.oid, ${right}))`;
  return tx<{ login: string; fault: string }>`
    select r.rolname::text as login, w.fault
      from pg_roles r, lateral (values
        (r.rolsuper, 'is a superuser'), (r.rolbypassrls, 'has BYPASSRLS'), (r.rolcreaterole, 'has CREATEROLE'),
        (r.rolcreatedb, 'has CREATEDB'), (r.rolreplication, 'has REPLICATION'),
        (exists (select from pg_auth_members m where m.member = r.oid), 'is a member of another role'),
        (exists (select from pg_shdepend d where d.refclassid = 'pg_authid'::regclass and d.refobjid = r.oid
          and d.deptype = 'o'), 'owns something'),
        (${may("create")}, 'may create schemas'), (${may("temp")}, 'may make temporary tables')
      ) w(broken, fault)
      where w.broken and (r.rolname = any (${logins}::text[]) or r.rolname ~ ${DEDICATED_LOGIN})
    union all
    select session_user::text, 'is not the login that was meant' where session_user <> all (${logins}::text[])
    union all
    select name, 'is not there' from unnest(${logins}::text[]) name where not exists (select from pg_roles where rolname = name)
    order by 1, 2`;
}
