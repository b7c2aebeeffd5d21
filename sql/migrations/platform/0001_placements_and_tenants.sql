-- Why:   where tenants live (servers, placements) and who they are (tenants, domains). The platform keeps only what it
--        needs to route and to bill; people, settings and files of a tenant are in its placement.
-- Locks: new tables only, nothing that is in use.
-- Undo:  drop schema platform cascade, as long as no tenant exists.

comment on schema platform is 'Control plane: applications, tenants, placements, operators. No rows of tenants'' own data';

create function platform.touch() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
  new.updated_at := now();
  return new;
end
$$;
comment on function platform.touch() is 'Trigger: keeps updated_at';

create table platform.servers (
  id uuid primary key,
  name text not null unique check (name ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
  kind text not null check (kind in ('own', 'byo')),
  host text not null check (length(host) between 1 and 253),
  port int not null check (port between 1 and 65535),
  tls_mode text not null default 'disable' check (tls_mode in ('disable', 'require')),
  tls_ca text,
  admin_user text,
  admin_secret text,
  server_version_num int,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  check (kind = 'byo' or admin_secret is null)
);
comment on table platform.servers is 'PostgreSQL servers that hold placements: ours and those that customers bring';
comment on column platform.servers.id is 'UUID v7, made by code';
comment on column platform.servers.name is 'Short name for operators';
comment on column platform.servers.kind is 'own: run by us, credentials come from the configuration. byo: brought by a customer';
comment on column platform.servers.host is 'Host name or address; one host, never a list';
comment on column platform.servers.port is 'TCP port';
comment on column platform.servers.tls_mode is 'disable, or require: TLS with the certificate verified';
comment on column platform.servers.tls_ca is 'PEM of the authority that signed the server''s certificate; null means the public ones';
comment on column platform.servers.admin_user is 'Login that carries out rollouts there (byo only)';
comment on column platform.servers.admin_secret is 'Sealed password of admin_user (byo only); never leaves the program in clear';
comment on column platform.servers.server_version_num is 'server_version_num as last seen, for example 180004';
comment on column platform.servers.created_at is 'When the row was made';
comment on column platform.servers.updated_at is 'When the row last changed';

create trigger touch before update on platform.servers for each row execute function platform.touch();

create table platform.placements (
  id uuid primary key,
  server_id uuid not null references platform.servers (id),
  kind text not null check (kind in ('shared', 'dedicated', 'byo')),
  database_name text not null check (octet_length(database_name) between 1 and 63),
  tenant_login text not null check (octet_length(tenant_login) between 1 and 63),
  owner_role text not null check (octet_length(owner_role) between 1 and 63),
  keeper_role text not null check (octet_length(keeper_role) between 1 and 63),
  key_id int not null default 1 check (key_id > 0),
  state text not null default 'preparing' check (state in ('preparing', 'ready', 'failed')),
  created_at timestamptz not null default now(),
  ready_at timestamptz,
  unique (server_id, database_name),
  check ((state = 'ready') <= (ready_at is not null))
);
comment on table platform.placements is 'Databases that hold tenant-plane rows. A shared one holds many tenants, the others exactly one';
comment on column platform.placements.id is 'UUID v7; names of databases and roles are derived from it';
comment on column platform.placements.server_id is 'The server that it is on';
comment on column platform.placements.kind is 'shared, dedicated or byo: the tier of the tenants in it';
comment on column platform.placements.database_name is 'Name of the database; opaque for dedicated ones, the customer''s own for byo';
comment on column platform.placements.tenant_login is 'Login that requests and jobs run as there';
comment on column platform.placements.owner_role is 'NOLOGIN role that owns the tenant objects there';
comment on column platform.placements.keeper_role is 'NOLOGIN role that owns the schema app (context keys) there';
comment on column platform.placements.key_id is 'Which of this placement''s context keys is signed with';
comment on column platform.placements.state is 'preparing until migrations, policies and proof have passed';
comment on column platform.placements.created_at is 'When the row was made';
comment on column platform.placements.ready_at is 'When the proof first passed';

create table platform.tenants (
  id uuid primary key,
  slug text collate "C" not null unique check (slug ~ '^[a-z0-9][a-z0-9-]{0,61}[a-z0-9]$'),
  name text not null check (length(name) between 1 and 200),
  status text not null default 'provisioning' check (
    status in ('provisioning', 'active', 'suspended', 'blocked', 'inactive', 'maintenance', 'deleted', 'erased')
  ),
  status_reason text,
  status_actor text,
  status_changed_at timestamptz not null default now(),
  tier text not null check (tier in ('shared', 'dedicated', 'byo')),
  placement_id uuid references platform.placements (id),
  plan text not null default 'standard',
  contact_name text not null,
  contact_email text not null,
  time_zone text not null default 'UTC',
  locale text not null default 'en',
  currency char(3) not null default 'USD' check (currency ~ '^[A-Z]{3}$'),
  version bigint not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  deleted_at timestamptz,
  check (status <> 'active' or placement_id is not null)
);
comment on table platform.tenants is 'Customer organisations. Rows are never removed, so that a slug is never given out twice';
comment on column platform.tenants.id is 'UUID v7; the tenant_id of every row in its placement';
comment on column platform.tenants.slug is 'Lower-case name in URLs and host names; unique for ever, deleted tenants included';
comment on column platform.tenants.name is 'Name of the organisation';
comment on column platform.tenants.status is 'Where in its life the tenant is; only active ones are served';
comment on column platform.tenants.status_reason is 'Why the status is what it is';
comment on column platform.tenants.status_actor is 'Who changed the status: operator:<id> or job:<name>';
comment on column platform.tenants.status_changed_at is 'When the status last changed';
comment on column platform.tenants.tier is 'shared, dedicated or byo';
comment on column platform.tenants.placement_id is 'The database that holds its rows; null until it has one';
comment on column platform.tenants.plan is 'Name of the plan it pays for';
comment on column platform.tenants.contact_name is 'Person who applied';
comment on column platform.tenants.contact_email is 'Address of that person';
comment on column platform.tenants.time_zone is 'IANA name, for example America/Toronto';
comment on column platform.tenants.locale is 'BCP 47 tag, for example en-CA';
comment on column platform.tenants.currency is 'ISO 4217 code';
comment on column platform.tenants.version is 'Grows with every change; routing caches compare it';
comment on column platform.tenants.created_at is 'When the row was made';
comment on column platform.tenants.updated_at is 'When the row last changed';
comment on column platform.tenants.deleted_at is 'When it was deleted; its data is kept for a grace period';

create index tenants_placement on platform.tenants (placement_id);
create index tenants_status on platform.tenants (status, created_at, id);

-- Readers cache what they know of a tenant: the version tells them that it is old, the notification tells them at once.
create function platform.tenant_changed() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
  if tg_op = 'UPDATE' then
    new.version := old.version + 1;
    new.updated_at := now();
  end if;
  perform pg_notify('platform_tenants', new.id::text);
  return new;
end
$$;
comment on function platform.tenant_changed() is 'Trigger: raises version and notifies the channel platform_tenants with the id';
create trigger changed before insert or update on platform.tenants
  for each row execute function platform.tenant_changed();

create table platform.domains (
  id uuid primary key,
  tenant_id uuid not null references platform.tenants (id),
  host text not null unique check (host = lower(host) and length(host) between 1 and 253),
  is_primary boolean not null default false,
  verified_at timestamptz,
  created_at timestamptz not null default now()
);
comment on table platform.domains is 'Host names of the tenants'' own by which they are reached';
comment on column platform.domains.id is 'UUID v7';
comment on column platform.domains.tenant_id is 'The tenant it leads to';
comment on column platform.domains.host is 'Lower-case host name without port or trailing dot';
comment on column platform.domains.is_primary is 'The one that links in mails use';
comment on column platform.domains.verified_at is 'When control of the name was proven; not served before';
comment on column platform.domains.created_at is 'When the row was made';
create index domains_tenant on platform.domains (tenant_id);
create unique index domains_primary on platform.domains (tenant_id) where is_primary;
