// Faults of the database that are planted for good, so that other sessions meet them, and attacked. The bodies of
// app.tenant_id() are here because the rights proof cannot read what a function does: only attacks can find them.
import type { Site } from "../site.ts";

/** A fault that attacks must find. */
export interface AttackedFault {
  fault: string;
  /** The table that is attacked. */
  table: string;
  /** Plants it and gives SQL that takes it back. `fill` puts in the names of roles. */
  plant(site: Site, fill: (text: string) => string): Promise<string>;
  /** Is among those of a quick run. */
  quick?: boolean;
  /** Counts as found only if attacks find it too. */
  attacksMustFind: boolean;
}

const GUARD = "(tenant_id = (select coalesce((select tenant_id from app.entered), app.tenant_id())))";
const RENTERS = "tenant.renters";
const BUILDINGS = "tenant.buildings";
const restore = (table: string) =>
  `drop policy if exists tenant_guard on ${table}; create policy tenant_guard on ${table} as restrictive
  using ${GUARD} with check ${GUARD}`;

const planted = (
  fault: string,
  text: string,
  undo: string,
  more: { table?: string; quick?: boolean; attacksMustFind?: boolean } = {},
): AttackedFault => ({
  fault,
  table: more.table ?? RENTERS,
  quick: more.quick,
  attacksMustFind: more.attacksMustFind ?? true,
  async plant(site, fill) {
    await site.admin.unsafe(fill(text));
    return fill(undo);
  },
});

/** Faults of tables, keys, views and grants. */
export const WALL: AttackedFault[] = [
  planted(
    "row-level security is off",
    `alter table ${RENTERS} disable row level security`,
    `alter table ${RENTERS} enable row level security`,
    { quick: true },
  ),
  planted("the guard was dropped", `drop policy tenant_guard on ${RENTERS}`, restore(RENTERS)),
  planted(
    "the guard is permissive",
    `drop policy tenant_guard on ${RENTERS}; create policy tenant_guard on ${RENTERS} using ${GUARD} with check ${GUARD}`,
    restore(RENTERS),
  ),
  planted(
    "the guard has a way round (or true)",
    `alter policy tenant_guard on ${RENTERS} using (tenant_id = (select coalesce((select tenant_id from app.entered), app.tenant_id())) or true)`,
    restore(RENTERS),
    { quick: true },
  ),
  planted(
    "the guard checks nothing that is written",
    `alter policy tenant_guard on ${BUILDINGS} with check (true)`,
    restore(BUILDINGS),
    {
      table: BUILDINGS,
    },
  ),
  planted(
    "the guard trusts the claim without its proof",
    `alter policy tenant_guard on ${RENTERS} using (tenant_id = current_setting('app.tenant_id')::uuid)`,
    restore(RENTERS),
    { quick: true },
  ),
  planted(
    "the guard is for SELECT only",
    `drop policy tenant_guard on ${RENTERS}; create policy tenant_guard on ${RENTERS} as restrictive for select using ${GUARD}`,
    restore(RENTERS),
  ),
  planted(
    "GRANT ALL",
    `grant all on ${RENTERS} to :"tenant_login"`,
    `revoke all on ${RENTERS} from :"tenant_login"; grant select, delete on ${RENTERS} to :"tenant_login";
      grant insert (property_id, first_name, last_name, email, phone, lease_starts_on, lease_ends_on) on ${RENTERS} to :"tenant_login";
      grant update (property_id, first_name, last_name, email, phone, lease_starts_on, lease_ends_on, updated_at) on ${RENTERS} to :"tenant_login"`,
  ),
  planted(
    "tenant_id may be written",
    `grant insert (tenant_id), update (tenant_id) on ${RENTERS} to :"tenant_login"`,
    `revoke insert (tenant_id), update (tenant_id) on ${RENTERS} from :"tenant_login"`,
  ),
  planted(
    "a view runs with its owner's rights",
    `create view tenant.everyone as select * from ${RENTERS}; grant select on tenant.everyone to :"tenant_login"`,
    "drop view tenant.everyone",
  ),
  planted(
    "a materialized view is granted",
    `create materialized view tenant.kept as select * from ${RENTERS}; grant select on tenant.kept to :"tenant_login"`,
    "drop materialized view tenant.kept",
  ),
  planted(
    "a definer function takes a tenant as argument",
    `create function tenant.renters_of(t uuid) returns setof ${RENTERS} language sql security definer
      as 'select * from ${RENTERS} where tenant_id = t'; grant execute on function tenant.renters_of(uuid) to :"tenant_login"`,
    "drop function tenant.renters_of(uuid)",
  ),
  planted(
    "a unique index does not begin with tenant_id",
    "create unique index buildings_u on tenant.buildings (name)",
    "drop index tenant.buildings_u",
    { table: BUILDINGS },
  ),
  planted(
    "a foreign key does not carry tenant_id",
    `alter table tenant.properties drop constraint properties_tenant_id_building_id_fkey;
      create unique index buildings_id on tenant.buildings (id);
      alter table tenant.properties add constraint loose foreign key (building_id) references tenant.buildings (id)`,
    `alter table tenant.properties drop constraint loose; drop index tenant.buildings_id;
      alter table tenant.properties add foreign key (tenant_id, building_id) references tenant.buildings (tenant_id, id)`,
    { table: "tenant.properties" },
  ),
  planted(
    "the keys can be read",
    `grant select on app.keys to :"tenant_login"`,
    `revoke select on app.keys from :"tenant_login"`,
  ),
  planted(
    "the gates can be opened",
    `grant update (open) on app.gates to :"tenant_login"; grant select on app.gates to :"tenant_login"`,
    `revoke update (open) on app.gates from :"tenant_login"; revoke select on app.gates from :"tenant_login"`,
  ),
];

const ENTERED = `create or replace view app.entered with (security_barrier) as select tenant_id from app.proven
  where context = current_setting('app.proof', true) || current_setting('app.tenant_id', true)
    and backend = pg_backend_pid() and until > clock_timestamp()`;

/** Faults of the view that says which contexts are known to stand. */
export const REMEMBERED: AttackedFault[] = [
  planted(
    "app.entered takes what another backend remembers",
    ENTERED.replace("backend = pg_backend_pid() and ", ""),
    ENTERED,
  ),
  planted("app.entered takes what has expired", ENTERED.replace("and until > clock_timestamp()", ""), ENTERED, {
    quick: true,
  }),
];

/** A body of app.tenant_id() in which one check is missing. */
const body = (fault: string, from: RegExp, to: string): AttackedFault => ({
  fault,
  table: RENTERS,
  quick: true,
  attacksMustFind: true,
  async plant({ admin }) {
    const [{ text }] = await admin`select pg_get_functiondef('app.tenant_id()'::regprocedure) as text`;
    const spoiled = text.replace(from, to);
    if (spoiled === text) throw new Error(`Plant "${fault}": app.tenant_id() does not say ${from}`);
    await admin.unsafe(spoiled);
    return text;
  },
});

/** Faults inside app.tenant_id(). */
export const CONTEXT_BODIES: AttackedFault[] = [
  body(
    "app.tenant_id() does not compare the signature",
    /if sha256\(outer_key \|\| convert_to\(encode[^\n]*then/,
    "if false then",
  ),
  body(
    "app.tenant_id() takes proofs that have expired",
    /split_part\(proof, '\.', 6\)::bigint not between[^\n]*\n/,
    "false\n",
  ),
  body(
    "app.tenant_id() takes proofs of another backend",
    /or \(split_part\(proof, '\.', 5\) <> '0'[^\n]*pg_backend_pid\(\)\)/,
    "",
  ),
  body("app.tenant_id() takes retired keys", / and retired_at is null/, ""),
  body("app.tenant_id() ignores the gate", /if gate is not true then/, "if false then"),
  body(
    "app.tenant_id() believes a claim that has no proof",
    /(claim constant text[\s\S]*?begin\n)/,
    "$1  if claim <> '' and coalesce(proof, '') = '' then return claim::uuid; end if;\n",
  ),
];
