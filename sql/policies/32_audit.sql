-- The audit: every write of a tenant's rows is entered in tenant.audit, in its own transaction. Which tables, which columns:
-- the list at the end of this file, one line a table. A table without its line stops the rollout (90_proof.sql).
-- Desired state, re-applied whole at each rollout. Locks: short exclusive locks on tenant tables. Undo: drop the triggers.
--
-- Entries are numbered and chained at COMMIT, by deferred triggers: the head of the chain is then locked for as long as
-- the commit takes and no longer, after every other lock of the transaction, so it is part of no deadlock.
-- The login may read tenant.audit and nothing else; the functions here write it, as the owner, under the same guard as
-- everybody: at the commit the context must still be proven and still be that of the row's tenant.

set local role :"keeper";

-- Half-empty pages: a head is rewritten at every write, and its new version should find room beside the old one.
create table if not exists app.audit_heads (
  tenant_id uuid primary key,
  seq bigint not null,
  previous bytea not null,
  hash bytea not null
) with (fillfactor = 50);
comment on table app.audit_heads is 'Where each tenant''s audit ends: without it the last entries could be removed unseen';
comment on column app.audit_heads.tenant_id is 'The tenant';
comment on column app.audit_heads.seq is 'Number of the last entry, 0 before the first';
comment on column app.audit_heads.previous is 'Hash of the entry before the last';
comment on column app.audit_heads.hash is 'Hash of the last entry';

-- What is entered at the commit although it is no row of its own. A row lives as long as its transaction.
create table if not exists app.audit_pending (
  xact xid8 not null default pg_current_xact_id(),
  id uuid not null default gen_random_uuid(),
  tenant_id uuid not null,
  action text not null,
  operation text,
  resource text not null,
  changes jsonb not null,
  primary key (xact, id)
);
comment on table app.audit_pending is 'Notes of the running transactions for their audit entries; empty when none runs';
comment on column app.audit_pending.xact is 'The transaction';
comment on column app.audit_pending.id is 'Identifier';
comment on column app.audit_pending.tenant_id is 'The tenant';
comment on column app.audit_pending.action is 'bulk, refused, visited or outside';
comment on column app.audit_pending.operation is 'Operation that was refused; null for the one that runs';
comment on column app.audit_pending.resource is 'As in tenant.audit';
comment on column app.audit_pending.changes is 'As in tenant.audit';

revoke all on app.audit_heads, app.audit_pending from public, :"owner", :"tenant_login";
grant select, insert, update on app.audit_heads to :"owner";
grant select, insert, delete, trigger on app.audit_pending to :"owner";

reset role;
set local role :"owner";

call app.isolate('tenant.audit');
grant select on tenant.audit to :"tenant_login";
revoke update, truncate on tenant.audit from :"owner";
comment on column tenant.audit.action is 'insert, update or delete of one row; bulk for many rows in one entry; refused for what was not allowed; visited for what an operator asked for; outside for a change of what the platform keeps';
-- No INSERT for the login: entries come from the functions below. Nobody has UPDATE; DELETE is the owner's, for erasure.

-- A long value as the audit shows it: by its size and its hash.
create or replace function tenant.audit_cut(value jsonb) returns jsonb
language sql immutable parallel safe
as $$
  select case when octet_length(value::text) <= 1000 then value else to_jsonb('[' || octet_length(value::text)::text ||
    ' bytes, SHA-256 ' || encode(sha256(convert_to(value::text, 'UTF8')), 'hex') || ']') end
$$;
comment on function tenant.audit_cut(jsonb) is 'A value as the audit shows it: a long one by its size and its hash';

-- Makes the trigger function that enters changes in the audit; `body` gives detail, and key, action and resource where they
-- are others. A function a table, with its columns written out: plpgsql makes each expression ready anew in each
-- transaction, and one function for all tables, which takes rows apart as JSON, costs a write a third more.
create or replace procedure tenant.audit_function(name text, body text)
language plpgsql
set search_path = pg_catalog, pg_temp
as $procedure$
begin
  execute format($function$
create or replace function tenant.%I() returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  owner_id constant uuid := coalesce(new.tenant_id, old.tenant_id);
  entry_at constant timestamptz := clock_timestamp();
  entry_actor constant text := split_part(split_part(current_setting('app.proof', true), '.', 3), ':units', 1);
  entry_origin constant text := left(current_setting('app.origin', true), 1000);
  entry_operation text := current_setting('app.operation', true);
  entry_action text := lower(tg_op);
  entry_resource text := tg_table_name;
  key text;
  detail jsonb := '{}';
  content text;
begin
  if current_setting('app.tenant_id', true) is distinct from owner_id::text then
    -- Whoever is above row-level security may write without a context, and could switch this trigger off as well.
    if coalesce(current_setting('app.tenant_id', true), '') = ''
      and (select rolsuper or rolbypassrls from pg_roles where rolname = session_user) then
      return null;
    end if;
    raise insufficient_privilege using message = 'the context was changed before the commit';
  end if;
%s
  if detail is null or detail = '{}' then
    return null; -- nothing that is audited has changed, or an earlier note of this transaction has told it
  end if;
  content := json_build_array(to_char(entry_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), entry_actor, entry_origin,
    entry_operation, entry_action, entry_resource, key, detail);
  loop
    -- The guard of tenant.audit asks app.tenant_id() here: the context, and with it the actor, is proven at the commit.
    with head as (
      update app.audit_heads h
      set seq = h.seq + 1, previous = h.hash,
        hash = sha256(h.hash || convert_to(owner_id || ' ' || h.seq + 1 || ' ' || content, 'UTF8'))
      where h.tenant_id = owner_id
      returning h.seq, h.previous, h.hash)
    insert into tenant.audit (tenant_id, seq, at, actor, origin, operation, action, resource, resource_id, changes, prev_hash, hash)
    select owner_id, h.seq, entry_at, entry_actor, entry_origin, entry_operation, entry_action, entry_resource, key, detail,
      h.previous, h.hash from head h;
    exit when found;
    insert into app.audit_heads (tenant_id, seq, previous, hash)
    values (owner_id, 0, '', sha256(convert_to('bulkhead audit ' || owner_id, 'UTF8'))) on conflict do nothing;
  end loop;
  return null;
end
$$
  $function$, name, body);
  execute format('revoke all on function tenant.%I() from public', name);
end
$procedure$;
comment on procedure tenant.audit_function(text, text) is 'Makes a trigger function that enters changes in the audit';

-- Notes what one statement did to a table whose rows are too many for entries of their own.
-- Argument: a query on its rows that gives their tenant, their number, and the first and the last key.
create or replace function tenant.audit_statement() returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  owner_id uuid;
  counted bigint;
  first text;
  last text;
begin
  if coalesce(current_setting('app.tenant_id', true), '') = ''
    and (select rolsuper or rolbypassrls from pg_roles where rolname = session_user) then
    return null; -- as in the functions of rows
  end if;
  execute tg_argv[0] into owner_id, counted, first, last;
  if counted > 0 then
    insert into app.audit_pending (tenant_id, action, resource, changes)
    values (owner_id, 'bulk', tg_table_name, jsonb_build_object(lower(tg_op), counted, 'from', first, 'to', last));
  end if;
  return null;
end
$$;
comment on function tenant.audit_statement() is 'Notes for the audit how many rows a statement wrote';

-- Enters a refused access decision. An attacker may add such entries to his own tenant's audit, and remove none.
create or replace function tenant.audit_refused(operation text, resource text, reason text, times int default 1)
returns void
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  owner_id constant uuid := app.tenant_id();
begin
  if owner_id is null then
    raise insufficient_privilege using message = 'tenant context refused';
  end if;
  insert into app.audit_pending (tenant_id, action, operation, resource, changes)
  values (owner_id, 'refused', left(audit_refused.operation, 100), coalesce(left(audit_refused.resource, 300), '-'),
    jsonb_build_object('reason', left(reason, 500), 'times', times));
end
$$;
comment on function tenant.audit_refused(text, text, text, int) is 'Enters a refused access decision in the entered tenant''s audit';

-- Enters what an operator asks for on a visit, also where nothing is written: the tenant sees what was looked at.
create or replace function tenant.audit_visited(resource text, path text) returns void
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  owner_id constant uuid := app.tenant_id();
begin
  if owner_id is null or app.actor() !~ '^operator:' then
    raise insufficient_privilege using message = 'tenant context refused';
  end if;
  insert into app.audit_pending (tenant_id, action, operation, resource, changes)
  values (owner_id, 'visited', left(current_setting('app.operation', true), 100), coalesce(left(resource, 300), '-'),
    jsonb_build_object('path', left(path, 500)));
end
$$;
comment on function tenant.audit_visited(text, text) is 'Enters in the entered tenant''s audit what an operator asks for on a visit';

-- Enters a change of something of the tenant's that the platform keeps. It says what was asked for: the platform is written
-- after it. As with refusals, an attacker may add such entries to his own tenant's audit, and remove none.
create or replace function tenant.audit_outside(resource text, changes jsonb) returns void
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  owner_id constant uuid := app.tenant_id();
begin
  if owner_id is null then
    raise insufficient_privilege using message = 'tenant context refused';
  end if;
  insert into app.audit_pending (tenant_id, action, operation, resource, changes)
  select owner_id, 'outside', left(current_setting('app.operation', true), 100), coalesce(left(resource, 300), '-'),
    coalesce(jsonb_object_agg(left(d.key, 100), tenant.audit_cut(d.value)), '{}')
  from jsonb_each(changes) d;
end
$$;
comment on function tenant.audit_outside(text, jsonb) is 'Enters in the entered tenant''s audit a change of what the platform keeps for it';

-- Where the entered tenant's chain ends; no row before its first entry.
create or replace function tenant.audit_head() returns table (seq bigint, hash bytea)
language sql stable security definer
set search_path = pg_catalog, pg_temp
as $$ select h.seq, h.hash from app.audit_heads h where h.tenant_id = (select app.tenant_id()) $$;
comment on function tenant.audit_head() is 'Number and hash of the last entry of the entered tenant''s audit';

-- The columns of a table: whether the audit leaves them out, and how it shows them.
create or replace function tenant.audit_columns(target regclass, quiet text[], mask text[])
returns table (attnum int, attname name, skipped boolean, as_text text, shown_old text, shown_new text)
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  select c.attnum, c.attname, c.skipped, case when c.atttypid = 'json'::regtype then '::text' else '' end,
    case when c.secret then format('case when old.%I is not null then ''[masked]'' end', c.attname) else format('old.%I', c.attname) end,
    case when c.secret then format('case when new.%I is not null then ''[masked]'' end', c.attname) else format('new.%I', c.attname) end
  from (
    select a.attnum::int, a.attname, a.atttypid,
      a.attname = any (array['tenant_id', 'created_at', 'updated_at'] || quiet) or a.attgenerated <> '' as skipped,
      a.attname = any (mask) or (a.attname ~ '(password|secret|token|hash|digest|recovery|private|sealed)'
        and a.atttypid <> all ('{bool,date,timestamptz,int2,int4,int8,uuid}'::regtype[])) as secret
    from pg_attribute a where a.attrelid = target and a.attnum > 0 and not a.attisdropped) c
$$;
comment on function tenant.audit_columns(regclass, text[], text[]) is 'The columns of a table as the audit shows them';

-- One line a table: every row's change is an entry.
-- quiet: columns whose change is no news; mask: secrets whose names do not say so.
create or replace procedure tenant.audited(target regclass, quiet text[] default '{}', mask text[] default '{}')
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  name constant text := 'audit_of_' || (select relname from pg_class where oid = target);
  left_out text[];
  watched text;
  made text;
  changed text;
  key text;
begin
  select array_agg(attname order by attnum) filter (where skipped),
      string_agg(quote_ident(attname), ', ' order by attnum) filter (where not skipped),
      string_agg(format('if new.%1$I%2$s is distinct from old.%1$I%2$s then
      detail := detail || jsonb_build_object(%1$L, jsonb_build_array(%3$s, %4$s));
    end if;', attname, as_text, shown_old, shown_new), E'\n    ' order by attnum) filter (where not skipped)
    into left_out, watched, changed from tenant.audit_columns(target, quiet, mask);
  select string_agg(object, ' || ' order by part) into made from (
    select (attnum - 1) / 40 as part, -- a function takes 100 arguments
      'jsonb_build_object(' || string_agg(format('%L, %s', attname, shown_new), ', ' order by attnum) || ')' as object
    from tenant.audit_columns(target, quiet, mask) where not skipped group by 1) parts;
  select string_agg(format('coalesce(new.%1$I, old.%1$I)', a.attname), ' || ''/'' || ' order by k.at) into key
    from pg_index i, unnest(i.indkey::int2[]) with ordinality k(number, at)
      join pg_attribute a on a.attnum = k.number
    where i.indrelid = target and i.indisprimary and a.attrelid = target and a.attname <> 'tenant_id';
  call tenant.audit_function(name, format($body$
  if tg_op = 'UPDATE' then
    %s
    if pg_column_size(detail) > 1000 then
      select jsonb_object_agg(d.key, jsonb_build_array(tenant.audit_cut(d.value -> 0), tenant.audit_cut(d.value -> 1)))
        into detail from jsonb_each(detail) d;
    end if;
  else
    if tg_op = 'INSERT' then
      detail := %s;
    else
      detail := %s;
    end if;
    if pg_column_size(detail) > 1000 then
      select jsonb_object_agg(d.key, tenant.audit_cut(d.value)) into detail from jsonb_each(detail) d;
    end if;
  end if;
  key := %s;$body$, changed, made, replace(made, 'new.', 'old.'), coalesce(key, 'null')));
  execute format('create constraint trigger audit_row after insert or delete or update of %s on %s
    deferrable initially deferred for each row execute function tenant.%I(%L)', watched, target, name, left_out);
end
$$;
comment on procedure tenant.audited(regclass, text[], text[]) is 'Has every change of a row of this table entered in the audit';

-- One line a table that is written in thousands of rows: one entry a transaction, with their number and the first and last
-- value of one column.
create or replace procedure tenant.audited_in_bulk(target regclass, by name)
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  query constant text := format('select (select tenant_id from changed_rows limit 1), count(*), min(%1$I)::text, max(%1$I)::text
    from changed_rows', by);
begin
  execute format('create trigger audit_insert after insert on %s referencing new table as changed_rows
    for each statement execute function tenant.audit_statement(%L)', target, query);
  execute format('create trigger audit_update after update on %s referencing new table as changed_rows
    for each statement execute function tenant.audit_statement(%L)', target, query);
  execute format('create trigger audit_delete after delete on %s referencing old table as changed_rows
    for each statement execute function tenant.audit_statement(%L)', target, query);
end
$$;
comment on procedure tenant.audited_in_bulk(regclass, name) is 'Has what is written to this table entered in the audit, one entry a transaction';

-- One line a table that is not audited, with the reason; it is added to what the table's comment says.
create or replace procedure tenant.not_audited(target regclass, why text)
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  execute format('comment on table %s is %L', target, concat(obj_description(target, 'pg_class'), '. Not audited: ', why));
end
$$;
comment on procedure tenant.not_audited(regclass, text) is 'Says why a table is not audited';

revoke all on all routines in schema tenant from public;
grant execute on function tenant.audit_refused(text, text, text, int), tenant.audit_visited(text, text),
  tenant.audit_outside(text, jsonb), tenant.audit_head() to :"tenant_login";

-- Everything is taken away first, so that a line that is removed below is found by the proof.
do $$
declare
  old record;
begin
  for old in select g.tgname, g.tgrelid::regclass as target from pg_trigger g join pg_proc p on p.oid = g.tgfoid
    where p.pronamespace = 'tenant'::regnamespace and p.proname ~ '^audit_(of_|statement$)' loop
    execute format('drop trigger %I on %s', old.tgname, old.target);
  end loop;
  for old in select oid::regprocedure as name from pg_proc where pronamespace = 'tenant'::regnamespace and proname ~ '^audit_of_' loop
    execute format('drop function %s', old.name);
  end loop;
  for old in select c.oid::regclass as target, obj_description(c.oid, 'pg_class') as said from pg_class c
    where c.relnamespace = 'tenant'::regnamespace and obj_description(c.oid, 'pg_class') like '%. Not audited: %' loop
    execute format('comment on table %s is %L', old.target, regexp_replace(old.said, '\. Not audited: .*$', ''));
  end loop;
end
$$;

-- Notes are entered at the commit: refused decisions and visits one by one, what statements did once a table.
call tenant.audit_function('audit_note', $body$
  entry_action := new.action;
  entry_resource := new.resource;
  if new.action in ('refused', 'visited', 'outside') then
    delete from app.audit_pending p where p.xact = new.xact and p.id = new.id;
    detail := new.changes;
    entry_operation := new.operation;
  else
    with mine as (
      delete from app.audit_pending p
      where p.xact = new.xact and p.action = new.action and p.resource = new.resource and p.tenant_id = new.tenant_id
      returning p.changes)
    select jsonb_strip_nulls(jsonb_build_object(
        'insert', sum((m.changes ->> 'insert')::bigint), 'update', sum((m.changes ->> 'update')::bigint),
        'delete', sum((m.changes ->> 'delete')::bigint),
        'from', min(m.changes ->> 'from'), 'to', max(m.changes ->> 'to')))
      into detail from mine m having count(*) > 0;
  end if;$body$);
do $$
begin
  if not exists (select from pg_trigger where tgrelid = 'app.audit_pending'::regclass and tgname = 'audit_note') then
    create constraint trigger audit_note after insert on app.audit_pending
      deferrable initially deferred for each row execute function tenant.audit_note();
  end if;
end
$$;

-- ---- what is audited

call tenant.audited('tenant.members', quiet => '{last_login_at,access_version}');
call tenant.audited('tenant.sessions', quiet => '{refresh_hash,previous_hash,refreshed_at,expires_at}');
call tenant.audited('tenant.roles');
call tenant.audited('tenant.access_settings');
call tenant.audited('tenant.units');
call tenant.audited('tenant.member_units');
call tenant.audited('tenant.invitations');
call tenant.audited('tenant.api_keys', quiet => '{last_used_at,access_version}');
call tenant.audited('tenant.impersonations', quiet => '{access_version}');
call tenant.audited('tenant.identity_providers');
call tenant.audited('tenant.identities', quiet => '{last_login_at}');
call tenant.not_audited('tenant.jobs', 'a job is its own record; what it writes is audited');
call tenant.not_audited('tenant.locks', 'locks only');
call tenant.not_audited('tenant.idempotency_keys', 'answers kept for a day; what was written is audited');

call tenant.audited('tenant.buildings');
call tenant.audited('tenant.properties');
call tenant.audited('tenant.renters');
call tenant.audited('tenant.meters');
call tenant.audited('tenant.reading_imports');
call tenant.audited_in_bulk('tenant.meter_readings', by => 'ends_at');
call tenant.audited('tenant.invoices');
call tenant.audited_in_bulk('tenant.invoice_items', by => 'zone');
call tenant.audited('tenant.reports');
call tenant.audited_in_bulk('tenant.report_files', by => 'format');

reset role;
