// Faults of the audit that 90_proof.sql must find: writes that would leave no entry, entries that could be changed.
import { type Fault, notes } from "./fault.ts";

const NOT_AUDITED = (table: string) =>
  new RegExp(`^table "tenant\\.${table}" is neither audited nor said not to be$`, "m");

export const AUDIT: Fault[] = [
  {
    fault: "a new table has no line",
    plant: notes(),
    says: NOT_AUDITED("notes"),
  },
  {
    fault: "a table's trigger was dropped",
    plant: "drop trigger audit_row on tenant.buildings",
    says: NOT_AUDITED("buildings"),
  },
  {
    fault: "a table's trigger is switched off",
    plant: "alter table tenant.members disable trigger audit_row",
    says: NOT_AUDITED("members"),
  },
  {
    fault: "a table's trigger fires for replicas only",
    plant: "alter table tenant.members enable replica trigger audit_row",
    says: NOT_AUDITED("members"),
  },
  {
    fault: "a table's trigger does not wait for the commit",
    plant:
      `drop trigger audit_row on tenant.units; create trigger audit_row after insert or delete or update on tenant.units
      for each row execute function tenant.audit_of_units()`,
    says: NOT_AUDITED("units"),
  },
  {
    fault: "a table's trigger passes over deletes",
    plant:
      `drop trigger audit_row on tenant.units; create constraint trigger audit_row after insert or update on tenant.units
      deferrable initially deferred for each row execute function tenant.audit_of_units()`,
    says: NOT_AUDITED("units"),
  },
  {
    fault: "a table's trigger passes over a column",
    plant: "alter table tenant.units add column colour text",
    says: NOT_AUDITED("units"),
  },
  {
    fault: "a table's trigger has a condition",
    plant: `drop trigger audit_row on tenant.units; create constraint trigger audit_row
      after insert or delete or update on tenant.units deferrable initially deferred for each row
      when (pg_backend_pid() = 0) execute function tenant.audit_of_units()`,
    says: NOT_AUDITED("units"),
  },
  {
    fault: "a table that is written in bulk is not audited when rows are deleted",
    plant: "drop trigger audit_delete on tenant.meter_readings",
    says: NOT_AUDITED("meter_readings"),
  },
  {
    fault: "a reason not to audit is gone",
    plant: "comment on table tenant.jobs is 'Jobs'",
    says: NOT_AUDITED("jobs"),
  },
  {
    fault: "notes are not entered",
    plant: "alter table app.audit_pending disable trigger audit_note",
    says: /^what is noted for the audit is not entered at the commit$/m,
  },
  ...["insert", "update", "delete"].map((right) => ({
    fault: `the login has ${right} on the audit`,
    plant: `grant ${right} ${right === "delete" ? "" : "(actor)"} on tenant.audit to :"tenant_login"`,
    says: new RegExp(`^bh_l_\\w+ has ${right.toUpperCase()} on (column "actor" of )?"tenant.audit"$`, "m"),
  })),
  {
    fault: "the login sees where chains end",
    plant: `grant select on app.audit_heads to :"tenant_login"`,
    says: /^bh_l_\w+ has SELECT on "app.audit_heads"$/m,
  },
  {
    fault: "the owner of the tables may remove a chain's end",
    plant: `grant delete on app.audit_heads to :"owner"`,
    says: /^bh_o_\w+ has DELETE on "app.audit_heads"$/m,
  },
  {
    fault: "a function of the audit looks in public first",
    plant: "alter function tenant.audit_refused(text, text, text, int) set search_path = public, pg_catalog",
    says: /^function "tenant.audit_refused\(text,text,text,integer\)" has no fixed search_path$/m,
  },
  {
    fault: "a function of the audit writes with its caller's rights",
    plant: "alter function tenant.audit_of_buildings() security invoker",
    says: /^function "tenant.audit_of_buildings\(\)" cannot write the audit/m,
  },
  {
    fault: "a function of the audit belongs to somebody else",
    plant: "alter function tenant.audit_head() owner to current_user",
    says: /^function "tenant.audit_head\(\)" is not owned by the owner of the tables$/m,
  },
];
