// Statements on tenant.members. Removed members (deleted_at) are not shown.
import { json, sql, type Tx } from "../../db/sql.ts";
import { page } from "../../http/paging.ts";
import { all, equals, one, startsWith } from "../statements.ts";
import type { Member, MemberQuery, NewMember } from "./model.ts";

const columns = sql`id, first_name, last_name, email, role, status, must_change_password, metadata, last_login_at,
  created_at, updated_at`;

/** One page of members, and one row more if there are any. */
export function listMembers(tx: Tx, query: MemberQuery) {
  const { where, orderBy, limit } = page(query, {
    columns: { last_name: sql`last_name`, created_at: sql`created_at` },
    id: sql`id`,
  });
  const wanted = all([
    sql`deleted_at is null`,
    startsWith(sql`email_key`, query.search),
    equals(sql`role`, query.role),
    equals(sql`status`, query.status),
    where,
  ]);
  return tx<Member>`select ${columns} from tenant.members where ${wanted} order by ${orderBy} limit ${limit}`;
}

/** One member; throws `not_found`. */
export function getMember(tx: Tx, id: string) {
  return tx<Member>`select ${columns} from tenant.members where id = ${id} and deleted_at is null`.map(one);
}

/** Makes a member who has no password yet and returns it. */
export function createMember(tx: Tx, body: NewMember) {
  return tx<Member>`insert into tenant.members (first_name, last_name, email, role, metadata, must_change_password)
    values (${body.first_name}, ${body.last_name}, ${body.email}, ${body.role}, ${json(body.metadata)}, true)
    returning ${columns}`.map(one);
}
