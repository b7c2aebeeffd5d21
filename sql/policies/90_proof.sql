-- The proof: runs last, in the same transaction, and raises if any table, key, policy, view, function, grant or role
-- breaks the model, naming each offender. A hole rolls the rollout back. Reads the catalogue only; locks nothing.
-- It checks what is there and not what the files say: a table made by hand is examined like any other.
-- Runs in the platform database, in placements, and where both are one: each check looks for the schemas that exist.
-- Every fault that it must find is planted in tests/proof/faults_test.ts.

select set_config('bulkhead.proof', jsonb_build_object(
  'owner', :'owner', 'keeper', :'keeper', 'login', :'tenant_login', 'platform', :'platform_login',
  'queue', :'queue_login', 'migrator', :'migrator')::text, true);

do $proof$
declare
  names jsonb := current_setting('bulkhead.proof')::jsonb;
  owner name := names ->> 'owner';
  keeper name := names ->> 'keeper';
  login name := names ->> 'login';
  guard constant text := '(tenant_id = ( SELECT COALESCE(( SELECT entered.tenant_id
           FROM app.entered), app.tenant_id()) AS "coalesce"))';
  -- The one view that shows with the keeper's rights. PostgreSQL 15 names the table before each column.
  entered constant oid := (select c.oid from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = 'app' and c.relname = 'entered' and c.relkind = 'v' and pg_get_userbyid(c.relowner) = keeper
      and c.reloptions = '{security_barrier=true}'
      and replace(regexp_replace(pg_get_viewdef(c.oid), '\s+', ' ', 'g'), 'proven.', '') = ' SELECT tenant_id FROM app.proven'
        ' WHERE ((context = (current_setting(''app.proof''::text, true) || current_setting(''app.tenant_id''::text, true)))'
        ' AND (backend = pg_backend_pid()) AND (until > clock_timestamp()));');
  run_time name[];
  -- By catalogue and not by to_regprocedure(): the migrator may not use the schemas that it proves.
  audits constant oid[] := (select array_agg(p.oid) from pg_proc p join pg_namespace n on n.oid = p.pronamespace
    where n.nspname = 'tenant' and p.proname ~ '^audit_(of_|note$|statement$)' and p.prorettype = 'trigger'::regtype);
  audit_calls constant oid[] := (select array_agg(p.oid) from pg_proc p join pg_namespace n on n.oid = p.pronamespace
    where n.nspname = 'tenant' and (p.proname, p.pronargs) in (values ('audit_refused', 4), ('audit_visited', 2),
      ('audit_outside', 2), ('audit_head', 0)));
  noting constant oid := (select p.oid from pg_proc p join pg_namespace n on n.oid = p.pronamespace
    where n.nspname = 'app' and p.proname = 'note_access' and p.prorettype = 'trigger'::regtype);
  holes text[] := '{}';
  hole text;
begin
  -- The logins that run-time code connects as, so far as they exist on this server (R1).
  select array_agg(rolname) into run_time from pg_roles
    where rolname in (login, names ->> 'platform', names ->> 'queue');

  -- What roles are, and what they belong to.
  for hole in
    select format('login "%s" has %s', rolname, w.word) from pg_roles r,
      lateral (values (rolsuper, 'SUPERUSER'), (rolbypassrls, 'BYPASSRLS'), (rolcreaterole, 'CREATEROLE'),
        (rolcreatedb, 'CREATEDB'), (rolreplication, 'REPLICATION')) w(has, word)
      where r.rolname = any (run_time) and w.has
    union all
    select format('role "%s" %s', rolname, w.word) from pg_roles r,
      lateral (values (rolcanlogin and rolname <> names ->> 'migrator', 'can log in'), (rolsuper, 'has SUPERUSER'),
        (rolbypassrls, 'may bypass row-level security'), (rolreplication, 'has REPLICATION')) w(has, word)
      where r.rolname in (owner, keeper, names ->> 'migrator') and w.has
    union all
    select format('login "%s" is a member of "%s"', m.rolname, g.rolname)
      from pg_auth_members a join pg_roles m on m.oid = a.member join pg_roles g on g.oid = a.roleid
      where m.rolname = any (run_time || owner || keeper)
  loop holes := holes || hole; end loop;

  -- What the logins own (nothing), and what they may do in and to the database and its schemas (R1, R8).
  for hole in
    select format('login "%s" owns %s', r.rolname, pg_describe_object(d.classid, d.objid, d.objsubid))
      from pg_shdepend d join pg_roles r on r.oid = d.refobjid join pg_database b on b.datname = current_database()
      where d.refclassid = 'pg_authid'::regclass and d.deptype = 'o' and d.dbid in (0, b.oid) and r.rolname = any (run_time)
    union all
    -- Foreign servers, parameters, tablespaces, large objects, languages, default privileges: nothing that is not listed.
    select format('login "%s" was granted rights on %s', r.rolname, pg_describe_object(d.classid, d.objid, d.objsubid))
      from pg_shdepend d join pg_roles r on r.oid = d.refobjid join pg_database b on b.datname = current_database()
      where d.refclassid = 'pg_authid'::regclass and d.deptype = 'a' and d.dbid in (0, b.oid) and r.rolname = any (run_time)
        and d.classid not in ('pg_class'::regclass, 'pg_proc'::regclass, 'pg_namespace'::regclass, 'pg_database'::regclass)
    union all
    select format('PUBLIC would be granted %s on what "%s" makes', a.privilege_type, pg_get_userbyid(d.defaclrole))
      from pg_default_acl d, lateral aclexplode(d.defaclacl) a where a.grantee = 0 and d.defaclobjtype in ('r', 'S', 'n')
    union all
    select format('login "%s" may create in schema "%s"', r.rolname, n.nspname) from pg_roles r, pg_namespace n
      where r.rolname = any (run_time) and n.nspname !~ '^pg_(temp|toast_temp)' and has_schema_privilege(r.oid, n.oid, 'create')
    union all
    select format('login "%s" may use schema "%s"', r.rolname, n.nspname) from pg_roles r, pg_namespace n
      where ((r.rolname = login and n.nspname in ('platform', 'pgboss')) or (r.rolname = names ->> 'queue' and n.nspname = 'platform')
          or (r.rolname in (names ->> 'platform', names ->> 'queue') and n.nspname in ('app', 'tenant')))
        and has_schema_privilege(r.oid, n.oid, 'usage')
    union all
    select format('login "%s" has %s on database "%s"', r.rolname, p.word, current_database())
      from pg_roles r, (values ('CREATE'), ('TEMP')) p(word)
      where r.rolname = any (run_time) and has_database_privilege(r.oid, current_database(), p.word)
    union all
    select format('login "%s" may connect to database "%s", where it has no work', r.rolname, current_database())
      from (values (login, 'tenant'), (names ->> 'platform', 'platform'), (names ->> 'queue', 'pgboss')) w(name, place)
        join pg_roles r on r.rolname = w.name
      where not exists (select from pg_namespace where nspname = w.place)
        and has_database_privilege(r.oid, current_database(), 'connect')
    union all
    select format('PUBLIC may connect to database "%s"', datname) from pg_database d
      where datname = current_database() and exists (
        select from aclexplode(coalesce(datacl, acldefault('d', datdba))) a where a.grantee = 0)
    union all
    select format('schema "%s" is owned by "%s"', nspname, pg_get_userbyid(nspowner)) from pg_namespace
      where (nspname in ('tenant', 'reference', 'platform') and pg_get_userbyid(nspowner) <> owner)
        or (nspname = 'app' and pg_get_userbyid(nspowner) <> keeper)
    union all
    select format('role "%s" owns "%s" outside schema app', keeper, t.oid::regclass)
      from pg_class t join pg_namespace n on n.oid = t.relnamespace
      where pg_get_userbyid(t.relowner) = keeper and n.nspname not in ('app', 'pg_toast')
    union all
    select format('table "%s" is owned by "%s", not by the keeper', t.oid::regclass, pg_get_userbyid(t.relowner))
      from pg_class t join pg_namespace n on n.oid = t.relnamespace
      where n.nspname = 'app' and pg_get_userbyid(t.relowner) <> keeper
  loop holes := holes || hole; end loop;

  -- Tables of the tenants: enabled, forced, owned by the owner, guarded; a forgotten one is found here (R2, R6).
  for hole in
    select format('table "%s" %s', t.oid::regclass, f.fault)
      from pg_class t join pg_namespace n on n.oid = t.relnamespace,
      lateral (values
        (not t.relrowsecurity, 'has row-level security off'),
        (not t.relforcerowsecurity, 'does not force row-level security on its owner'),
        (pg_get_userbyid(t.relowner) <> owner, 'is owned by ' || quote_ident(pg_get_userbyid(t.relowner))),
        (not exists (select from pg_attribute a where a.attrelid = t.oid and a.attname = 'tenant_id'
          and a.atttypid = 'uuid'::regtype and a.attnotnull), 'has no column tenant_id uuid not null'),
        (not exists (select from pg_policy p where p.polrelid = t.oid and p.polname = 'tenant_guard' and not p.polpermissive
          and p.polcmd = '*' and p.polroles = '{0}' and pg_get_expr(p.polqual, t.oid) = guard
          and pg_get_expr(p.polwithcheck, t.oid) = guard), 'has no restrictive tenant_guard on every command'),
        (exists (select from pg_inherits i where i.inhrelid = t.oid or i.inhparent = t.oid) and t.relkind = 'r'
          and not t.relispartition, 'takes part in inheritance'),
        (not exists (select from pg_index i where i.indrelid = t.oid and i.indisprimary), 'has no primary key'),
        (exists (select from pg_attribute a where a.attrelid = t.oid and a.attidentity <> ''), 'counts over all tenants (identity)'),
        (exists (select from pg_rewrite r where r.ev_class = t.oid), 'has a rule that rewrites statements')
      ) f(broken, fault)
      where n.nspname = 'tenant' and t.relkind in ('r', 'p', 'f') and f.broken
    union all
    select format('table "%s" is shared by all tenants but has a column tenant_id', t.oid::regclass)
      from pg_attribute a join pg_class t on t.oid = a.attrelid join pg_namespace n on n.oid = t.relnamespace
      where n.nspname = 'reference' and a.attname = 'tenant_id' and t.relkind in ('r', 'p', 'f', 'm')
  loop holes := holes || hole; end loop;

  -- Keys: row-level security does not guard unique indexes and foreign keys, so the tenant leads each of them (R4).
  for hole in
    select format('index "%s" is unique but does not begin with tenant_id', i.indexrelid::regclass)
      from pg_index i join pg_class t on t.oid = i.indrelid join pg_namespace n on n.oid = t.relnamespace
      where n.nspname = 'tenant' and (i.indisunique or i.indisprimary or i.indisexclusion)
        and not exists (select from pg_attribute a where a.attrelid = t.oid and a.attnum = i.indkey[0] and a.attname = 'tenant_id')
    union all
    select format('exclusion "%s" of "%s" does not compare tenant_id by =', c.conname, c.conrelid::regclass)
      from pg_constraint c join pg_class t on t.oid = c.conrelid join pg_namespace n on n.oid = t.relnamespace
      where n.nspname = 'tenant' and c.contype = 'x' and (select oprname from pg_operator o where o.oid = c.conexclop[1]) <> '='
    union all
    select format('foreign key "%s" of "%s" %s', c.conname, c.conrelid::regclass, f.fault)
      from pg_constraint c join pg_class t on t.oid = c.conrelid join pg_namespace n on n.oid = t.relnamespace
        join pg_class u on u.oid = c.confrelid join pg_namespace m on m.oid = u.relnamespace,
      lateral (values
        (n.nspname = 'tenant' and m.nspname = 'tenant' and not (
          exists (select from pg_attribute a where a.attrelid = c.conrelid and a.attnum = c.conkey[1] and a.attname = 'tenant_id')
          and exists (select from pg_attribute a where a.attrelid = c.confrelid and a.attnum = c.confkey[1] and a.attname = 'tenant_id')),
          'does not carry tenant_id'),
        (n.nspname = 'tenant' and m.nspname not in ('tenant', 'reference'), 'reaches out of the tenant schema'),
        (n.nspname <> 'tenant' and m.nspname = 'tenant', 'reaches into the tenant schema')
      ) f(broken, fault)
      where c.contype = 'f' and f.broken
  loop holes := holes || hole; end loop;

  -- Ways round the tables: views with their owner's rights, wherever they are; kept copies; triggers (R7).
  for hole in
    with over_tenants as (
      select distinct r.ev_class as view from pg_rewrite r
        join pg_depend d on d.classid = 'pg_rewrite'::regclass and d.objid = r.oid and d.refclassid = 'pg_class'::regclass
        join pg_class u on u.oid = d.refobjid and u.oid <> r.ev_class join pg_namespace m on m.oid = u.relnamespace
        where m.nspname in ('tenant', 'app'))
    select format('view "%s" does not run with the rights of its caller (security_invoker)', v.oid::regclass)
      from pg_class v join pg_namespace n on n.oid = v.relnamespace
      where v.relkind = 'v' and (n.nspname in ('tenant', 'reference', 'app', 'public') or v.oid in (select view from over_tenants))
        and not coalesce(v.reloptions @> '{security_invoker=true}' or v.reloptions @> '{security_invoker=on}', false)
        and not exists (select from pg_depend e where e.objid = v.oid and e.deptype = 'e') and v.oid is distinct from entered
    union all
    select 'view "app.entered" does not show only what the caller proves'
      where entered is null and exists (select from pg_namespace where nspname = 'app')
    union all
    select format('table "app.%s" does not remove what was remembered of it', t.name)
      from (values ('keys'), ('gates'), ('access')) t(name)
      where exists (select from pg_namespace where nspname = 'app') and not exists (
        select from pg_trigger g join pg_class c on c.oid = g.tgrelid join pg_namespace n on n.oid = c.relnamespace
          join pg_proc p on p.oid = g.tgfoid
        where n.nspname = 'app' and c.relname = t.name and p.proname = 'forget' and p.pronamespace = n.oid
          and g.tgenabled = 'A' and g.tgtype = 25 and g.tgqual is null and g.tgattr = '') -- 25: after each row, delete, update
    union all
    select format('materialized view "%s" keeps rows of tenants and is granted to others', v.oid::regclass)
      from pg_class v where v.relkind = 'm' and v.oid in (select view from over_tenants)
        and exists (select from aclexplode(v.relacl) a where a.grantee <> v.relowner)
    union all
    select format('trigger "%s" on "%s" runs a function with the rights of its definer', g.tgname, g.tgrelid::regclass)
      from pg_trigger g join pg_class t on t.oid = g.tgrelid join pg_namespace n on n.oid = t.relnamespace
        join pg_proc f on f.oid = g.tgfoid
      where n.nspname = 'tenant' and not g.tgisinternal and f.prosecdef
        and f.oid <> all (coalesce(audits, '{}') || noting)
    union all
    select format('table "tenant.%s" does not tell who is let in', t.name)
      from (values ('members'), ('api_keys'), ('impersonations')) t(name)
      where exists (select from pg_namespace where nspname = 'tenant') and not exists (
        select from pg_trigger g join pg_class c on c.oid = g.tgrelid join pg_namespace n on n.oid = c.relnamespace
        where n.nspname = 'tenant' and c.relname = t.name and g.tgfoid = noting and g.tgenabled in ('O', 'A')
          and g.tgtype = 29 and g.tgqual is null) -- 29: after each row, insert, delete, update
    union all
    select format('function "%s" %s', p.oid::regprocedure, f.fault) from pg_proc p join pg_namespace n on n.oid = p.pronamespace,
      lateral (values (pg_get_userbyid(p.proowner) <> keeper, 'is not owned by the keeper'),
        (not p.prosecdef, 'cannot write the keeper''s tables (SECURITY DEFINER is off)'),
        (not coalesce(p.proconfig @> array['search_path=pg_catalog, pg_temp'], false), 'has no fixed search_path')) f(broken, fault)
      where n.nspname = 'app' and p.proname in ('note_access', 'remember', 'forget') and f.broken
  loop holes := holes || hole; end loop;

  -- The audit: every table is audited or says why not, by a trigger that fires at every change of what it does not leave out;
  -- what enters and chains the entries is the owner's, and nobody else's.
  for hole in
    select format('table "%s" is neither audited nor said not to be', t.oid::regclass)
      from pg_class t join pg_namespace n on n.oid = t.relnamespace
      where n.nspname = 'tenant' and t.relkind in ('r', 'p') and not t.relispartition and t.relname <> 'audit'
        and coalesce(obj_description(t.oid, 'pg_class'), '') not like '%. Not audited: %'
        and not exists (select from pg_trigger g join pg_proc p on p.oid = g.tgfoid
          where g.tgrelid = t.oid and p.oid = any (audits) and p.proname = 'audit_of_' || t.relname and g.tgenabled in ('O', 'A')
            and g.tgtype = 29 and g.tgdeferrable and g.tginitdeferred and g.tgqual is null -- 29: row, insert, delete, update
            and not exists (select from pg_attribute a where a.attrelid = t.oid and a.attnum > 0 and not a.attisdropped
              and a.attnum <> all (g.tgattr)
              and a.attname <> all (split_part(encode(g.tgargs, 'escape'), '\000', 1)::name[])))
        and 3 <> (select count(distinct g.tgtype) from pg_trigger g join pg_proc p on p.oid = g.tgfoid
          where g.tgrelid = t.oid and p.oid = any (audits) and p.proname = 'audit_statement' and g.tgenabled in ('O', 'A')
            and g.tgtype in (4, 8, 16) and g.tgqual is null and g.tgattr = '') -- after each statement
    union all
    select format('function "%s" %s', p.oid::regprocedure, f.fault) from pg_proc p,
      lateral (values (pg_get_userbyid(p.proowner) <> owner, 'is not owned by the owner of the tables'),
        (not p.prosecdef, 'cannot write the audit (SECURITY DEFINER is off)'),
        (not coalesce(p.proconfig @> array['search_path=pg_catalog, pg_temp'], false), 'has no fixed search_path')) f(broken, fault)
      where p.oid = any (audits || audit_calls) and f.broken
    union all
    select 'what is noted for the audit is not entered at the commit'
      from pg_class c join pg_namespace n on n.oid = c.relnamespace
      where n.nspname = 'app' and c.relname = 'audit_pending' and not exists (
        select from pg_trigger g join pg_proc p on p.oid = g.tgfoid
        where g.tgrelid = c.oid and p.oid = any (audits) and p.proname = 'audit_note' and g.tgenabled in ('O', 'A')
          and g.tgtype = 5 and g.tgdeferrable and g.tginitdeferred and g.tgqual is null)
  loop holes := holes || hole; end loop;

  -- Grants on relations and columns, each held against what is allowed in its schema; tenant_id is never written (R1, R7).
  for hole in
    with held as (
      select t.oid, n.nspname, t.relkind, t.relispartition, t.relowner, null::name as attname, a.grantee, a.privilege_type, a.is_grantable
        from pg_class t join pg_namespace n on n.oid = t.relnamespace, lateral aclexplode(t.relacl) a
      union all
      select t.oid, n.nspname, t.relkind, t.relispartition, t.relowner, c.attname, a.grantee, a.privilege_type, a.is_grantable
        from pg_attribute c join pg_class t on t.oid = c.attrelid join pg_namespace n on n.oid = t.relnamespace,
          lateral aclexplode(c.attacl) a),
    named as (
      select *, case when grantee = 0 then 'PUBLIC' else pg_get_userbyid(grantee)::text end as who from held where grantee <> relowner)
    select format('%s has %s%s on %s"%s"', who, privilege_type, case when is_grantable then ' with grant option' else '' end,
        'column "' || attname || '" of ', oid::regclass)
      from named where case nspname
        when 'tenant' then not (who = login and relkind in ('r', 'p', 'v') and not relispartition and not is_grantable
          and (privilege_type = 'SELECT' or oid::regclass::text <> 'tenant.audit') -- the audit is append-only
          and (privilege_type = 'SELECT' or (privilege_type = 'DELETE' and attname is null)
            or (privilege_type in ('INSERT', 'UPDATE') and coalesce(attname, 'tenant_id') <> 'tenant_id')))
        when 'reference' then not (who = login and relkind in ('r', 'p', 'v') and not is_grantable and privilege_type = 'SELECT')
        when 'app' then not (attname is null and not is_grantable and (oid = entered and who in (owner, login) and privilege_type = 'SELECT'
          or who = owner and privilege_type = any (case oid::regclass::text
          when 'app.migrations' then array['SELECT', 'INSERT']
          when 'app.audit_heads' then array['SELECT', 'INSERT', 'UPDATE']
          when 'app.audit_pending' then array['SELECT', 'INSERT', 'DELETE', 'TRIGGER'] else '{}' end)))
        when 'platform' then who = 'PUBLIC' or who in (login, names ->> 'queue')
          or (who = names ->> 'platform' and privilege_type not in ('SELECT', 'INSERT', 'UPDATE', 'DELETE'))
        when 'pgboss' then who = 'PUBLIC' or who = login
          or (who = any (run_time) and privilege_type not in ('SELECT', 'INSERT', 'UPDATE', 'DELETE'))
        else who = login or (who = 'PUBLIC' and exists (select from pg_attribute a where a.attrelid = named.oid and a.attname = 'tenant_id'))
      end
  loop holes := holes || hole; end loop;

  -- Functions: nothing that runs with another's rights may be called by the tenant login, but app.tenant_id(), app.remember() and the audit's three (R7).
  for hole in
    select format('function "%s" runs with the rights of "%s" and can be called by the tenant login',
        p.oid::regprocedure, pg_get_userbyid(p.proowner))
      from pg_proc p join pg_namespace n on n.oid = p.pronamespace
      where p.prosecdef and n.nspname not in ('pg_catalog', 'information_schema')
        and exists (select from pg_roles where rolname = login)
        and has_function_privilege(login, p.oid, 'execute') and has_schema_privilege(login, n.oid, 'usage')
        and not (n.nspname = 'app' and (p.proname, p.pronargs) in (values ('tenant_id', 0), ('remember', 3)))
        and p.oid <> all (coalesce(audit_calls, '{}'))
    union all
    select format('function "app.tenant_id()" %s', f.fault) from pg_proc p join pg_namespace n on n.oid = p.pronamespace,
      lateral (values (p.provolatile <> 's', 'is not STABLE'), (not p.prosecdef, 'cannot read the keys (SECURITY DEFINER is off)'),
        (pg_get_userbyid(p.proowner) <> keeper, 'is not owned by the keeper'),
        (not coalesce(p.proconfig @> array['search_path=pg_catalog, pg_temp'], false), 'has no fixed search_path')) f(broken, fault)
      where n.nspname = 'app' and p.proname = 'tenant_id' and f.broken
    union all
    select 'function "app.tenant_id()" is missing' where exists (select from pg_namespace where nspname = 'tenant')
        and not exists (select from pg_proc p join pg_namespace n on n.oid = p.pronamespace where n.nspname = 'app' and p.proname = 'tenant_id')
  loop holes := holes || hole; end loop;

  if cardinality(holes) > 0 then
    raise exception using errcode = 'BH900',
      message = format('The proof found %s hole%s', cardinality(holes), case when cardinality(holes) = 1 then '' else 's' end),
      detail = array_to_string(holes, E'\n');
  end if;
end
$proof$;
