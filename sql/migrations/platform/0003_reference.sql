-- Why:   reference data that all tenants share. The platform owns it; each placement has a read-only copy in its schema
--        reference, brought up to date by the job reference.sync.
-- Locks: new tables only, nothing that is in use.
-- Undo:  drop tariff_zones, tariffs, providers, in this order.

create table platform.providers (
  id uuid primary key,
  name text not null unique check (length(name) between 1 and 200),
  country char(2) not null check (country ~ '^[A-Z]{2}$'),
  updated_at timestamptz not null default now()
);
comment on table platform.providers is 'Utility companies';
comment on column platform.providers.id is 'UUID, the same in every placement';
comment on column platform.providers.name is 'Name of the company';
comment on column platform.providers.country is 'ISO 3166-1 alpha-2 code';
comment on column platform.providers.updated_at is 'When the row last changed';

create table platform.tariffs (
  id uuid primary key,
  provider_id uuid not null references platform.providers (id) on delete cascade,
  name text not null check (length(name) between 1 and 200),
  utility text not null check (utility in ('electricity', 'gas', 'water', 'heating')),
  currency char(3) not null check (currency ~ '^[A-Z]{3}$'),
  unit text not null,
  valid_from date not null,
  valid_to date,
  updated_at timestamptz not null default now(),
  unique (provider_id, name, utility, currency, valid_from),
  check (valid_to > valid_from)
);
comment on table platform.tariffs is 'Prices of a provider for one utility during one period';
comment on column platform.tariffs.id is 'UUID, the same in every placement';
comment on column platform.tariffs.provider_id is 'Who charges it';
comment on column platform.tariffs.name is 'Name of the tariff';
comment on column platform.tariffs.utility is 'What is metered';
comment on column platform.tariffs.currency is 'ISO 4217 code of the prices';
comment on column platform.tariffs.unit is 'Unit that the prices are for, for example kWh';
comment on column platform.tariffs.valid_from is 'First day';
comment on column platform.tariffs.valid_to is 'First day on which it no longer holds; null while it does';
comment on column platform.tariffs.updated_at is 'When the row last changed';

create table platform.tariff_zones (
  tariff_id uuid not null references platform.tariffs (id) on delete cascade,
  zone text not null check (zone ~ '^[a-z][a-z0-9_]{0,39}$'),
  price numeric(12, 6) not null check (price >= 0),
  updated_at timestamptz not null default now(),
  primary key (tariff_id, zone)
);
comment on table platform.tariff_zones is 'Price of one unit in each time-of-use zone of a tariff';
comment on column platform.tariff_zones.tariff_id is 'The tariff';
comment on column platform.tariff_zones.zone is 'Name of the zone, for example off_peak';
comment on column platform.tariff_zones.price is 'Price of one unit in the tariff''s currency';
comment on column platform.tariff_zones.updated_at is 'When the row last changed';

create trigger touch before update on platform.providers for each row execute function platform.touch();
create trigger touch before update on platform.tariffs for each row execute function platform.touch();
create trigger touch before update on platform.tariff_zones for each row execute function platform.touch();
