// Operators in the database. Hashes are read for logging in only.
import { newId } from "../../db/ids.ts";
import { type Query, sql, type Tx } from "../../db/sql.ts";
import type { Operator } from "./model.ts";

const COLUMNS = sql`id, email, first_name, last_name, role, status, last_login_at, created_at`;

/** The id and hash of an active operator, or undefined. */
export function findCredentials(tx: Tx, email: string): Query<{ id: string; password_hash: string } | undefined> {
  return tx<{ id: string; password_hash: string }>`select id, password_hash from platform.operators
    where email_key = ${email.trim().toLowerCase()} and status = 'active'`.map((rows) => rows[0]);
}

/** One active operator, or undefined. */
export function findOperator(tx: Tx, id: string): Query<Operator | undefined> {
  return tx<Operator>`select ${COLUMNS} from platform.operators where id = ${id} and status = 'active'`
    .map((rows) => rows[0]);
}

/** Notes a login; gives the operator, or undefined if disabled meanwhile. */
export function noteLogin(tx: Tx, id: string): Query<Operator | undefined> {
  return tx<Operator>`update platform.operators set last_login_at = now()
    where id = ${id} and status = 'active' returning ${COLUMNS}`.map((rows) => rows[0]);
}

/** Who the first operator is; `passwordHash` is argon2id. */
export interface FirstOperator {
  email: string;
  passwordHash: string;
}

/** Makes the first operator, a superadmin, as long as there is none. Gives whether it was made. */
export function ensureFirstOperator(tx: Tx, operator: FirstOperator): Query<boolean> {
  return tx`insert into platform.operators (id, email, password_hash, first_name, last_name, role)
    select ${newId()}, ${operator.email}, ${operator.passwordHash}, 'First', 'Operator', 'superadmin'
    where not exists (select from platform.operators)
    on conflict (email_key) do nothing`.map((rows) => rows.count > 0);
}
