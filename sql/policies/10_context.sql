-- The context: who acts in which tenant, and the proof that the platform said so. Every policy asks app.tenant_id().
-- Runs in every placement before the tenant migrations (their defaults use it) and again at each rollout.
-- Locks: none on tenant tables. Undo: the schema goes with the placement.
--
-- Two settings travel with each transaction, transaction-local: app.tenant_id (claimed) and app.proof; with those that write
-- app.operation and app.origin as well, for the audit.
-- A setting alone would not survive SQL injection, so the claim counts only with its proof
--     v1.<key id>.<actor>.<access>.<backend pid or 0>.<expiry, Unix seconds>.<mac, hex>
--     mac = HMAC-SHA256(key, 'v1.<key id>.<actor>.<access>.<pid>.<expiry>.<tenant>')          (RFC 2104, from core sha256 alone)
-- What was verified once is remembered (app.proven), so that a caller who comes again is not verified again.
-- The key is the placement's own, so that the owner of a customer's server can forge nothing anywhere else.

create schema if not exists app authorization :"keeper";

set local role :"keeper";

comment on schema app is 'The signed tenant context: keys, gates and app.tenant_id(). Nothing else lives here.';
revoke all on schema app from public;
grant usage on schema app to :"owner", :"tenant_login";

create table if not exists app.keys (
  id int primary key,
  inner_block bytea not null check (length(inner_block) = 64),
  outer_block bytea not null check (length(outer_block) = 64),
  created_at timestamptz not null default now(),
  retired_at timestamptz
);
comment on table app.keys is 'Keys that sign tenant contexts of this placement, as the two padded HMAC blocks';
comment on column app.keys.id is 'Key id, as named in the proof; two may be live at once while keys rotate';
comment on column app.keys.inner_block is 'Key xor 0x36, 64 bytes (RFC 2104)';
comment on column app.keys.outer_block is 'Key xor 0x5c, 64 bytes (RFC 2104)';
comment on column app.keys.created_at is 'When the key was installed';
comment on column app.keys.retired_at is 'When the key stopped being accepted; null while it is live';

create table if not exists app.gates (
  tenant_id uuid primary key,
  open boolean not null,
  reason text,
  changed_at timestamptz not null default now()
);
comment on table app.gates is 'One row a tenant: a closed gate shuts it out at its next statement, in every process';
comment on column app.gates.tenant_id is 'The tenant';
comment on column app.gates.open is 'Whether the tenant may be entered';
comment on column app.gates.reason is 'Why it was closed, for operators';
comment on column app.gates.changed_at is 'When it was last opened or closed';

create table if not exists app.access (
  tenant_id uuid,
  subject uuid,
  version int not null,
  until timestamptz,
  primary key (tenant_id, subject)
);
comment on table app.access is 'Who is let in and since which change of rights: kept by triggers on members, API keys and operators'' visits';
comment on column app.access.tenant_id is 'The tenant';
comment on column app.access.subject is 'The member, key or visit';
comment on column app.access.version is 'access_version of its row; -1 when it is not let in';
comment on column app.access.until is 'When it ends by itself; null: never';

create table if not exists app.migrations (
  name text primary key,
  sha256 text not null,
  applied_at timestamptz not null default now()
);
comment on table app.migrations is 'Tenant migrations applied here, with the hash that each file had';
comment on column app.migrations.name is 'File name';
comment on column app.migrations.sha256 is 'SHA-256 of the file when it was applied: an edited file stops the next rollout';
comment on column app.migrations.applied_at is 'When it was applied';

create table if not exists app.proven (
  context text collate "C" primary key,
  backend int not null,
  tenant_id uuid not null,
  subject uuid,
  key_id int not null,
  until timestamptz not null
);
create index if not exists proven_of_subject on app.proven (tenant_id, subject);
comment on table app.proven is 'Contexts that were verified and stand: what is here needs no verifying again. Whatever would refuse one removes it';
comment on column app.proven.context is 'Proof and claim';
comment on column app.proven.backend is 'Process id of the backend that it is bound to';
comment on column app.proven.tenant_id is 'The tenant that it enters';
comment on column app.proven.subject is 'Whose access was compared; null: the platform''s own';
comment on column app.proven.key_id is 'The key that signed it';
comment on column app.proven.until is 'When it ends by itself';

-- Does not need SECURITY INVOKER, as it shows nothing but what the caller's own settings say and prove.
create or replace view app.entered with (security_barrier) as
  select tenant_id from app.proven
  where context = current_setting('app.proof', true) || current_setting('app.tenant_id', true)
    and backend = pg_backend_pid() and until > clock_timestamp();
comment on view app.entered is 'The tenant of this transaction, if its context is known to stand; else no row, and app.tenant_id() is to be asked';
comment on column app.entered.tenant_id is 'The tenant';

revoke all on app.keys, app.gates, app.access, app.proven, app.entered, app.migrations from public, :"owner", :"tenant_login";
grant select, insert on app.migrations to :"owner";
grant select on app.entered to :"owner", :"tenant_login";

-- Returns the tenant of this transaction, or null when none was entered. Raises 42501, always with the same words, when
-- the claim does not stand; BH001 when the tenant's gate is closed; BH002 when what the proof says of the caller's access
-- (`<subject>:<version>`, or `-` for the platform itself) is not in force any more, but for what this transaction changed.
-- An actor who is limited to units must be in a transaction that is marked so: see 33_rows.sql. STABLE, never IMMUTABLE: a
-- cached plan would leak.
create or replace function app.tenant_id() returns uuid
language plpgsql stable security definer parallel restricted
set search_path = pg_catalog, pg_temp
as $$
declare
  claim constant text := current_setting('app.tenant_id', true);
  proof constant text := current_setting('app.proof', true);
  key_id text;
  inner_key bytea;
  outer_key bytea;
  mac bytea;
  access text;
  now_seconds bigint;
  gate boolean;
  let_in boolean;
begin
  if claim is null or claim = '' then
    return null;
  end if;
  -- No regular expression here: one that checks the whole form costs more than all the hashes. Of what is not proven yet
  -- only the key id is read; the claim's fixed length says where it begins in what is signed.
  key_id := split_part(proof, '.', 2);
  if proof is null or length(proof) > 260 or left(proof, 3) <> 'v1.' or length(claim) <> 36
    or length(key_id) not between 1 and 9 or translate(key_id, '0123456789', '') <> '' then
    raise insufficient_privilege using message = 'tenant context refused';
  end if;
  select inner_block, outer_block into inner_key, outer_key from app.keys
  where id = key_id::int and retired_at is null;
  if not found then
    raise insufficient_privilege using message = 'tenant context refused';
  end if;
  mac := sha256(outer_key || sha256(inner_key || convert_to(left(proof, -64) || claim, 'UTF8')));
  -- Blinded comparison: what is compared byte by byte is a hash that the caller cannot steer.
  if sha256(outer_key || convert_to(encode(mac, 'hex'), 'UTF8')) <> sha256(outer_key || convert_to(right(proof, 64), 'UTF8')) then
    raise insufficient_privilege using message = 'tenant context refused';
  end if;
  -- From here on the proof is what the platform wrote: its parts have their form.
  now_seconds := extract(epoch from clock_timestamp())::bigint;
  if split_part(proof, '.', 6)::bigint not between now_seconds and now_seconds + 60
    or (split_part(proof, '.', 5) <> '0' and split_part(proof, '.', 5)::bigint <> pg_backend_pid())
    or (strpos(proof, ':units.') > 0 and current_setting('transaction_deferrable') = 'off') then
    raise insufficient_privilege using message = 'tenant context refused';
  end if;
  access := split_part(proof, '.', 4);
  select open into gate from app.gates where tenant_id = claim::uuid;
  if gate is not true then
    raise exception using errcode = 'BH001', message = 'tenant is closed';
  end if;
  if access <> '-' then
    select (a.version = split_part(access, ':', 2)::int and (a.until is null or a.until > clock_timestamp()))
      or a.xmin = pg_current_xact_id_if_assigned()::xid
    into let_in
    from app.access a where a.tenant_id = claim::uuid and a.subject = split_part(access, ':', 1)::uuid;
    if let_in is not true then
      raise exception using errcode = 'BH002', message = 'access has changed';
    end if;
  end if;
  return claim::uuid;
end
$$;
comment on function app.tenant_id() is 'The tenant of this transaction, proven; null when none was entered';
revoke all on function app.tenant_id() from public;
grant execute on function app.tenant_id() to :"owner", :"tenant_login";

-- Who acts: the third part of the proof, `-` (the platform, or nobody), `member:<uuid>`, `key:<uuid>` or `operator:<uuid>`;
-- `:units` at its end limits the rows to the actor's units. Verified each time: a statement may change the settings after
-- its guard was asked.
create or replace function app.actor() returns text
language sql stable parallel restricted
set search_path = pg_catalog, pg_temp
as $$ select case when app.tenant_id() is not null then split_part(current_setting('app.proof', true), '.', 3) end $$;
comment on function app.actor() is 'Who acts in this transaction, proven: -, member:<uuid>, key:<uuid> or operator:<uuid>, with :units at the end';
revoke all on function app.actor() from public;
grant execute on function app.actor() to :"owner", :"tenant_login";

-- Remembers that a context stands, so that app.entered finds it. It is called in a transaction of its own, before the one that
-- uses the context, and takes a permit that only the platform can sign: a context with the actor `remember:<SHA-256 of proof
-- and claim, hex>`. A visit never sees one, so an injected statement cannot hold the locks that are taken here. Whoever is
-- limited to units is never remembered.
-- The locks make it exact: what is vouched for cannot change before the row is there for whoever changes it to remove. Nothing
-- is waited for, and what is just being changed is not remembered.
create or replace function app.remember(claim text, proof text, permit text) returns void
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  part constant text[] := string_to_array(permit, '.');
  entered uuid;
  caller uuid;
  ends timestamptz;
begin
  perform set_config('app.tenant_id', claim, true), set_config('app.proof', permit, true);
  entered := app.tenant_id();
  if entered is null or part[5] = '0' or strpos(proof, ':units.') > 0
    or part[3] is distinct from 'remember:' || encode(sha256(convert_to(proof || claim, 'UTF8')), 'hex') then
    raise insufficient_privilege using message = 'tenant context refused';
  end if;
  perform set_config('synchronous_commit', 'off', true); -- a crash forgets it, and it is verified again
  ends := to_timestamp(split_part(proof, '.', 6)::bigint);
  perform from app.keys k, app.gates g
    where k.id = part[2]::int and k.retired_at is null and g.tenant_id = entered and g.open for share skip locked;
  if not found then
    return;
  end if;
  if part[4] <> '-' then
    caller := split_part(part[4], ':', 1)::uuid;
    select least(ends, a.until) into ends from app.access a
      where a.tenant_id = entered and a.subject = caller and a.version = split_part(part[4], ':', 2)::int
      for share skip locked;
    if not found then
      return;
    end if;
  end if;
  insert into app.proven (context, backend, tenant_id, subject, key_id, until)
  values (proof || claim, pg_backend_pid(), entered, caller, part[2]::int, ends) on conflict do nothing;
  if random() < 0.03 then -- rarely and then many: what has ended is swept away faster than it comes
    delete from app.proven where ctid = any (array(
      select ctid from app.proven where until < clock_timestamp() limit 200 for update skip locked));
  end if;
end
$$;
comment on function app.remember(text, text, text) is 'Remembers that a context stands, until it ends or something changes';
revoke all on function app.remember(text, text, text) from public;
grant execute on function app.remember(text, text, text) to :"tenant_login";

-- Removes what was remembered of a row that is not what it was: the argument says what that is, $1 is the row. In order, so
-- that two do not wait for each other. It must see all that is committed by now, which only READ COMMITTED does: in any other
-- transaction (what another guest left on the session may have begun it so) the change is to be tried again.
create or replace function app.forget() returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  if current_setting('transaction_isolation') <> 'read committed' then
    raise exception using errcode = '40001', message = 'access is changed in READ COMMITTED only';
  end if;
  execute format('delete from app.proven where ctid = any (array(
    select ctid from app.proven where %s order by context for update))', tg_argv[0]) using old;
  return null;
end
$$;
comment on function app.forget() is 'Trigger: what was remembered of this row must be verified again';
revoke all on function app.forget() from public;

create or replace trigger forget after update or delete on app.keys
  for each row execute function app.forget('key_id = $1.id');
create or replace trigger forget after update or delete on app.gates
  for each row execute function app.forget('tenant_id = $1.tenant_id');
create or replace trigger forget after update or delete on app.access
  for each row execute function app.forget('tenant_id = $1.tenant_id and subject = $1.subject');
-- Also where rows come by replication or a restore, which leave ordinary triggers out.
alter table app.keys enable always trigger forget;
alter table app.gates enable always trigger forget;
alter table app.access enable always trigger forget;

-- Keeps app.access true to the tables that say who is let in; their triggers are in 30_tenant.sql. It runs with the keeper's
-- rights, which nobody else has on app.access, and can be called by a trigger only.
create or replace function app.note_access() returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  let_in boolean;
  ends timestamptz;
begin
  if tg_op = 'DELETE' or tg_op = 'UPDATE' and (old.tenant_id, old.id) <> (new.tenant_id, new.id) then
    delete from app.access where tenant_id = old.tenant_id and subject = old.id;
  end if;
  if tg_op = 'DELETE' then
    return null;
  end if;
  case tg_table_name
    when 'members' then
      let_in := new.status = 'active' and new.deleted_at is null;
    when 'api_keys' then
      let_in := new.revoked_at is null;
      ends := new.expires_at;
    when 'impersonations' then
      let_in := new.ended_at is null;
      ends := new.expires_at;
  end case;
  insert into app.access as known (tenant_id, subject, version, until)
  values (new.tenant_id, new.id, case when let_in then new.access_version else -1 end, ends)
  on conflict (tenant_id, subject) do update set version = excluded.version, until = excluded.until
  where (known.version, known.until) is distinct from (excluded.version, excluded.until);
  return null;
end
$$;
comment on function app.note_access() is 'Trigger: notes who is let in, and which version of their rights is in force';
revoke all on function app.note_access() from public;
grant execute on function app.note_access() to :"owner";

-- UUID version 7 (RFC 9562, 5.7). PostgreSQL has its own only from 18 on.
create or replace function app.uuid_v7() returns uuid
language sql volatile parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select encode(
    set_bit(set_bit(
      overlay(uuid_send(gen_random_uuid())
        placing substring(int8send((extract(epoch from clock_timestamp()) * 1000)::bigint) from 3) from 1 for 6),
      52, 1), 53, 1), 'hex')::uuid
$$;
comment on function app.uuid_v7() is 'A new UUID of version 7: keys that grow with time';
revoke all on function app.uuid_v7() from public;
grant execute on function app.uuid_v7() to :"owner", :"tenant_login";

-- Makes a table the tenants' own: rights are forced on the owner too, new rows belong to the entered tenant, and the
-- guard is RESTRICTIVE, so that no permissive policy added later can open it. Called once per table in 30_tenant.sql.
create or replace procedure app.isolate(target regclass)
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  old record;
begin
  execute format('alter table %s enable row level security', target);
  execute format('alter table %s force row level security', target);
  execute format('alter table %s alter column tenant_id set not null', target);
  -- The default is only the claim: the guard's WITH CHECK is what proves it, once per statement and not once per row.
  execute format('alter table %s alter column tenant_id set default nullif(current_setting(''app.tenant_id'', true), '''')::uuid', target);
  for old in select polname from pg_policy where polrelid = target loop
    execute format('drop policy %I on %s', old.polname, target);
  end loop;
  execute format('create policy tenant_guard on %s as restrictive for all to public
    using (tenant_id = (select coalesce((select tenant_id from app.entered), app.tenant_id())))
    with check (tenant_id = (select coalesce((select tenant_id from app.entered), app.tenant_id())))', target);
  execute format('create policy tenant_rows on %s as permissive for all to public using (true) with check (true)', target);
  execute format('comment on column %s.tenant_id is %L', target, 'The tenant whose row this is; set by the database');
end
$$;
comment on procedure app.isolate(regclass) is 'Makes a table tenant-only: FORCE RLS, default tenant_id, restrictive guard';
revoke all on procedure app.isolate(regclass) from public;
grant execute on procedure app.isolate(regclass) to :"owner";

reset role;
