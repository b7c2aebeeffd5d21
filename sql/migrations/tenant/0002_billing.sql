-- The sample domain: utilities billing for property managers. Buildings, properties, renters, meters, readings, invoices,
-- reports; and schema reference, the placement's read-only copy of the providers and tariffs that all tenants share.
-- Locks: creates new tables only. Undo: drop schema reference and these tables in reverse order (only while no tenant
-- lives here). Every key of a tenant table leads with tenant_id (R4). Columns named *_key hold text in lower case under
-- collation "C": what lists search by range, since under row-level security only leakproof operators reach an index.

-- The schema is made as the one who runs the rollout: the owner role may not create schemas.
reset role;
create schema if not exists reference authorization :"owner";
set local role :"owner";
comment on schema reference is 'What the platform publishes to every tenant, read-only: providers and tariffs';

create table reference.providers (
  id uuid primary key,
  name text not null,
  country char(2) not null,
  updated_at timestamptz not null default now()
);
comment on table reference.providers is 'Utility companies; a copy, the platform database has the original';
comment on column reference.providers.id is 'Identifier, the same in every placement';
comment on column reference.providers.name is 'Name of the company';
comment on column reference.providers.country is 'ISO 3166-1 alpha-2 code';
comment on column reference.providers.updated_at is 'When the original was last changed';

create table reference.tariffs (
  id uuid primary key,
  provider_id uuid not null references reference.providers (id) on delete cascade,
  name text not null,
  utility text not null,
  currency char(3) not null,
  unit text not null,
  valid_from date not null,
  valid_to date,
  updated_at timestamptz not null default now()
);
create index tariffs_by_name on reference.tariffs (provider_id, name, valid_from);
comment on table reference.tariffs is 'Prices of a provider for one utility during one period; a copy. Rows with the same provider, name, utility and currency are the versions of one tariff';
comment on column reference.tariffs.id is 'Identifier, the same in every placement';
comment on column reference.tariffs.provider_id is 'Who charges it';
comment on column reference.tariffs.name is 'Name of the tariff, the same for all of its versions';
comment on column reference.tariffs.utility is 'electricity, water, heating or gas';
comment on column reference.tariffs.currency is 'ISO 4217 code of the prices';
comment on column reference.tariffs.unit is 'Unit that the prices are for: kWh or m3';
comment on column reference.tariffs.valid_from is 'First day on which it holds';
comment on column reference.tariffs.valid_to is 'First day on which it no longer holds; null while it does';
comment on column reference.tariffs.updated_at is 'When the original was last changed';

create table reference.tariff_zones (
  tariff_id uuid not null references reference.tariffs (id) on delete cascade,
  zone text not null,
  price numeric(12, 6) not null,
  updated_at timestamptz not null default now(),
  primary key (tariff_id, zone)
);
comment on table reference.tariff_zones is 'Price of one unit in each time-of-use zone of a tariff; a copy';
comment on column reference.tariff_zones.tariff_id is 'The tariff';
comment on column reference.tariff_zones.zone is 'Name of the zone, for example off_peak';
comment on column reference.tariff_zones.price is 'Price of one unit in the tariff''s currency';
comment on column reference.tariff_zones.updated_at is 'When the original was last changed';

create table tenant.buildings (
  tenant_id uuid not null,
  id uuid not null default app.uuid_v7(),
  name text not null check (length(name) between 1 and 200),
  name_key text collate "C" not null generated always as (lower(name)) stored,
  address text not null check (length(address) between 1 and 300),
  postal_code text check (length(postal_code) between 1 and 20),
  city text not null check (length(city) between 1 and 100),
  country char(2) not null check (country ~ '^[A-Z]{2}$'),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (tenant_id, id)
);
create index buildings_by_name on tenant.buildings (tenant_id, name_key, id);
create index buildings_by_created on tenant.buildings (tenant_id, created_at, id);
comment on table tenant.buildings is 'Buildings that the organisation manages';
comment on column tenant.buildings.id is 'Identifier, UUID v7';
comment on column tenant.buildings.name is 'What the organisation calls it';
comment on column tenant.buildings.name_key is 'Name in lower case: sorted and searched by';
comment on column tenant.buildings.address is 'Street and number';
comment on column tenant.buildings.postal_code is 'Postal code, where there is one';
comment on column tenant.buildings.city is 'City';
comment on column tenant.buildings.country is 'ISO 3166-1 alpha-2 code';
comment on column tenant.buildings.created_at is 'When the row was made';
comment on column tenant.buildings.updated_at is 'When the row was last changed';

create table tenant.properties (
  tenant_id uuid not null,
  id uuid not null default app.uuid_v7(),
  building_id uuid not null,
  label text not null check (length(label) between 1 and 100),
  label_key text collate "C" not null generated always as (lower(label)) stored,
  area_m2 numeric(10, 2) check (area_m2 > 0),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (tenant_id, id),
  unique (tenant_id, building_id, label_key),
  foreign key (tenant_id, building_id) references tenant.buildings (tenant_id, id)
);
create index properties_by_label on tenant.properties (tenant_id, label_key, id);
create index properties_by_created on tenant.properties (tenant_id, created_at, id);
comment on table tenant.properties is 'Flats, shops and other units that are let, each in a building';
comment on column tenant.properties.id is 'Identifier, UUID v7';
comment on column tenant.properties.building_id is 'The building that it is in';
comment on column tenant.properties.label is 'Its name in the building, for example "Flat 12"; unique there without regard to case';
comment on column tenant.properties.label_key is 'Label in lower case: sorted and searched by';
comment on column tenant.properties.area_m2 is 'Floor area in square metres';
comment on column tenant.properties.created_at is 'When the row was made';
comment on column tenant.properties.updated_at is 'When the row was last changed';

create table tenant.renters (
  tenant_id uuid not null,
  id uuid not null default app.uuid_v7(),
  property_id uuid,
  first_name text not null check (length(first_name) between 1 and 100),
  last_name text not null check (length(last_name) between 1 and 100),
  last_name_key text collate "C" not null generated always as (lower(last_name)) stored,
  email text check (length(email) between 3 and 254),
  email_key text collate "C" generated always as (lower(email)) stored,
  phone text check (length(phone) between 1 and 40),
  lease_starts_on date,
  lease_ends_on date,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (tenant_id, id),
  foreign key (tenant_id, property_id) references tenant.properties (tenant_id, id),
  check (lease_ends_on >= lease_starts_on)
);
create index renters_by_name on tenant.renters (tenant_id, last_name_key, id);
create index renters_by_property on tenant.renters (tenant_id, property_id, lease_starts_on);
create index renters_by_email on tenant.renters (tenant_id, email_key);
create index renters_by_created on tenant.renters (tenant_id, created_at, id);
comment on table tenant.renters is 'People who rent a property. Not to be confused with tenants, which are organisations here';
comment on column tenant.renters.id is 'Identifier, UUID v7';
comment on column tenant.renters.property_id is 'What they rent; null while they rent nothing';
comment on column tenant.renters.first_name is 'Given name';
comment on column tenant.renters.last_name is 'Family name';
comment on column tenant.renters.last_name_key is 'Family name in lower case: sorted and searched by';
comment on column tenant.renters.email is 'E-mail address as typed';
comment on column tenant.renters.email_key is 'E-mail address in lower case: searched by';
comment on column tenant.renters.phone is 'Telephone number as typed';
comment on column tenant.renters.lease_starts_on is 'First day of the lease';
comment on column tenant.renters.lease_ends_on is 'Last day of the lease; null while it is open';
comment on column tenant.renters.created_at is 'When the row was made';
comment on column tenant.renters.updated_at is 'When the row was last changed';

create table tenant.meters (
  tenant_id uuid not null,
  id uuid not null default app.uuid_v7(),
  property_id uuid not null,
  serial_number text not null check (length(serial_number) between 1 and 100),
  serial_key text collate "C" not null generated always as (lower(serial_number)) stored,
  utility text not null check (utility in ('electricity', 'water', 'heating', 'gas')),
  unit text not null check (unit in ('kWh', 'm3')),
  time_zone text not null check (length(time_zone) between 1 and 64),
  tariff_id uuid references reference.tariffs (id),
  installed_on date,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (tenant_id, id),
  unique (tenant_id, serial_key),
  foreign key (tenant_id, property_id) references tenant.properties (tenant_id, id)
);
create index meters_by_serial on tenant.meters (tenant_id, serial_key, id);
create index meters_by_property on tenant.meters (tenant_id, property_id, serial_key, id);
create index meters_by_created on tenant.meters (tenant_id, created_at, id);
comment on table tenant.meters is 'Meters, each measuring one utility of one property';
comment on column tenant.meters.id is 'Identifier, UUID v7';
comment on column tenant.meters.property_id is 'What it measures the use of';
comment on column tenant.meters.serial_number is 'Number on the meter; unique in the tenant without regard to case';
comment on column tenant.meters.serial_key is 'Serial number in lower case: sorted and searched by';
comment on column tenant.meters.utility is 'electricity, water, heating or gas';
comment on column tenant.meters.unit is 'Unit of its readings: kWh or m3';
comment on column tenant.meters.time_zone is 'IANA zone of the place, for example America/Toronto';
comment on column tenant.meters.tariff_id is 'A version of the tariff that its use is billed by; null: not billed';
comment on column tenant.meters.installed_on is 'When it was installed';
comment on column tenant.meters.created_at is 'When the row was made';
comment on column tenant.meters.updated_at is 'When the row was last changed';

create table tenant.reading_imports (
  tenant_id uuid not null,
  id uuid not null default app.uuid_v7(),
  meter_id uuid not null,
  file_name text check (length(file_name) between 1 and 255),
  mapping jsonb not null,
  lines bigint not null default 0,
  accepted bigint not null default 0,
  unchanged bigint not null default 0,
  rejected bigint not null default 0,
  created_by uuid,
  created_at timestamptz not null default now(),
  primary key (tenant_id, id),
  foreign key (tenant_id, meter_id) references tenant.meters (tenant_id, id),
  foreign key (tenant_id, created_by) references tenant.members (tenant_id, id)
);
create index reading_imports_by_meter on tenant.reading_imports (tenant_id, meter_id, created_at, id);
create index reading_imports_by_member on tenant.reading_imports (tenant_id, created_by);
comment on table tenant.reading_imports is 'Files of readings that were imported, and what came of them';
comment on column tenant.reading_imports.id is 'Identifier, UUID v7';
comment on column tenant.reading_imports.meter_id is 'The meter whose readings they are';
comment on column tenant.reading_imports.file_name is 'Name of the file, as the caller gave it';
comment on column tenant.reading_imports.mapping is 'How the columns were read';
comment on column tenant.reading_imports.lines is 'Lines of data: accepted + unchanged + rejected';
comment on column tenant.reading_imports.accepted is 'Lines that were stored';
comment on column tenant.reading_imports.unchanged is 'Lines that were stored already';
comment on column tenant.reading_imports.rejected is 'Lines that were refused';
comment on column tenant.reading_imports.created_by is 'The member who imported it';
comment on column tenant.reading_imports.created_at is 'When it was imported';

-- No index besides the key: imports are written at full speed, and every question begins with a meter and a time.
-- import_id has no foreign key for the same reason; imports cannot be deleted (no grant), so it cannot dangle.
create table tenant.meter_readings (
  tenant_id uuid not null,
  meter_id uuid not null,
  ends_at timestamptz not null,
  billing_day date not null,
  value numeric(14, 4) not null check (value >= 0),
  zone text check (length(zone) between 1 and 40),
  import_id uuid,
  primary key (tenant_id, meter_id, ends_at),
  foreign key (tenant_id, meter_id) references tenant.meters (tenant_id, id),
  constraint meter_readings_day check (
    (ends_at at time zone 'UTC') between billing_day - interval '1 day' and billing_day + interval '3 days'
  )
);
comment on table tenant.meter_readings is 'What a meter measured, one row an interval';
comment on column tenant.meter_readings.meter_id is 'The meter';
comment on column tenant.meter_readings.ends_at is 'The instant at which the interval ends';
comment on column tenant.meter_readings.billing_day is 'Local day that the interval belongs to, as the utility counts: the 24th hour belongs to the day that it ends';
comment on column tenant.meter_readings.value is 'Amount used in the interval, in the meter''s unit';
comment on column tenant.meter_readings.zone is 'Time-of-use zone; null where the file names none';
comment on column tenant.meter_readings.import_id is 'The import that wrote it last';

create table tenant.invoices (
  tenant_id uuid not null,
  id uuid not null default app.uuid_v7(),
  number int not null check (number > 0),
  meter_id uuid not null,
  renter_id uuid,
  month date not null check (extract(day from month) = 1),
  currency char(3) not null check (currency ~ '^[A-Z]{3}$'),
  subtotal numeric not null,
  total numeric(14, 2) not null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (tenant_id, id),
  unique (tenant_id, meter_id, month),
  unique (tenant_id, number),
  foreign key (tenant_id, meter_id) references tenant.meters (tenant_id, id),
  foreign key (tenant_id, renter_id) references tenant.renters (tenant_id, id),
  constraint invoices_total check (total = round(subtotal, 2))
);
create index invoices_by_month on tenant.invoices (tenant_id, month, id);
create index invoices_by_renter on tenant.invoices (tenant_id, renter_id, month);
create index invoices_by_created on tenant.invoices (tenant_id, created_at, id);
comment on table tenant.invoices is 'What the use of one meter in one month costs';
comment on column tenant.invoices.id is 'Identifier, UUID v7';
comment on column tenant.invoices.number is 'Number of the invoice, counted up in the tenant';
comment on column tenant.invoices.meter_id is 'The meter';
comment on column tenant.invoices.renter_id is 'Who rented the property at the end of the month, when it was billed first; null: nobody';
comment on column tenant.invoices.month is 'First day of the month';
comment on column tenant.invoices.currency is 'ISO 4217 code';
comment on column tenant.invoices.subtotal is 'Exact sum of the items';
comment on column tenant.invoices.total is 'The sum rounded half-up to cents: the only rounding there is';
comment on column tenant.invoices.created_at is 'When the month was first billed';
comment on column tenant.invoices.updated_at is 'When its amounts last changed';

create table tenant.invoice_items (
  tenant_id uuid not null,
  invoice_id uuid not null,
  zone text not null check (length(zone) between 1 and 40),
  unit_price numeric(12, 6) not null,
  quantity numeric not null check (quantity >= 0),
  amount numeric not null,
  primary key (tenant_id, invoice_id, zone, unit_price),
  foreign key (tenant_id, invoice_id) references tenant.invoices (tenant_id, id),
  constraint invoice_items_amount check (amount = quantity * unit_price)
);
comment on table tenant.invoice_items is 'Lines of an invoice: one a zone, or one a price where the price changed within the month';
comment on column tenant.invoice_items.invoice_id is 'The invoice';
comment on column tenant.invoice_items.zone is 'Time-of-use zone';
comment on column tenant.invoice_items.unit_price is 'Price of one unit';
comment on column tenant.invoice_items.quantity is 'Units used';
comment on column tenant.invoice_items.amount is 'Exact product of the two, not rounded';

create table tenant.reports (
  tenant_id uuid not null,
  id uuid not null default app.uuid_v7(),
  kind text not null check (kind in ('usage')),
  params jsonb not null check (jsonb_typeof(params) = 'object'),
  status text not null default 'queued' check (status in ('queued', 'running', 'ready', 'failed')),
  created_by uuid,
  created_at timestamptz not null default now(),
  finished_at timestamptz,
  primary key (tenant_id, id),
  foreign key (tenant_id, created_by) references tenant.members (tenant_id, id)
);
create index reports_by_created on tenant.reports (tenant_id, created_at, id);
create index reports_by_member on tenant.reports (tenant_id, created_by);
comment on table tenant.reports is 'Reports that were asked for';
comment on column tenant.reports.id is 'Identifier, UUID v7';
comment on column tenant.reports.kind is 'Which report: usage';
comment on column tenant.reports.params is 'Period and meter that it is about';
comment on column tenant.reports.status is 'queued, running, ready or failed';
comment on column tenant.reports.created_by is 'The member who asked for it';
comment on column tenant.reports.created_at is 'When it was asked for';
comment on column tenant.reports.finished_at is 'When it was ready or had failed';

create table tenant.report_files (
  tenant_id uuid not null,
  report_id uuid not null,
  format text not null check (format in ('csv', 'json')),
  part int not null check (part >= 0),
  body text not null,
  bytes int not null check (bytes = octet_length(body)),
  primary key (tenant_id, report_id, format, part),
  foreign key (tenant_id, report_id) references tenant.reports (tenant_id, id)
);
comment on table tenant.report_files is 'Files of reports, in parts of a size that fits in memory';
comment on column tenant.report_files.report_id is 'The report';
comment on column tenant.report_files.format is 'csv or json';
comment on column tenant.report_files.part is 'Number of the part; the parts in order are the file';
comment on column tenant.report_files.body is 'Text of the part, UTF-8';
comment on column tenant.report_files.bytes is 'Its length in bytes';
