-- Rights on the sample domain: one paragraph a table, after 30_tenant.sql, which has taken every right away.
-- Desired state, re-applied whole at each rollout, in one transaction. Locks: short exclusive locks on these tables.
-- Grants name columns. tenant_id is never grantable: the database sets it.

set local role :"owner";

call app.isolate('tenant.buildings');
grant select, delete on tenant.buildings to :"tenant_login";
grant insert (name, address, postal_code, city, country, unit_id) on tenant.buildings to :"tenant_login";
grant update (name, address, postal_code, city, country, unit_id, updated_at) on tenant.buildings to :"tenant_login";

call app.isolate('tenant.properties');
grant select, delete on tenant.properties to :"tenant_login";
grant insert (building_id, label, area_m2) on tenant.properties to :"tenant_login";
grant update (building_id, label, area_m2, updated_at) on tenant.properties to :"tenant_login";

call app.isolate('tenant.renters');
grant select, delete on tenant.renters to :"tenant_login";
grant insert (property_id, first_name, last_name, email, phone, lease_starts_on, lease_ends_on) on tenant.renters to :"tenant_login";
grant update (property_id, first_name, last_name, email, phone, lease_starts_on, lease_ends_on, updated_at) on tenant.renters to :"tenant_login";

call app.isolate('tenant.meters');
grant select, delete on tenant.meters to :"tenant_login";
grant insert (property_id, serial_number, utility, unit, time_zone, tariff_id, installed_on) on tenant.meters to :"tenant_login";
grant update (property_id, serial_number, utility, unit, time_zone, tariff_id, installed_on, updated_at) on tenant.meters to :"tenant_login";

call app.isolate('tenant.reading_imports');
grant select on tenant.reading_imports to :"tenant_login";
grant insert (meter_id, file_name, mapping, created_by) on tenant.reading_imports to :"tenant_login";
grant update (lines, accepted, unchanged, rejected) on tenant.reading_imports to :"tenant_login";
-- No DELETE, and no UPDATE of what was asked for: it is the record of where readings came from.

call app.isolate('tenant.meter_readings');
grant select on tenant.meter_readings to :"tenant_login";
grant insert (meter_id, ends_at, billing_day, value, zone, import_id) on tenant.meter_readings to :"tenant_login";
grant update (billing_day, value, zone, import_id) on tenant.meter_readings to :"tenant_login";
-- No DELETE: invoices rest on readings; a wrong one is replaced by an import. Meter and time stay as they are.

call app.isolate('tenant.invoices');
grant select on tenant.invoices to :"tenant_login";
grant insert (number, meter_id, renter_id, month, currency, subtotal, total) on tenant.invoices to :"tenant_login";
grant update (currency, subtotal, total, updated_at) on tenant.invoices to :"tenant_login";
-- No DELETE: numbers of invoices have no gaps. No UPDATE of number, meter and month: they say which invoice it is.

call app.isolate('tenant.invoice_items');
grant select, delete on tenant.invoice_items to :"tenant_login";
grant insert (invoice_id, zone, unit_price, quantity, amount) on tenant.invoice_items to :"tenant_login";
grant update (quantity, amount) on tenant.invoice_items to :"tenant_login";

call app.isolate('tenant.reports');
grant select on tenant.reports to :"tenant_login";
grant insert (kind, params, created_by) on tenant.reports to :"tenant_login";
grant update (status, finished_at) on tenant.reports to :"tenant_login";

call app.isolate('tenant.report_files');
grant select, delete on tenant.report_files to :"tenant_login";
grant insert (report_id, format, part, body, bytes) on tenant.report_files to :"tenant_login";

-- Shared by all tenants and written by the platform as the owner; there is nothing of a tenant in it, so no isolation.
revoke all on schema reference from public;
revoke all on all tables in schema reference from public, :"tenant_login";
grant usage on schema reference to :"tenant_login";
grant select on reference.providers, reference.tariffs, reference.tariff_zones to :"tenant_login";

reset role;
