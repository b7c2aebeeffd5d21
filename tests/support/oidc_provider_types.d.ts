// What the tests use of the package `oidc-provider`. Its published types bring Node's own with them, which contradict Deno's.

/** A row of the provider's store. */
export type AdapterPayload = Record<string, unknown> & { consumed?: number; grantId?: string; uid?: string };

/** A store of one kind of row. */
export interface Adapter {
  upsert(id: string, payload: AdapterPayload, expiresIn: number): Promise<void | undefined>;
  find(id: string): Promise<AdapterPayload | void | undefined>;
  findByUserCode(userCode: string): Promise<AdapterPayload | void | undefined>;
  findByUid(uid: string): Promise<AdapterPayload | void | undefined>;
  consume(id: string): Promise<void | undefined>;
  destroy(id: string): Promise<void | undefined>;
  revokeByGrantId(grantId: string): Promise<void | undefined>;
}

/** Makes the store of a kind of row. */
export type AdapterFactory = (name: string) => Adapter;

/** Settings of a provider. */
export interface Configuration {
  jwks?: { keys: unknown[] };
  findAccount?(context: unknown, id: string): unknown;
  adapter?: AdapterFactory;
  [setting: string]: unknown;
}

/** A provider. */
export default class Provider {
  constructor(issuer: string, configuration?: Configuration);
  callback(): unknown;
}
