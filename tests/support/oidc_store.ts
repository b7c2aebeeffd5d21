// The memory of the OpenID provider for tests: codes, grants and sessions outlive a change of its keys, as they do where
// a real provider keeps them in a database. Nothing expires here; the provider looks at the times itself.

// @ts-types="./oidc_provider_types.d.ts"
import type { Adapter, AdapterFactory, AdapterPayload } from "oidc-provider";

/** A memory of its own. */
export function createStore(): AdapterFactory {
  const all = new Map<string, AdapterPayload>();
  return (model) => adapter(all, (id) => `${model}:${id}`);
}

function adapter(all: Map<string, AdapterPayload>, key: (id: string) => string): Adapter {
  const findBy = (name: "uid" | "userCode", value: string) =>
    Promise.resolve([...all].find(([at, payload]) => at.startsWith(key("")) && payload[name] === value)?.[1]);
  return {
    upsert: (id, payload) => Promise.resolve(void all.set(key(id), payload)),
    find: (id) => Promise.resolve(all.get(key(id))),
    findByUid: (uid) => findBy("uid", uid),
    findByUserCode: (code) => findBy("userCode", code),
    consume: (id) =>
      Promise.resolve(void Object.assign(all.get(key(id))!, { consumed: Math.floor(Date.now() / 1000) })),
    destroy: (id) => Promise.resolve(void all.delete(key(id))),
    revokeByGrantId(grantId) {
      for (const [at, payload] of all) if (payload.grantId === grantId) all.delete(at);
      return Promise.resolve();
    },
  };
}
