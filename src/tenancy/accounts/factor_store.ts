// Authenticator apps and recovery codes in the database: of accounts, and of operators in tables of their own. Codes count
// once: the step of a code only ever goes up, and the statement that raises it is the one that lets somebody in.
import { Buffer } from "node:buffer";
import { type Fragment, sql, type Tx } from "../../db/sql.ts";

/** A factor as it is checked. */
export interface Factor {
  id: string;
  kind: "totp" | "passkey";
  name: string;
  secret_sealed: string | null;
  credential_id: string | null;
  public_key: Uint8Array<ArrayBuffer> | null;
  counter: number;
  transports: string[];
  confirmed: boolean;
  created_at: string;
  last_used_at: string | null;
}

/** One owner has at most so many. */
export const MAX_FACTORS = 10;

/** Where the factors of one kind of owner are. */
interface FactorTables {
  factors: Fragment;
  codes: Fragment;
  /** The column of both that names the owner. */
  owner: Fragment;
  /** The columns of a passkey, as a select lists them. */
  passkey: Fragment;
  /** What shared secrets are sealed for. */
  purpose: string;
}

/** The statements on the factors of one kind of owner. */
export class FactorStore {
  constructor(readonly of: FactorTables) {}

  /** What the shared secret of a factor is sealed for. */
  scope(id: string): { purpose: string; id: string } {
    return { purpose: this.of.purpose, id };
  }

  /** Confirmed factors of an owner, and the one with `id` also before it is confirmed. */
  list(tx: Tx, ownerId: string, id: string | null = null) {
    const { factors, owner, passkey } = this.of;
    return tx<Factor>`select id, kind, name, secret_sealed, ${passkey}, counter::float8 as counter,
        confirmed_at is not null as confirmed, created_at, last_used_at
      from ${factors} where ${owner} = ${ownerId} and (confirmed_at is not null or id = ${id})
      order by created_at, id`;
  }

  /** How many recovery codes an owner has left. */
  countRecoveryCodes(tx: Tx, ownerId: string) {
    const { codes, owner } = this.of;
    return tx<{ left: number }>`select count(*)::int as left from ${codes}
      where ${owner} = ${ownerId} and used_at is null`.map((rows) => rows[0].left);
  }

  /** Keeps an authenticator app that is not confirmed yet; earlier unconfirmed ones are forgotten. */
  keepTotp(tx: Tx, factor: { id: string; ownerId: string; name: string; sealed: string }) {
    const { factors, owner } = this.of;
    return tx`with old as (
        delete from ${factors} where ${owner} = ${factor.ownerId} and confirmed_at is null
      )
      insert into ${factors} (id, ${owner}, kind, name, secret_sealed)
      select ${factor.id}, ${factor.ownerId}, 'totp', ${factor.name}, ${factor.sealed}
      where (select count(*) from ${factors} where ${owner} = ${factor.ownerId}
        and confirmed_at is not null) < ${MAX_FACTORS}
      returning id`.map((rows) => rows.length > 0);
  }

  /** Notes that a factor was used, at a step or counter later than all before; false when it is not later. */
  use(tx: Tx, id: string, counter: number) {
    return tx`update ${this.of.factors} set counter = ${counter}, last_used_at = now(),
        confirmed_at = coalesce(confirmed_at, now())
      where id = ${id} and (counter < ${counter} or (kind = 'passkey' and counter = 0 and ${counter} = 0))
      returning id`.map((rows) => rows.length > 0);
  }

  /** Uses a recovery code up; false when there is no such unused one. */
  useRecoveryCode(tx: Tx, ownerId: string, hash: Uint8Array) {
    const { codes, owner } = this.of;
    return tx`update ${codes} set used_at = now()
      where ${owner} = ${ownerId} and code_hash = ${hash} and used_at is null returning code_hash`.map((rows) =>
      rows.length > 0
    );
  }

  /** Replaces all recovery codes. */
  async replaceRecoveryCodes(tx: Tx, ownerId: string, hashes: Uint8Array[]): Promise<void> {
    const { codes, owner } = this.of;
    await tx`delete from ${codes} where ${owner} = ${ownerId}`;
    const hex = hashes.map((hash) => Buffer.from(hash).toString("hex"));
    await tx`insert into ${codes} (${owner}, code_hash)
      select ${ownerId}, decode(hash, 'hex') from unnest(${hex}::text[]) hash`;
  }

  /** Removes a factor, and with the last one the recovery codes; false when the owner has no such factor. */
  async remove(tx: Tx, ownerId: string, id: string): Promise<boolean> {
    const { factors, codes, owner } = this.of;
    const [removed] = await tx`delete from ${factors} where ${owner} = ${ownerId} and id = ${id} returning id`;
    if (!removed) return false;
    await tx`delete from ${codes} where ${owner} = ${ownerId}
      and not exists (select from ${factors} where ${owner} = ${ownerId} and confirmed_at is not null)`;
    return true;
  }

  /** Removes all factors and recovery codes: somebody has made sure by other means who it is. */
  async removeAll(tx: Tx, ownerId: string): Promise<void> {
    const { factors, codes, owner } = this.of;
    await tx`delete from ${factors} where ${owner} = ${ownerId}`;
    await tx`delete from ${codes} where ${owner} = ${ownerId}`;
  }
}

/** Those of accounts. */
export const accountFactors = new FactorStore({
  factors: sql`platform.account_factors`,
  codes: sql`platform.recovery_codes`,
  owner: sql`account_id`,
  passkey: sql`credential_id, public_key, transports`,
  purpose: "totp",
});

/** Those of operators, who have no passkeys. */
export const operatorFactors = new FactorStore({
  factors: sql`platform.operator_factors`,
  codes: sql`platform.operator_recovery_codes`,
  owner: sql`operator_id`,
  passkey: sql`null as credential_id, null::bytea as public_key, '{}'::text[] as transports`,
  purpose: "operator-totp",
});
