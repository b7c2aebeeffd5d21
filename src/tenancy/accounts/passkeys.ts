// Passkeys of accounts in the database. What they share with authenticator apps is in factor_store.ts.
import type { Tx } from "../../db/sql.ts";
import { type Factor, MAX_FACTORS } from "./factor_store.ts";

/** The passkey with a credential id, of whatever account. */
export function findPasskey(tx: Tx, credentialId: string) {
  return tx<
    Factor & { account_id: string }
  >`select account_id, id, kind, name, secret_sealed, credential_id, public_key,
      counter::float8 as counter, transports, true as confirmed, created_at, last_used_at
    from platform.account_factors where credential_id = ${credentialId} and confirmed_at is not null`.map((rows) =>
    rows[0]
  );
}

/** A passkey to keep. */
export interface NewPasskey {
  id: string;
  accountId: string;
  name: string;
  credentialId: string;
  publicKey: Uint8Array;
  counter: number;
  transports: string[];
}

/** Keeps a passkey; its registration is its confirmation. */
export async function keepPasskey(tx: Tx, key: NewPasskey): Promise<boolean> {
  const [made] = await tx`insert into platform.account_factors
      (id, account_id, kind, name, credential_id, public_key, counter, transports)
    select ${key.id}, ${key.accountId}, 'passkey', ${key.name}, ${key.credentialId}, ${key.publicKey}, ${key.counter},
      ${key.transports}::text[]
    where (select count(*) from platform.account_factors where account_id = ${key.accountId}
      and confirmed_at is not null) < ${MAX_FACTORS}
    returning id`;
  if (!made) return false;
  await tx`update platform.account_factors set confirmed_at = now() where id = ${key.id}`;
  return true;
}
