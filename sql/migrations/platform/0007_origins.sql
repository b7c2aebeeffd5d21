-- Why:   pages of a tenant's own, on hosts that are not ours, call the API from browsers. Each tenant lists their origins;
--        a browser is told to let such a page read answers of that tenant, and of no other.
-- Locks: platform.tenants for a moment (a foreign key to it); else a new table only.
-- Undo:  drop table platform.origins; drop function platform.origin_changed(). Pages on other hosts then stop working.

create table platform.origins (
  origin text collate "C" not null check (
    length(origin) <= 300
    and origin ~ '^(https://[a-z0-9]([a-z0-9.-]*[a-z0-9])?|http://(([a-z0-9-]+\.)?localhost|127\.0\.0\.1|\[::1\]))(:[1-9][0-9]{0,4})?$'
  ),
  tenant_id uuid not null references platform.tenants (id),
  created_at timestamptz not null default now(),
  primary key (origin, tenant_id)
);
comment on table platform.origins is 'Web origins (RFC 6454) of pages that tenants let call the API; two tenants may list the same one';
comment on column platform.origins.origin is 'Exactly as a browser sends it: scheme, host, and the port unless it is the default; no path, no wildcard; https, or http on this machine';
comment on column platform.origins.tenant_id is 'The tenant whose answers such a page may read';
comment on column platform.origins.created_at is 'When it was listed';
create index origins_tenant on platform.origins (tenant_id, origin);

-- Readers cache a tenant's origins with the tenant (0001, 0004).
create function platform.origin_changed() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
  if tg_op <> 'INSERT' then perform pg_notify('platform_tenants', old.tenant_id::text); end if;
  if tg_op <> 'DELETE' then perform pg_notify('platform_tenants', new.tenant_id::text); end if;
  return null;
end
$$;
comment on function platform.origin_changed() is 'Trigger: notifies the channel platform_tenants with the id of the tenant';
create trigger changed after insert or update or delete on platform.origins
  for each row execute function platform.origin_changed();
