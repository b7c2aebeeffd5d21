// The keys that access tokens are signed with, by their owner and by the name in a token's header. They are derived when they
// are first wanted, some 0.3 ms each, and kept.
import { platformSigningKeys, type SigningKeys, tenantSigningKeys } from "./keys.ts";

/** A key, and whose: a tenant's in one version, or the platform's. */
export interface OwnedKey extends SigningKeys {
  of: { plane: "tenant"; tenantId: string; version: number } | { plane: "platform" };
}

/** Whose tokens: those of tenants, or operators'. */
export type Plane = OwnedKey["of"]["plane"];

const TENANT_KID = /^([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})\.([1-9][0-9]{0,8})$/;
/** So many tenants' keys are kept; then the one unused longest goes, and is derived again when it is wanted. */
const MAX_KEYS = 2_000;

/** The keys of one process. */
export class TokenKeys {
  #platform: Promise<OwnedKey[]> | undefined;
  #tenants = new Map<string, Promise<OwnedKey>>();

  constructor(private readonly master: Uint8Array, private readonly versions: number[]) {}

  /** The first one signs. */
  ofPlatform(): Promise<OwnedKey[]> {
    return this.#platform ??= Promise.all(
      this.versions.map(async (version) => ({
        ...await platformSigningKeys(this.master, version),
        of: { plane: "platform" },
      })),
    );
  }

  ofTenant(tenantId: string, version: number): Promise<OwnedKey> {
    const name = `${tenantId}.${version}`;
    const known = this.#tenants.get(name) ?? this.#derive(tenantId, version);
    this.#tenants.delete(name);
    if (this.#tenants.size >= MAX_KEYS) this.#tenants.delete(this.#tenants.keys().next().value!);
    this.#tenants.set(name, known);
    return known;
  }

  /** The key that a token names; undefined if none of ours has that name. */
  async named(kid: string): Promise<OwnedKey | undefined> {
    const tenant = TENANT_KID.exec(kid);
    if (tenant) return await this.ofTenant(tenant[1], Number(tenant[2]));
    return (await this.ofPlatform()).find((key) => key.kid === kid);
  }

  async #derive(tenantId: string, version: number): Promise<OwnedKey> {
    const keys = await tenantSigningKeys(this.master, tenantId, version);
    return { ...keys, of: { plane: "tenant", tenantId, version } };
  }
}
