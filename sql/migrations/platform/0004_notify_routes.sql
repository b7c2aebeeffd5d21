-- Why:   readers cache which tenant a host leads to and with which key its placement is entered; a change of either is
--        notified like a change of the tenant itself (0001): domains on platform_tenants with the tenant's id, placements
--        and their servers on platform_placements with the placement's id.
-- Locks: SHARE ROW EXCLUSIVE on domains, placements and servers for the moment of adding a trigger.
-- Undo:  drop the three functions with cascade.

create function platform.domain_changed() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
  if tg_op <> 'INSERT' then perform pg_notify('platform_tenants', old.tenant_id::text); end if;
  if tg_op <> 'DELETE' then perform pg_notify('platform_tenants', new.tenant_id::text); end if;
  return null;
end
$$;
comment on function platform.domain_changed() is 'Trigger: notifies the channel platform_tenants with the id of the tenant';
create trigger changed after insert or update or delete on platform.domains
  for each row execute function platform.domain_changed();

create function platform.placement_changed() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
  perform pg_notify('platform_placements', new.id::text);
  return null;
end
$$;
comment on function platform.placement_changed() is 'Trigger: notifies the channel platform_placements with the id';
create trigger changed after update on platform.placements
  for each row when (old.* is distinct from new.*) execute function platform.placement_changed();

create function platform.server_changed() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
  perform pg_notify('platform_placements', id::text) from platform.placements where server_id = new.id;
  return null;
end
$$;
comment on function platform.server_changed() is 'Trigger: notifies the channel platform_placements with each placement on the server';
create trigger changed after update on platform.servers for each row
  when ((old.host, old.port, old.tls_mode, old.tls_ca) is distinct from (new.host, new.port, new.tls_mode, new.tls_ca))
  execute function platform.server_changed();
