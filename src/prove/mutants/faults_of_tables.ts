// Faults of tables and keys that 90_proof.sql must find. To teach the proof a new rule, add its fault first and see it
// missed.
import { type Fault, notes } from "./fault.ts";

export const TABLES: Fault[] = [
  {
    fault: "row-level security is off",
    plant: "alter table tenant.buildings disable row level security",
    says: /^table "tenant.buildings" has row-level security off$/m,
  },
  {
    fault: "row-level security is not forced on the owner",
    plant: "alter table tenant.meters no force row level security",
    says: /^table "tenant.meters" does not force row-level security/m,
  },
  {
    fault: "the guard was dropped",
    plant: "drop policy tenant_guard on tenant.renters",
    says: /^table "tenant.renters" has no restrictive tenant_guard/m,
  },
  {
    fault: "the guard is permissive",
    plant: `drop policy tenant_guard on tenant.renters; create policy tenant_guard on tenant.renters
      using (tenant_id = (select coalesce((select tenant_id from app.entered), app.tenant_id())))
      with check (tenant_id = (select coalesce((select tenant_id from app.entered), app.tenant_id())))`,
    says: /^table "tenant.renters" has no restrictive tenant_guard/m,
  },
  {
    fault: "the guard has no WITH CHECK",
    plant: `drop policy tenant_guard on tenant.renters; create policy tenant_guard on tenant.renters as restrictive
      using (tenant_id = (select coalesce((select tenant_id from app.entered), app.tenant_id())))`,
    says: /^table "tenant.renters" has no restrictive tenant_guard/m,
  },
  {
    fault: "the guard checks nothing that is written",
    plant: "alter policy tenant_guard on tenant.renters with check (true)",
    says: /^table "tenant.renters" has no restrictive tenant_guard/m,
  },
  {
    fault: "the guard has a way round (or true)",
    plant:
      "alter policy tenant_guard on tenant.renters using (tenant_id = (select coalesce((select tenant_id from app.entered), app.tenant_id())) or true)",
    says: /^table "tenant.renters" has no restrictive tenant_guard/m,
  },
  {
    fault: "the guard trusts the claim without its proof",
    plant: `alter policy tenant_guard on tenant.renters using (tenant_id = current_setting('app.tenant_id')::uuid)`,
    says: /^table "tenant.renters" has no restrictive tenant_guard/m,
  },
  {
    fault: "the guard is for SELECT only",
    plant: `drop policy tenant_guard on tenant.renters; create policy tenant_guard on tenant.renters as restrictive
      for select using (tenant_id = (select coalesce((select tenant_id from app.entered), app.tenant_id())))`,
    says: /^table "tenant.renters" has no restrictive tenant_guard/m,
  },
  {
    fault: "the guard is for one role only",
    plant: `alter policy tenant_guard on tenant.renters to :"owner"`,
    says: /^table "tenant.renters" has no restrictive tenant_guard/m,
  },
  {
    fault: "a new table has no paragraph",
    plant:
      `set role :"owner"; create table tenant.notes (tenant_id uuid not null, id uuid, primary key (tenant_id, id))`,
    says: /^table "tenant.notes" has row-level security off$/m,
  },
  {
    fault: "a table has no tenant_id",
    plant: `set role :"owner"; create table tenant.notes (id uuid primary key)`,
    says: /^table "tenant.notes" has no column tenant_id/m,
  },
  {
    fault: "a table is owned by someone else",
    plant: `${notes()} alter table tenant.notes owner to current_user`,
    says: /^table "tenant.notes" is owned by /m,
  },
  {
    fault: "a child table inherits a tenant's table",
    plant: `set role :"owner"; create table tenant.notes () inherits (tenant.buildings)`,
    says: /^table "tenant.(notes|buildings)" takes part in inheritance$/m,
  },
  {
    fault: "a counter is shared by all tenants",
    plant: `${notes()} alter table tenant.notes add column number int generated always as identity`,
    says: /^table "tenant.notes" counts over all tenants/m,
  },
  {
    fault: "a rule rewrites statements",
    plant: "create rule quiet as on delete to tenant.buildings do instead nothing",
    says: /^table "tenant.buildings" has a rule/m,
  },
  {
    fault: "a table that all tenants share has a tenant_id",
    plant: "alter table reference.tariffs add column tenant_id uuid",
    says: /^table "reference.tariffs" is shared by all tenants but has a column tenant_id$/m,
  },
];

export const KEYS: Fault[] = [
  {
    fault: "a unique index does not begin with tenant_id",
    plant: "create unique index renters_u on tenant.renters (email)",
    says: /^index "tenant.renters_u" is unique but does not begin with tenant_id$/m,
  },
  {
    fault: "tenant_id is not the first column of a unique index",
    plant: "create unique index renters_u on tenant.renters (id, tenant_id)",
    says: /^index "tenant.renters_u" is unique/m,
  },
  {
    fault: "a unique index begins with an expression of tenant_id",
    plant: "create unique index renters_u on tenant.renters ((tenant_id::text), id)",
    says: /^index "tenant.renters_u" is unique/m,
  },
  {
    fault: "a primary key has no tenant_id",
    plant: "alter table tenant.idempotency_keys drop constraint idempotency_keys_pkey, add primary key (key)",
    says: /^index "tenant.idempotency_keys_pkey" is unique/m,
  },
  {
    fault: "an exclusion does not compare tenant_id by =",
    plant: `alter table tenant.renters add constraint apart exclude using btree (tenant_id with =, id with =);
      update pg_constraint set conexclop[1] = '<>(uuid,uuid)'::regoperator where conname = 'apart'`,
    says: /^exclusion "apart" of "tenant.renters" does not compare tenant_id by =$/m,
  },
  {
    fault: "a foreign key does not carry tenant_id",
    plant: `create unique index buildings_id on tenant.buildings (id);
      alter table tenant.renters add constraint loose foreign key (property_id) references tenant.buildings (id) not valid`,
    says: /^foreign key "loose" of "tenant.renters" does not carry tenant_id$/m,
  },
  {
    fault: "a foreign key reaches into the tenant schema",
    plant: `create table public.spy (tenant_id uuid, id uuid, foreign key (tenant_id, id) references tenant.members)`,
    says: /^foreign key "spy_tenant_id_id_fkey" of "spy" reaches into the tenant schema$/m,
  },
  {
    fault: "a foreign key reaches out of the tenant schema",
    plant: `create table public.spy (tenant_id uuid, id uuid, primary key (tenant_id, id));
      alter table tenant.renters add constraint out foreign key (tenant_id, id) references public.spy not valid`,
    says: /^foreign key "out" of "tenant.renters" reaches out of the tenant schema$/m,
  },
];
