// Faults of grants, roles and logins that 90_proof.sql must find.
import { type Fault, notes } from "./fault.ts";

const LOGIN = `login "bh_l_[0-9a-f]+"`;

export const GRANTS: Fault[] = [
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
    plant: "grant select (email) on tenant.members to public",
    says: /^PUBLIC has SELECT on column "email" of "tenant.members"$/m,
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
    plant:
      `set role :"owner"; create table tenant.parts (tenant_id uuid not null, id uuid not null, primary key (tenant_id, id))
      partition by hash (tenant_id); create table tenant.parts_0 partition of tenant.parts for values with (modulus 1, remainder 0);
      call app.isolate('tenant.parts'); call app.isolate('tenant.parts_0'); grant select on tenant.parts_0 to :"tenant_login"`,
    says: /^bh_l_\w+ has SELECT on "tenant.parts_0"$/m,
  },
  {
    fault: "a column of a partition is granted",
    plant:
      `set role :"owner"; create table tenant.parts (tenant_id uuid not null, id uuid not null, primary key (tenant_id, id))
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

export const LOGINS: Fault[] = [
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
    plant:
      `create function public.own() returns int language sql as 'select 1'; alter function public.own() owner to :"tenant_login"`,
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
    plant:
      `do $$ begin execute format('grant create on database %I to %I', current_database(), :'tenant_login'); end $$`,
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
