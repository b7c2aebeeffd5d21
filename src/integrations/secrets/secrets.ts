// Stored secrets (a customer's database password, a webhook key): what every store of them must do.
// A module keeps the sealed string in its own row and never the secret; only the code that uses a secret opens it.

/** What a sealed secret is bound to: it opens for the same purpose and the same record only. */
export interface SecretScope {
  /** What it is for, such as `byo.connection`. */
  purpose: string;
  /** The id of the record that holds it. */
  id: string;
}

/** Seals and opens secrets; adapters may keep the wrapping key here or in a key service. */
export interface Secrets {
  /** The sealed form, a single line to be stored. */
  seal(plaintext: string, scope: SecretScope): Promise<string>;
  /** The secret. @throws AppError `internal` when the sealed form was changed or belongs to another scope. */
  open(sealed: string, scope: SecretScope): Promise<string>;
}
