-- Rows of units: who is limited to units (`:units` in the signed actor) sees and writes what belongs to the buildings of the
-- own units and of those below them, and nothing else. Inside the wall: the guard of app.isolate() stays as it is, here
-- only the permissive policy that it made is narrowed. Runs after 30 to 32, which make each table's policies anew.
-- Desired state, re-applied whole at each rollout. Locks: short exclusive locks on these tables. Undo: drop the functions.
--
-- Who is limited is told by the transaction: it is DEFERRABLE, which PostgreSQL lets nobody change once a query has run (SET
-- TRANSACTION) and which means nothing else outside SERIALIZABLE READ ONLY. app.tenant_id() refuses a limited actor in any
-- other. A setting could be changed within a statement, between the guard's question and this one. The mark can only be
-- missing where nobody is limited: with it, and on PostgreSQL 15, where RESET takes it off, it is asked who acts, which
-- verifies the context once more. (Another guest of the session may have left it on for somebody who is not limited.)
-- Callers who see all pay little: it is asked once a statement, and what stands after `or` is then never run. The sets are
-- functions so that the planner of a plain statement has nothing to plan in them, and are said to be cheap, or it would
-- leave index joins for what is never run.
-- Units and members stay visible to all; a role with units_only can hold no permission that reaches beyond (roles/model.ts).

set local role :"owner";

-- The one place that says how a table is narrowed: `rule` is a condition on its row, for who is limited.
create or replace procedure tenant.limit_to_units(target regclass, rule text)
language plpgsql
set search_path = pg_catalog, pg_temp
as $procedure$
declare
  mark_lasts constant boolean := 'NO_RESET' = any (pg_settings_get_flags('transaction_deferrable'));
  sees_all constant text := case when mark_lasts then $$current_setting('transaction_deferrable') = 'off' or $$ else '' end
    || $$app.actor() not like '%:units'$$;
  visible constant text := format('(select %s) or %s', sees_all, rule);
begin
  if not exists (select from pg_policy where polrelid = target and polname = 'tenant_rows') then
    raise undefined_object using message = format('Call app.isolate(%L) first: it makes the policy that is narrowed here', target);
  end if;
  execute format('alter policy tenant_rows on %s using (%s) with check (%s)', target, visible, visible);
end
$procedure$;
comment on procedure tenant.limit_to_units(regclass, text) is 'Narrows a table to the rows of which a condition holds, for who is limited to units';

create or replace function tenant.acting_member() returns uuid
language sql stable parallel restricted
set search_path = pg_catalog, pg_temp
as $$ select case when split_part(actor, ':', 1) = 'member' then split_part(actor, ':', 2)::uuid end from app.actor() actor $$;
comment on function tenant.acting_member() is 'The member who acts; null for everybody else';

-- Read anew by each statement: a member who leaves a unit is out of it at the next statement.
create or replace function tenant.my_units() returns setof uuid
language plpgsql stable parallel restricted cost 1 rows 1
set search_path = pg_catalog, pg_temp
as $$
begin
  return query with recursive mine as (
      select m.unit_id from tenant.member_units m where m.member_id = (select tenant.acting_member())
      union
      select u.id from tenant.units u join mine on u.parent_id = mine.unit_id
    )
    select unit_id from mine;
end
$$;
comment on function tenant.my_units() is 'Units of the acting member and all below them';

create or replace function tenant.my_buildings() returns setof uuid
language plpgsql stable parallel restricted cost 1 rows 1
set search_path = pg_catalog, pg_temp
as $$ begin return query select id from tenant.buildings where unit_id in (select tenant.my_units()); end $$;
comment on function tenant.my_buildings() is 'Buildings of the acting member''s units';

create or replace function tenant.my_properties() returns setof uuid
language plpgsql stable parallel restricted cost 1 rows 1
set search_path = pg_catalog, pg_temp
as $$
begin
  return query select p.id from tenant.buildings b join tenant.properties p on p.building_id = b.id
    where b.unit_id in (select tenant.my_units());
end
$$;
comment on function tenant.my_properties() is 'Properties in those buildings';

create or replace function tenant.my_meters() returns setof uuid
language plpgsql stable parallel restricted cost 1 rows 1
set search_path = pg_catalog, pg_temp
as $$
begin
  return query select m.id from tenant.buildings b join tenant.properties p on p.building_id = b.id
      join tenant.meters m on m.property_id = p.id
    where b.unit_id in (select tenant.my_units());
end
$$;
comment on function tenant.my_meters() is 'Meters in those properties';

-- One invoice and not a set of all: its items are read an invoice at a time.
create or replace function tenant.sees_invoice(invoice uuid) returns boolean
language plpgsql stable parallel restricted cost 1
set search_path = pg_catalog, pg_temp
as $$ begin return exists (select from tenant.invoices where id = invoice); end $$;
comment on function tenant.sees_invoice(uuid) is 'Whether the acting member sees this invoice';

revoke all on procedure tenant.limit_to_units(regclass, text) from public;
revoke all on function tenant.acting_member(), tenant.my_units(), tenant.my_buildings(), tenant.my_properties(),
  tenant.my_meters(), tenant.sees_invoice(uuid) from public;
grant execute on function tenant.acting_member(), tenant.my_units(), tenant.my_buildings(), tenant.my_properties(),
  tenant.my_meters(), tenant.sees_invoice(uuid) to :"tenant_login";

call tenant.limit_to_units('tenant.buildings', 'unit_id in (select tenant.my_units())');
call tenant.limit_to_units('tenant.properties', 'building_id in (select tenant.my_buildings())');
-- A renter without a property belongs to no unit: only who sees all sees it.
call tenant.limit_to_units('tenant.renters', 'property_id in (select tenant.my_properties())');
call tenant.limit_to_units('tenant.meters', 'property_id in (select tenant.my_properties())');
call tenant.limit_to_units('tenant.reading_imports', 'meter_id in (select tenant.my_meters())');
call tenant.limit_to_units('tenant.meter_readings', 'meter_id in (select tenant.my_meters())');
call tenant.limit_to_units('tenant.invoices', 'meter_id in (select tenant.my_meters())');
call tenant.limit_to_units('tenant.invoice_items', 'tenant.sees_invoice(invoice_id)');

-- Whoever could exchange the token of another's session would act as somebody else with the next request.
call tenant.limit_to_units('tenant.sessions', 'member_id = (select tenant.acting_member())');

-- What jobs and reports say may be about any building: who is limited sees the own ones, which ran with the own rows.
call tenant.limit_to_units('tenant.jobs', 'created_by = (select tenant.acting_member())');
call tenant.limit_to_units('tenant.reports', 'created_by = (select tenant.acting_member())');
call tenant.limit_to_units('tenant.report_files', 'report_id in (select id from tenant.reports)');

-- The audit tells of every row: they see nothing of it, and what they do is entered all the same.
call tenant.limit_to_units('tenant.audit', 'false');
alter policy tenant_rows on tenant.audit with check (true);

-- Units, and who belongs to them and may do what, are open to be seen and closed to be written: one row more would lift the
-- limit within the transaction.
create or replace function tenant.refuse_limited() returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  if app.actor() like '%:units' then
    raise insufficient_privilege using message = 'who is limited to units changes no access';
  end if;
  return null;
end
$$;
comment on function tenant.refuse_limited() is 'Trigger: who is limited to units writes nothing here';
revoke all on function tenant.refuse_limited() from public;

create or replace trigger not_limited before insert or update or delete on tenant.units
  for each statement execute function tenant.refuse_limited();
create or replace trigger not_limited before insert or update or delete on tenant.member_units
  for each statement execute function tenant.refuse_limited();
create or replace trigger not_limited before insert or update or delete on tenant.roles
  for each statement execute function tenant.refuse_limited();
create or replace trigger not_limited before insert or delete or update of role, status on tenant.members
  for each statement execute function tenant.refuse_limited();
create or replace trigger not_limited before insert on tenant.invitations
  for each statement execute function tenant.refuse_limited();
create or replace trigger not_limited before insert on tenant.api_keys
  for each statement execute function tenant.refuse_limited();

reset role;
