// Faults of tables, keys, views, functions and the context that 90_proof.sql must find. To teach the proof a new rule,
// add its fault here first and see it missed.
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
      using (tenant_id = (select app.tenant_id())) with check (tenant_id = (select app.tenant_id()))`,
    says: /^table "tenant.renters" has no restrictive tenant_guard/m,
  },
  {
    fault: "the guard has no WITH CHECK",
    plant: `drop policy tenant_guard on tenant.renters; create policy tenant_guard on tenant.renters as restrictive
      using (tenant_id = (select app.tenant_id()))`,
    says: /^table "tenant.renters" has no restrictive tenant_guard/m,
  },
  {
    fault: "the guard checks nothing that is written",
    plant: "alter policy tenant_guard on tenant.renters with check (true)",
    says: /^table "tenant.renters" has no restrictive tenant_guard/m,
  },
  {
    fault: "the guard has a way round (or true)",
    plant: "alter policy tenant_guard on tenant.renters using (tenant_id = (select app.tenant_id()) or true)",
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
      for select using (tenant_id = (select app.tenant_id()))`,
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
      alter table tenant.renters add constraint loose foreign key (property_id) references tenant.buildings (id)`,
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
      alter table tenant.renters add constraint out foreign key (tenant_id, id) references public.spy`,
    says: /^foreign key "out" of "tenant.renters" reaches out of the tenant schema$/m,
  },
];

export const WAYS_ROUND: Fault[] = [
  {
    fault: "a view runs with its owner's rights",
    plant: "create view tenant.everyone as select * from tenant.members",
    says: /^view "tenant.everyone" does not run with the rights of its caller/m,
  },
  {
    fault: "such a view is in another schema",
    plant: "create schema reports; create view reports.everyone as select * from tenant.members",
    says: /^view "reports.everyone" does not run/m,
  },
  {
    fault: "a view has security_invoker switched off",
    plant: `create view tenant.everyone with (security_invoker = true) as select * from tenant.members;
      alter view tenant.everyone set (security_invoker = false)`,
    says: /^view "tenant.everyone" does not run/m,
  },
  {
    fault: "a materialized view is granted",
    plant: `create materialized view tenant.kept as select * from tenant.members;
      grant select on tenant.kept to :"tenant_login"`,
    says: /^bh_l_\w+ has SELECT on "tenant.kept"$/m,
  },
  {
    fault: "a materialized view over tenants in another schema is granted",
    plant:
      `create materialized view public.kept as select * from tenant.members; grant select on public.kept to public`,
    says: /^materialized view "kept" keeps rows of tenants/m,
  },
  {
    fault: "a trigger runs a definer function",
    plant: `create function public.spy() returns trigger language plpgsql security definer as 'begin return new; end';
      revoke all on function public.spy() from public;
      create trigger spy before insert on tenant.members for each row execute function public.spy()`,
    says: /^trigger "spy" on "tenant.members" runs a function with the rights of its definer$/m,
  },
  {
    fault: "a definer function takes a tenant as argument",
    plant: `create function tenant.members_of(t uuid) returns setof tenant.members language sql security definer
      as 'select * from tenant.members where tenant_id = t'`,
    says: /^function "tenant.members_of\(uuid\)" runs with the rights of /m,
  },
  {
    fault: "a definer function in schema public",
    plant: `create function public.sneak() returns int language sql security definer as 'select 1'`,
    says: /^function "sneak\(\)" runs with the rights of /m,
  },
];

export const CONTEXT: Fault[] = [
  {
    fault: "app.tenant_id() is IMMUTABLE",
    plant: "alter function app.tenant_id() immutable",
    says: /^function "app.tenant_id\(\)" is not STABLE$/m,
  },
  {
    fault: "app.tenant_id() is VOLATILE",
    plant: "alter function app.tenant_id() volatile",
    says: /^function "app.tenant_id\(\)" is not STABLE$/m,
  },
  {
    fault: "app.tenant_id() is owned by another role",
    plant: `alter function app.tenant_id() owner to :"owner"`,
    says: /^function "app.tenant_id\(\)" is not owned by the keeper$/m,
  },
  {
    fault: "app.tenant_id() has no fixed search_path",
    plant: "alter function app.tenant_id() reset all",
    says: /^function "app.tenant_id\(\)" has no fixed search_path$/m,
  },
  {
    fault: "app.tenant_id() looks in public first",
    plant: "alter function app.tenant_id() set search_path = public, pg_catalog",
    says: /^function "app.tenant_id\(\)" has no fixed search_path$/m,
  },
  {
    fault: "app.tenant_id() runs with its caller's rights",
    plant: "alter function app.tenant_id() security invoker",
    says: /^function "app.tenant_id\(\)" cannot read the keys/m,
  },
  {
    fault: "a second app.tenant_id takes the tenant as argument",
    plant: `create function app.tenant_id(t uuid) returns uuid language sql stable security definer
      set search_path = pg_catalog, pg_temp as 'select t'`,
    says: /^function "app.tenant_id\(uuid\)" runs with the rights of /m,
  },
  {
    fault: "the keys can be read",
    plant: `grant select on app.keys to :"tenant_login"`,
    says: /^bh_l_\w+ has SELECT on "app.keys"$/m,
  },
  {
    fault: "one column of the keys can be read",
    plant: `grant select (inner_block) on app.keys to :"tenant_login"`,
    says: /^bh_l_\w+ has SELECT on column "inner_block" of "app.keys"$/m,
  },
  {
    fault: "the owner of the tables can read the keys",
    plant: `grant select on app.keys to :"owner"`,
    says: /^bh_o_\w+ has SELECT on "app.keys"$/m,
  },
  {
    fault: "the gates can be opened",
    plant: `grant update (open) on app.gates to :"tenant_login"`,
    says: /^bh_l_\w+ has UPDATE on column "open" of "app.gates"$/m,
  },
  {
    fault: "the keys belong to someone else",
    plant: `alter table app.keys owner to :"owner"`,
    says: /^table "app.keys" is owned by "bh_o_\w+", not by the keeper$/m,
  },
  {
    fault: "the keeper owns something outside schema app",
    plant: `create table public.spy (); alter table public.spy owner to :"keeper"`,
    says: /^role "bh_k_\w+" owns "spy" outside schema app$/m,
  },
  {
    fault: "schema app belongs to someone else",
    plant: `alter schema app owner to :"owner"`,
    says: /^schema "app" is owned by "bh_o_\w+"$/m,
  },
];
