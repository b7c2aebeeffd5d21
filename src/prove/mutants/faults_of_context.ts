// Faults of views, functions and the signed context that 90_proof.sql must find: what leads round a guarded table.
import type { Fault } from "./fault.ts";

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
    fault: "nothing tells which members are let in",
    plant: "drop trigger note_access on tenant.members",
    says: /^table "tenant\.members" does not tell who is let in$/m,
  },
  {
    fault: "what tells who is let in is switched off",
    plant: "alter table tenant.api_keys disable trigger note_access",
    says: /^table "tenant\.api_keys" does not tell who is let in$/m,
  },
  {
    fault: "who is let in can be written",
    plant: `grant insert, update (version) on app.access to :"tenant_login"`,
    says: /^bh_l_\w+ has UPDATE on column "version" of "app.access"$/m,
  },
  {
    fault: "what is remembered can be read",
    plant: `grant select on app.proven to :"tenant_login"`,
    says: /^bh_l_\w+ has SELECT on "app.proven"$/m,
  },
  {
    fault: "what is remembered can be written",
    plant: `grant insert on app.proven to :"tenant_login"`,
    says: /^bh_l_\w+ has INSERT on "app.proven"$/m,
  },
  {
    fault: "what is remembered is shown to every backend",
    plant: `create or replace view app.entered with (security_barrier) as select tenant_id from app.proven
      where context = current_setting('app.proof', true) || current_setting('app.tenant_id', true) and until > clock_timestamp()`,
    says: /^view "app.entered" does not show only what the caller proves$/m,
  },
  {
    fault: "what is remembered is shown before it is proven",
    plant: "alter view app.entered reset (security_barrier)",
    says: /^view "app.entered" does not show only what the caller proves$/m,
  },
  {
    fault: "a closed gate does not remove what was remembered",
    plant: "drop trigger forget on app.gates",
    says: /^table "app.gates" does not remove what was remembered of it$/m,
  },
  {
    fault: "a change of access that is restored does not remove what was remembered",
    plant: "alter table app.access enable trigger forget",
    says: /^table "app.access" does not remove what was remembered of it$/m,
  },
  {
    fault: "a retired key does not remove what was remembered",
    plant:
      "drop trigger forget on app.keys; create trigger forget after update of id on app.keys for each row execute function app.forget('true')",
    says: /^table "app.keys" does not remove what was remembered of it$/m,
  },
  {
    fault: "what remembers runs with its caller's rights",
    plant: "alter function app.remember(text, text, text) security invoker",
    says: /^function "app.remember\(text,text,text\)" cannot write the keeper's tables/m,
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
