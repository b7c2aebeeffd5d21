// The faults that 90_proof.sql must find, each planted by SQL as superuser in a scratch placement, with the words that must
// name the offender. `:"owner"` and the like stand for the placement's roles. To teach the proof a new rule, add its
// fault here first and see it missed.

/** One fault. */
export interface Fault {
  /** What is wrong, for the test's name. */
  fault: string;
  /** SQL that makes it so. */
  plant: string;
  /** What the proof must say. */
  says: RegExp;
  /** From which PostgreSQL on the fault can be made, as `server_version_num`. */
  since?: number;
}

const LOGIN = `login "bh_l_[0-9a-f]+"`;

/** A table that keeps every rule; faults spoil one of them. */
const notes = (more = "") =>
  `set role :"owner";
  create table tenant.notes (tenant_id uuid not null, id uuid not null default app.uuid_v7(), body text, parent uuid,
    primary key (tenant_id, id)${more});
  call app.isolate('tenant.notes');
  reset role;`;

const TABLES: Fault[] = [
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
    plant: `set role :"owner"; create table tenant.notes (tenant_id uuid not null, id uuid, primary key (tenant_id, id))`,
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

const KEYS: Fault[] = [
  {
    fault: "a unique index does not begin with tenant_id",
    plant: "create unique index notes_u on tenant.renters (email)",
    says: /^index "tenant.notes_u" is unique but does not begin with tenant_id$/m,
  },
  {
    fault: "tenant_id is not the first column of a unique index",
    plant: "create unique index notes_u on tenant.renters (id, tenant_id)",
    says: /^index "tenant.notes_u" is unique/m,
  },
  {
    fault: "a unique index begins with an expression of tenant_id",
    plant: "create unique index notes_u on tenant.renters ((tenant_id::text), id)",
    says: /^index "tenant.notes_u" is unique/m,
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
    plant: `alter table tenant.buildings disable trigger all; drop policy tenant_guard on tenant.buildings;
      create unique index b on tenant.buildings (id);
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

const WAYS_ROUND: Fault[] = [
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
    plant: `create materialized view public.kept as select * from tenant.members; grant select on public.kept to public`,
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

const CONTEXT: Fault[] = [
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

const GRANTS: Fault[] = [
  {
    fault: "GRANT ALL",
    plant: `grant all on tenant.buildings to :"tenant_login"`,
    says: /^bh_l_\w+ has TRUNCATE on "tenant.buildings"$/m,
  },
  ...["TRUNCATE", "TRIGGER", "REFERENCES", "INSERT", "UPDATE"].map((right) => ({
    fault: `table-wide ${right}`,
    plant: `grant ${right} on tenant.buildings to :"tenant_login"`,
    says: new RegExp(`^bh_l_\\w+ has ${right} on "tenant.buildings"$`, "m"),
  })),
  {
    fault: "MAINTAIN",
    plant: `grant maintain on tenant.buildings to :"tenant_login"`,
    says: /^bh_l_\w+ has MAINTAIN on "tenant.buildings"$/m,
    since: 170_000,
  },
  ...["INSERT", "UPDATE"].map((right) => ({
    fault: `tenant_id may be written by ${right}`,
    plant: `grant ${right} (tenant_id) on tenant.buildings to :"tenant_login"`,
    says: new RegExp(`^bh_l_\\w+ has ${right} on column "tenant_id" of "tenant.buildings"$`, "m"),
  })),
  {
    fault: "a grant to PUBLIC",
    plant: "grant select on tenant.members to public",
    says: /^PUBLIC has SELECT on "tenant.members"$/m,
  },
  {
    fault: "a column is granted to PUBLIC",
    plant: "grant select (password_hash) on tenant.members to public",
    says: /^PUBLIC has SELECT on column "password_hash" of "tenant.members"$/m,
  },
  {
    fault: "a grant to a stranger",
    plant: "create role stranger_of_proof; grant select on tenant.members to stranger_of_proof",
    says: /^stranger_of_proof has SELECT on "tenant.members"$/m,
  },
  {
    fault: "a grant with grant option",
    plant: `grant select on tenant.members to :"tenant_login" with grant option`,
    says: /^bh_l_\w+ has SELECT with grant option on "tenant.members"$/m,
  },
  {
    fault: "a sequence is granted",
    plant: `create sequence tenant.numbers; grant usage on sequence tenant.numbers to :"tenant_login"`,
    says: /^bh_l_\w+ has USAGE on "tenant.numbers"$/m,
  },
  {
    fault: "a partition is granted",
    plant: `set role :"owner"; create table tenant.parts (tenant_id uuid not null, id uuid not null, primary key (tenant_id, id))
      partition by hash (tenant_id); create table tenant.parts_0 partition of tenant.parts for values with (modulus 1, remainder 0);
      call app.isolate('tenant.parts'); call app.isolate('tenant.parts_0'); grant select on tenant.parts_0 to :"tenant_login"`,
    says: /^bh_l_\w+ has SELECT on "tenant.parts_0"$/m,
  },
  {
    fault: "a column of a partition is granted",
    plant: `set role :"owner"; create table tenant.parts (tenant_id uuid not null, id uuid not null, primary key (tenant_id, id))
      partition by hash (tenant_id); create table tenant.parts_0 partition of tenant.parts for values with (modulus 1, remainder 0);
      call app.isolate('tenant.parts'); call app.isolate('tenant.parts_0'); grant select (id) on tenant.parts_0 to :"tenant_login"`,
    says: /^bh_l_\w+ has SELECT on column "id" of "tenant.parts_0"$/m,
  },
  {
    fault: "what all tenants share can be written",
    plant: `grant insert on reference.tariffs to :"tenant_login"`,
    says: /^bh_l_\w+ has INSERT on "reference.tariffs"$/m,
  },
  {
    fault: "one column of what all tenants share can be written",
    plant: `grant update (price) on reference.tariff_zones to :"tenant_login"`,
    says: /^bh_l_\w+ has UPDATE on column "price" of "reference.tariff_zones"$/m,
  },
  {
    fault: "a table outside the schemas is granted to the login",
    plant: `create table public.spy (id int); grant select on public.spy to :"tenant_login"`,
    says: /^bh_l_\w+ has SELECT on "spy"$/m,
  },
  {
    fault: "a table with tenants' rows outside the schemas is open to PUBLIC",
    plant: "create table public.spy (tenant_id uuid); grant select on public.spy to public",
    says: /^PUBLIC has SELECT on "spy"$/m,
  },
  {
    fault: "new tables would be granted to the login",
    plant: `alter default privileges for role :"owner" in schema tenant grant all on tables to :"tenant_login"`,
    says: /^login "bh_l_\w+" was granted rights on default privileges/m,
  },
  {
    fault: "new tables would be granted to PUBLIC",
    plant: `alter default privileges for role :"owner" grant select on tables to public`,
    says: /^PUBLIC would be granted SELECT on what "bh_o_\w+" makes$/m,
  },
];

const LOGINS: Fault[] = [
  ...["SUPERUSER", "BYPASSRLS", "CREATEROLE", "CREATEDB", "REPLICATION"].map((word) => ({
    fault: `the login has ${word}`,
    plant: `alter role :"tenant_login" ${word}`,
    says: new RegExp(`^${LOGIN} has ${word}$`, "m"),
  })),
  {
    fault: "the login is a member of the owner",
    plant: `grant :"owner" to :"tenant_login"`,
    says: new RegExp(`^${LOGIN} is a member of "bh_o_\\w+"$`, "m"),
  },
  {
    fault: "the login is a member of a predefined role",
    plant: `grant pg_read_all_data to :"tenant_login"`,
    says: new RegExp(`^${LOGIN} is a member of "pg_read_all_data"$`, "m"),
  },
  {
    fault: "the owner is a member of a predefined role",
    plant: `grant pg_read_server_files to :"owner"`,
    says: /^login "bh_o_\w+" is a member of "pg_read_server_files"$/m,
  },
  {
    fault: "the login owns a table",
    plant: `${notes()} alter table tenant.notes owner to :"tenant_login"`,
    says: new RegExp(`^${LOGIN} owns table tenant.notes$`, "m"),
  },
  {
    fault: "the login owns a function",
    plant: `create function public.own() returns int language sql as 'select 1'; alter function public.own() owner to :"tenant_login"`,
    says: new RegExp(`^${LOGIN} owns function own\\(\\)$`, "m"),
  },
  {
    fault: "the login owns the database",
    plant: `do $$ begin execute format('alter database %I owner to %I', current_database(), :'tenant_login'); end $$`,
    says: new RegExp(`^${LOGIN} owns database `, "m"),
  },
  {
    fault: "the login may create in a schema",
    plant: `grant create on schema public to :"tenant_login"`,
    says: new RegExp(`^${LOGIN} may create in schema "public"$`, "m"),
  },
  {
    fault: "PUBLIC may create in a schema",
    plant: "grant create on schema public to public",
    says: new RegExp(`^${LOGIN} may create in schema "public"$`, "m"),
  },
  {
    fault: "the login may make temporary tables",
    plant: `do $$ begin execute format('grant temp on database %I to %I', current_database(), :'tenant_login'); end $$`,
    says: new RegExp(`^${LOGIN} has TEMP on database `, "m"),
  },
  {
    fault: "the login may make schemas",
    plant: `do $$ begin execute format('grant create on database %I to %I', current_database(), :'tenant_login'); end $$`,
    says: new RegExp(`^${LOGIN} has CREATE on database `, "m"),
  },
  {
    fault: "PUBLIC may connect",
    plant: `do $$ begin execute format('grant connect on database %I to public', current_database()); end $$`,
    says: /^PUBLIC may connect to database /m,
  },
  {
    fault: "the login may use a foreign server",
    plant: `create extension postgres_fdw; create server elsewhere foreign data wrapper postgres_fdw;
      grant usage on foreign server elsewhere to :"tenant_login"`,
    says: new RegExp(`^${LOGIN} was granted rights on server elsewhere$`, "m"),
  },
  {
    fault: "the login may set a superuser's parameter",
    plant: `grant set on parameter session_replication_role to :"tenant_login"`,
    says: new RegExp(`^${LOGIN} was granted rights on parameter session_replication_role$`, "m"),
  },
  {
    fault: "the login may use the platform's schema",
    plant: `create schema platform authorization :"owner"; grant usage on schema platform to :"tenant_login"`,
    says: new RegExp(`^${LOGIN} may use schema "platform"$`, "m"),
  },
  {
    fault: "the owner can log in",
    plant: `alter role :"owner" login`,
    says: /^role "bh_o_\w+" can log in$/m,
  },
  {
    fault: "the owner may bypass row-level security",
    plant: `alter role :"owner" bypassrls`,
    says: /^role "bh_o_\w+" may bypass row-level security$/m,
  },
  {
    fault: "the keeper can log in",
    plant: `alter role :"keeper" login`,
    says: /^role "bh_k_\w+" can log in$/m,
  },
];

/** All of them, by what they spoil. */
export const FAULTS: Record<string, Fault[]> = {
  tables: TABLES,
  keys: KEYS,
  "ways round": WAYS_ROUND,
  context: CONTEXT,
  grants: GRANTS,
  logins: LOGINS,
};
