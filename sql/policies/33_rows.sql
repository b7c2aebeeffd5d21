-- Rows of units: who is limited to units (`:units` in the signed actor) sees and writes what belongs to the buildings of the
-- own units and of those below them, and nothing else. Inside the wall: the guard of app.isolate() stays as it is, here
-- only the permissive policy that it made is narrowed. Runs after 30 to 32, which make each table's policies anew.
-- Desired state, re-applied whole at each rollout. Locks: short exclusive locks on these tables. Undo: drop the functions.
--
-- Callers who see all pay next to nothing: `(select tenant.sees_all())` is asked once a statement, and what stands after
-- `or` is then never run. The sets are functions so that the planner of a plain statement has nothing to plan in them, and
-- are said to be cheap, or it would leave index joins for what is never run.
-- Units and members stay visible to all; a role with units_only can hold no permission that reaches beyond (roles/model.ts).

set local role :"owner";

-- With a body that is parsed now, no search_path and nothing but built-in functions, so that it is inlined into each plan:
-- a call of app.actor() would cost 25 microseconds a table.
create or replace function tenant.sees_all() returns boolean
language sql stable parallel safe
return right(split_part(current_setting('app.proof', true), '.', 3), 6) is distinct from ':units';
comment on function tenant.sees_all() is 'Whether the rows are not limited to units of who acts';

create or replace function tenant.acting_member() returns uuid
language sql stable parallel restricted
set search_path = pg_catalog, pg_temp
as $$ select case when split_part(app.actor(), ':', 1) = 'member' then split_part(app.actor(), ':', 2)::uuid end $$;
comment on function tenant.acting_member() is 'The member who acts; null for everybody else';

-- Read anew by each statement: a member who leaves a unit is out of it at the next statement.
create or replace function tenant.my_units() returns setof uuid
language plpgsql stable parallel restricted cost 1 rows 1
set search_path = pg_catalog, pg_temp
as $$
begin
  return query with recursive mine as (
      select m.unit_id from tenant.member_units m where m.member_id = tenant.acting_member()
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
as $$ begin return query select id from tenant.properties where building_id in (select tenant.my_buildings()); end $$;
comment on function tenant.my_properties() is 'Properties in those buildings';

create or replace function tenant.my_meters() returns setof uuid
language plpgsql stable parallel restricted cost 1 rows 1
set search_path = pg_catalog, pg_temp
as $$ begin return query select id from tenant.meters where property_id in (select tenant.my_properties()); end $$;
comment on function tenant.my_meters() is 'Meters in those properties';

-- One invoice and not a set of all: its items are read an invoice at a time.
create or replace function tenant.sees_invoice(invoice uuid) returns boolean
language plpgsql stable parallel restricted cost 1
set search_path = pg_catalog, pg_temp
as $$ begin return exists (select from tenant.invoices where id = invoice); end $$;
comment on function tenant.sees_invoice(uuid) is 'Whether the acting member sees this invoice';

revoke all on function tenant.sees_all(), tenant.acting_member(), tenant.my_units(), tenant.my_buildings(),
  tenant.my_properties(), tenant.my_meters(), tenant.sees_invoice(uuid) from public;
grant execute on function tenant.sees_all(), tenant.acting_member(), tenant.my_units(), tenant.my_buildings(),
  tenant.my_properties(), tenant.my_meters(), tenant.sees_invoice(uuid) to :"tenant_login";

alter policy tenant_rows on tenant.buildings
  using ((select tenant.sees_all()) or unit_id in (select tenant.my_units()))
  with check ((select tenant.sees_all()) or unit_id in (select tenant.my_units()));

alter policy tenant_rows on tenant.properties
  using ((select tenant.sees_all()) or building_id in (select tenant.my_buildings()))
  with check ((select tenant.sees_all()) or building_id in (select tenant.my_buildings()));

-- A renter without a property belongs to no unit: only who sees all sees it.
alter policy tenant_rows on tenant.renters
  using ((select tenant.sees_all()) or property_id in (select tenant.my_properties()))
  with check ((select tenant.sees_all()) or property_id in (select tenant.my_properties()));

alter policy tenant_rows on tenant.meters
  using ((select tenant.sees_all()) or property_id in (select tenant.my_properties()))
  with check ((select tenant.sees_all()) or property_id in (select tenant.my_properties()));

alter policy tenant_rows on tenant.reading_imports
  using ((select tenant.sees_all()) or meter_id in (select tenant.my_meters()))
  with check ((select tenant.sees_all()) or meter_id in (select tenant.my_meters()));

alter policy tenant_rows on tenant.meter_readings
  using ((select tenant.sees_all()) or meter_id in (select tenant.my_meters()))
  with check ((select tenant.sees_all()) or meter_id in (select tenant.my_meters()));

alter policy tenant_rows on tenant.invoices
  using ((select tenant.sees_all()) or meter_id in (select tenant.my_meters()))
  with check ((select tenant.sees_all()) or meter_id in (select tenant.my_meters()));

alter policy tenant_rows on tenant.invoice_items
  using ((select tenant.sees_all()) or tenant.sees_invoice(invoice_id))
  with check ((select tenant.sees_all()) or tenant.sees_invoice(invoice_id));

-- What jobs and reports say may be about any building: who is limited sees the own ones, which ran with the own rows.
alter policy tenant_rows on tenant.jobs
  using ((select tenant.sees_all()) or created_by = (select tenant.acting_member()))
  with check ((select tenant.sees_all()) or created_by = (select tenant.acting_member()));

alter policy tenant_rows on tenant.reports
  using ((select tenant.sees_all()) or created_by = (select tenant.acting_member()))
  with check ((select tenant.sees_all()) or created_by = (select tenant.acting_member()));

alter policy tenant_rows on tenant.report_files
  using ((select tenant.sees_all()) or report_id in (select id from tenant.reports))
  with check ((select tenant.sees_all()) or report_id in (select id from tenant.reports));

reset role;
