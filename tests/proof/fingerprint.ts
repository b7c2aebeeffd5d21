// Everything in a database's catalogue that a rollout may touch, as sorted lines: two rollouts must leave the same lines.
import type { Sql } from "../../src/db/direct.ts";

const LINES = `
  with spaces as (select oid, nspname from pg_namespace where nspname in ('app', 'tenant', 'reference', 'platform', 'pgboss', 'public')),
  relations as (select t.*, t.oid::regclass::text as name from pg_class t join spaces n on n.oid = t.relnamespace)
  select format('schema %s %s %s', nspname, nspowner::regrole, nspacl) as line from pg_namespace where oid in (select oid from spaces)
  union all select format('database %s %s', datdba::regrole, datacl) from pg_database where datname = current_database()
  union all select format('relation %s %s %s rls %s %s %s %s', name, relkind, relowner::regrole, relrowsecurity, relforcerowsecurity,
    relacl, reloptions) from relations
  union all select format('column %s.%s %s %s null %s default %s %s %s', r.name, a.attname, a.attnum,
    format_type(a.atttypid, a.atttypmod), not a.attnotnull, pg_get_expr(d.adbin, d.adrelid), a.attacl, a.attgenerated)
    from pg_attribute a join relations r on r.oid = a.attrelid left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
    where a.attnum > 0 and not a.attisdropped
  union all select format('policy %s %s %s %s %s using %s check %s', r.name, p.polname, p.polpermissive, p.polcmd, p.polroles,
    pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid)) from pg_policy p join relations r on r.oid = p.polrelid
  union all select format('constraint %s %s %s', c.conrelid::regclass, c.conname, pg_get_constraintdef(c.oid))
    from pg_constraint c join relations r on r.oid = c.conrelid
  union all select 'index ' || pg_get_indexdef(i.indexrelid) from pg_index i join relations r on r.oid = i.indrelid
  union all select 'trigger ' || pg_get_triggerdef(g.oid) from pg_trigger g join relations r on r.oid = g.tgrelid where not g.tgisinternal
  union all select format('function %s %s %s %s %s %s %s', f.oid::regprocedure, f.proowner::regrole, f.prosecdef, f.provolatile,
    f.proconfig, f.proacl, md5(f.prosrc)) from pg_proc f join spaces n on n.oid = f.pronamespace
  union all select format('comment %s %s %s', d.classoid::regclass, d.objoid::regclass, d.description)
    from pg_description d join relations r on r.oid = d.objoid where d.classoid = 'pg_class'::regclass
  union all select format('comment on column %s %s %s', r.name, d.objsubid, md5(d.description))
    from pg_description d join relations r on r.oid = d.objoid where d.objsubid > 0 and d.classoid = 'pg_class'::regclass
  union all select format('event trigger %s %s', evtname, evtenabled) from pg_event_trigger
  union all select format('role %s %s %s %s %s %s %s', rolname, rolsuper, rolcanlogin, rolbypassrls, rolconnlimit, md5(rolpassword), rolconfig)
    from (select a.*, s.setconfig as rolconfig from pg_authid a left join pg_db_role_setting s on s.setrole = a.oid and s.setdatabase = 0) a
    where rolname !~ '^pg_'
  order by 1`;

/** The lines of one database; run as superuser. */
export async function fingerprint(sql: Sql): Promise<string[]> {
  return (await sql.unsafe(LINES)).map((row) => row.line);
}
