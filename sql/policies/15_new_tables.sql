-- Where the administrator is a superuser (only a superuser may make an event trigger): a table made in schema tenant by
-- whatever means is shut at once, even before anyone writes its paragraph in 30_tenant.sql (R6).
-- Elsewhere 90_proof.sql alone finds it, at the next rollout. Undo: drop event trigger bulkhead_new_tables.

create or replace function public.bulkhead_shut_new_table() returns event_trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  made record;
begin
  for made in select * from pg_event_trigger_ddl_commands()
    where object_type = 'table' and schema_name = 'tenant' loop
    execute format('alter table %s enable row level security', made.object_identity);
    execute format('alter table %s force row level security', made.object_identity);
  end loop;
end
$$;
comment on function public.bulkhead_shut_new_table() is 'Forces row-level security on every table made in schema tenant';
revoke all on function public.bulkhead_shut_new_table() from public;

drop event trigger if exists bulkhead_new_tables;
create event trigger bulkhead_new_tables on ddl_command_end
  when tag in ('CREATE TABLE', 'CREATE TABLE AS', 'SELECT INTO')
  execute function public.bulkhead_shut_new_table();
