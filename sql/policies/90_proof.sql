-- The proof: runs last, in the same transaction, and raises if any table, key, policy, view, function, grant or role
-- breaks the model, naming each offender. A hole rolls the rollout back. Reads the catalogue only; locks nothing.
-- It checks what is there and not what the files say: a table made by hand is examined like any other.
-- Runs in the platform database, in placements, and where both are one: each check looks for the schemas that exist.

select set_config('bulkhead.proof', jsonb_build_object(
  'owner', :'owner', 'keeper', :'keeper', 'login', :'tenant_login', 'platform', :'platform_login',
  'queue', :'queue_login', 'migrator', :'migrator')::text, true);

do $proof$
declare
  names jsonb := current_setting('bulkhead.proof')::jsonb;
  login name := names ->> 'login';
  guard constant text := '(tenant_id = ( SELECT app.tenant_id() AS tenant_id))';
  run_time name[];
  holes text[] := '{}';
  hole text;
begin
  -- The logins that run-time code connects as, so far as they exist on this server (R1).
  select array_agg(rolname) into run_time from pg_roles
    where rolname in (login, names ->> 'platform', names ->> 'queue');

  for hole in
    select format('login "%s" has %s', rolname, w.word) from pg_roles r,
      lateral (values (rolsuper, 'SUPERUSER'), (rolbypassrls, 'BYPASSRLS'), (rolcreaterole, 'CREATEROLE'),
        (rolcreatedb, 'CREATEDB'), (rolreplication, 'REPLICATION')) w(has, word)
      where r.rolname = any (run_time) and w.has
    union all
    select format('role "%s" %s', rolname, case when rolcanlogin then 'can log in' else 'may bypass row-level security' end)
      from pg_roles where rolname in (names ->> 'owner', names ->> 'keeper') and (rolcanlogin or rolsuper or rolbypassrls)
    union all
    select format('login "%s" is a member of "%s"', m.rolname, g.rolname)
      from pg_auth_members a join pg_roles m on m.oid = a.member join pg_roles g on g.oid = a.roleid
      where m.rolname = any (run_time)
    union all
    select format('login "%s" owns %s "%s"', r.rolname, o.kind, o.what) from pg_roles r join (
        select relowner as owner, 'relation' as kind, oid::regclass::text as what from pg_class
        union all select proowner, 'function', oid::regprocedure::text from pg_proc
        union all select nspowner, 'schema', nspname::text from pg_namespace
        union all select datdba, 'database', datname::text from pg_database
        union all select typowner, 'type', typname::text from pg_type) o on o.owner = r.oid
      where r.rolname = any (run_time)
    union all
    select format('login "%s" may create in schema "%s"', r.rolname, n.nspname) from pg_roles r, pg_namespace n
      where r.rolname = any (run_time) and n.nspname !~ '^pg_(temp|toast_temp)' and has_schema_privilege(r.oid, n.oid, 'create')
    union all
    select format('login "%s" has %s on database "%s"', r.rolname, p.word, d.datname)
      from pg_roles r, pg_database d, (values ('CREATE'), ('TEMP')) p(word)
      where r.rolname = any (run_time) and d.datname = current_database() and has_database_privilege(r.oid, d.oid, p.word)
    union all
    select format('PUBLIC may connect to database "%s"', datname) from pg_database d
      where datname = current_database() and exists (
        select from aclexplode(coalesce(datacl, acldefault('d', datdba))) a where a.grantee = 0)
  loop holes := holes || hole; end loop;

  -- Tables of the tenants: enabled, forced, owned by the owner, guarded; a forgotten one is found here (R2, R6).
  for hole in
    select format('table "%s" %s', t.oid::regclass, f.fault)
      from pg_class t join pg_namespace n on n.oid = t.relnamespace,
      lateral (values
        (not t.relrowsecurity, 'has row-level security off'),
        (not t.relforcerowsecurity, 'does not force row-level security on its owner'),
        (pg_get_userbyid(t.relowner) <> names ->> 'owner', 'is owned by ' || quote_ident(pg_get_userbyid(t.relowner))),
        (not exists (select from pg_attribute a where a.attrelid = t.oid and a.attname = 'tenant_id'
          and a.atttypid = 'uuid'::regtype and a.attnotnull), 'has no column tenant_id uuid not null'),
        (not exists (select from pg_policy p where p.polrelid = t.oid and p.polname = 'tenant_guard' and not p.polpermissive
          and p.polcmd = '*' and p.polroles = '{0}' and pg_get_expr(p.polqual, t.oid) = guard
          and pg_get_expr(p.polwithcheck, t.oid) = guard), 'has no restrictive tenant_guard on every command'),
        (exists (select from pg_inherits i where i.inhrelid = t.oid or i.inhparent = t.oid) and t.relkind = 'r'
          and not t.relispartition, 'takes part in inheritance'),
        (not exists (select from pg_index i where i.indrelid = t.oid and i.indisprimary), 'has no primary key')
      ) f(broken, fault)
      where n.nspname = 'tenant' and t.relkind in ('r', 'p', 'f') and f.broken
    union all
    select format('index "%s" is unique but does not begin with tenant_id', i.indexrelid::regclass)
      from pg_index i join pg_class t on t.oid = i.indrelid join pg_namespace n on n.oid = t.relnamespace
      where n.nspname = 'tenant' and (i.indisunique or i.indisprimary or i.indisexclusion)
        and not exists (select from pg_attribute a where a.attrelid = t.oid and a.attnum = i.indkey[0] and a.attname = 'tenant_id')
    union all
    select format('foreign key "%s" of "%s" does not carry tenant_id', c.conname, c.conrelid::regclass)
      from pg_constraint c join pg_class t on t.oid = c.conrelid join pg_namespace n on n.oid = t.relnamespace
        join pg_class u on u.oid = c.confrelid join pg_namespace m on m.oid = u.relnamespace
      where c.contype = 'f' and n.nspname = 'tenant' and m.nspname <> 'reference'
        and not (exists (select from pg_attribute a where a.attrelid = c.conrelid and a.attnum = c.conkey[1] and a.attname = 'tenant_id')
          and exists (select from pg_attribute a where a.attrelid = c.confrelid and a.attnum = c.confkey[1] and a.attname = 'tenant_id'))
    union all
    select format('foreign key "%s" of "%s" reaches into the tenant schema', c.conname, c.conrelid::regclass)
      from pg_constraint c join pg_class t on t.oid = c.conrelid join pg_namespace n on n.oid = t.relnamespace
        join pg_class u on u.oid = c.confrelid join pg_namespace m on m.oid = u.relnamespace
      where c.contype = 'f' and m.nspname = 'tenant' and n.nspname <> 'tenant'
    union all
    select format('view "%s" does not run with the rights of its caller (security_invoker)', v.oid::regclass)
      from pg_class v join pg_namespace n on n.oid = v.relnamespace
      where n.nspname in ('tenant', 'reference', 'app', 'public') and v.relkind = 'v'
        and not coalesce(v.reloptions @> '{security_invoker=true}' or v.reloptions @> '{security_invoker=on}', false)
        and not exists (select from pg_depend e where e.objid = v.oid and e.deptype = 'e')
    union all
    select format('trigger "%s" on "%s" runs a function with the rights of its definer', g.tgname, g.tgrelid::regclass)
      from pg_trigger g join pg_class t on t.oid = g.tgrelid join pg_namespace n on n.oid = t.relnamespace
        join pg_proc f on f.oid = g.tgfoid
      where n.nspname = 'tenant' and not g.tgisinternal and f.prosecdef
  loop holes := holes || hole; end loop;

  -- Grants: only the tenant login, only SELECT, INSERT, UPDATE, DELETE; tenant_id is never written (R1, R7).
  for hole in
    select format('%s has %s on "%s"', case when a.grantee = 0 then 'PUBLIC' else quote_ident(pg_get_userbyid(a.grantee)) end,
        a.privilege_type, t.oid::regclass)
      from pg_class t join pg_namespace n on n.oid = t.relnamespace,
        lateral aclexplode(coalesce(t.relacl, acldefault(case when t.relkind = 'S' then 's' else 'r' end::"char", t.relowner))) a
      where n.nspname in ('tenant', 'reference', 'app') and a.grantee <> t.relowner
        and not (n.nspname = 'tenant' and pg_get_userbyid(a.grantee) = login and t.relkind in ('r', 'p', 'v')
          and not t.relispartition and a.privilege_type in ('SELECT', 'DELETE') and not a.is_grantable)
        and not (n.nspname = 'reference' and pg_get_userbyid(a.grantee) = login and a.privilege_type = 'SELECT')
        and not (n.nspname = 'app' and t.relname = 'migrations' and pg_get_userbyid(a.grantee) = names ->> 'owner')
    union all
    select format('%s may write column "%s" of "%s"', quote_ident(pg_get_userbyid(a.grantee)), c.attname, t.oid::regclass)
      from pg_attribute c join pg_class t on t.oid = c.attrelid join pg_namespace n on n.oid = t.relnamespace,
        lateral aclexplode(c.attacl) a
      where n.nspname in ('tenant', 'reference', 'app') and a.grantee <> t.relowner
        and not (n.nspname = 'tenant' and pg_get_userbyid(a.grantee) = login and c.attname <> 'tenant_id'
          and a.privilege_type in ('INSERT', 'UPDATE', 'SELECT') and not a.is_grantable)
    union all
    select format('login "%s" may use schema "%s"', login, n.nspname) from pg_namespace n
      where n.nspname in ('platform', 'pgboss') and exists (select from pg_roles where rolname = login)
        and has_schema_privilege(login, n.oid, 'usage')
    union all
    select format('login "%s" has %s on "%s"', r.rolname, a.privilege_type, t.oid::regclass)
      from pg_class t join pg_namespace n on n.oid = t.relnamespace, lateral aclexplode(t.relacl) a join pg_roles r on r.oid = a.grantee
      where n.nspname in ('platform', 'pgboss') and r.rolname = any (run_time)
        and a.privilege_type not in ('SELECT', 'INSERT', 'UPDATE', 'DELETE')
  loop holes := holes || hole; end loop;

  -- Functions: nothing that runs with another's rights may be called by the tenant login, but app.tenant_id() (R7).
  for hole in
    select format('function "%s" runs with the rights of "%s" and can be called by the tenant login',
        p.oid::regprocedure, pg_get_userbyid(p.proowner))
      from pg_proc p join pg_namespace n on n.oid = p.pronamespace
      where p.prosecdef and n.nspname not in ('pg_catalog', 'information_schema')
        and exists (select from pg_roles where rolname = login)
        and has_function_privilege(login, p.oid, 'execute') and has_schema_privilege(login, n.oid, 'usage')
        and not (n.nspname = 'app' and p.proname = 'tenant_id' and p.pronargs = 0)
    union all
    select format('function "app.tenant_id()" %s', f.fault) from pg_proc p join pg_namespace n on n.oid = p.pronamespace,
      lateral (values (p.provolatile <> 's', 'is not STABLE'), (not p.prosecdef, 'cannot read the keys (SECURITY DEFINER is off)'),
        (pg_get_userbyid(p.proowner) <> names ->> 'keeper', 'is not owned by the keeper'),
        (not coalesce(p.proconfig @> array['search_path=pg_catalog, pg_temp'], false), 'has no fixed search_path')) f(broken, fault)
      where n.nspname = 'app' and p.proname = 'tenant_id' and f.broken
    union all
    select 'function "app.tenant_id()" is missing' where exists (select from pg_namespace where nspname = 'tenant')
        and not exists (select from pg_proc p join pg_namespace n on n.oid = p.pronamespace where n.nspname = 'app' and p.proname = 'tenant_id')
    union all
    select format('role "%s" owns "%s" outside schema app', names ->> 'keeper', t.oid::regclass) from pg_class t
      join pg_namespace n on n.oid = t.relnamespace
      where pg_get_userbyid(t.relowner) = names ->> 'keeper' and n.nspname not in ('app', 'pg_toast')
  loop holes := holes || hole; end loop;

  if cardinality(holes) > 0 then
    raise exception using errcode = 'BH900',
      message = format('The proof found %s hole%s', cardinality(holes), case when cardinality(holes) = 1 then '' else 's' end),
      detail = array_to_string(holes, E'\n');
  end if;
end
$proof$;
