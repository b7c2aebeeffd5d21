// Tries whether an issuer can be used as it is configured: its discovery document and its keys, over the same guarded fetch as
// a sign-in. What it finds is told in sentences of ours; nothing of what the address answered is repeated.
import { AppError } from "../../errors.ts";
import { type DocumentRules, readDocument } from "../../identity/issuer_documents.ts";
import type { Services } from "../../tenancy/services.ts";
import type { Provider } from "../../tenancy/external/providers.ts";
import type { ProviderCheck } from "./model.ts";

const KEY_TYPES: Record<string, string> = { RS256: "RSA", PS256: "RSA", ES256: "EC", EdDSA: "OKP" };

/** Checks one. Throws nothing that a wrong configuration causes. */
export async function checkProvider({ external }: Services, provider: Provider): Promise<ProviderCheck> {
  const rules: DocumentRules = { ...external, timeoutMs: 5_000, maxBytes: 256 * 1024 };
  const findings: ProviderCheck["findings"] = [];
  const base = provider.issuer.replace(/\/$/, "");
  const wantsDiscovery = provider.client_id !== null || provider.jwks_uri === null;
  const document = wantsDiscovery ? await read(`${base}/.well-known/openid-configuration`, rules) : null;
  if (document) findings.push({ part: "discovery", ...judgeDiscovery(document, provider) });
  const found = typeof document === "string" ? undefined : document?.jwks_uri;
  const address = provider.jwks_uri ?? (typeof found === "string" ? found : null);
  const keys = address === null ? "The discovery document names no keys" : await read(address, rules);
  findings.push({ part: "keys", ...judgeKeys(keys, provider) });
  return { ok: findings.every(({ ok }) => ok), findings };
}

type Judged = { ok: boolean; detail: string };
const wrong = (detail: string): Judged => ({ ok: false, detail });

/** The document, or a sentence that says why there is none. */
async function read(url: string, rules: DocumentRules): Promise<Record<string, unknown> | string> {
  try {
    return await readDocument(url, rules);
  } catch (error) {
    if (error instanceof AppError) return error.detail ?? "The address may not be connected to";
    return "The address cannot be reached, or does not answer with a JSON document";
  }
}

function judgeDiscovery(document: Record<string, unknown> | string, { issuer, client_id }: Provider): Judged {
  if (typeof document === "string") return wrong(document);
  if (document.issuer !== issuer) {
    return wrong("The provider calls itself otherwise: copy the issuer from its document");
  }
  const needed = client_id === null ? ["jwks_uri"] : ["authorization_endpoint", "token_endpoint", "jwks_uri"];
  const missing = needed.find((name) => typeof document[name] !== "string");
  if (missing) return wrong(`The discovery document lacks "${missing}"`);
  return { ok: true, detail: "The discovery document is there and is about this issuer" };
}

function judgeKeys(set: Record<string, unknown> | string, { claims }: Provider): Judged {
  if (typeof set === "string") return wrong(set);
  const keys = Array.isArray(set.keys) ? set.keys as Record<string, unknown>[] : [];
  const fits = (algorithm: string) =>
    keys.some((key) =>
      key?.kty === KEY_TYPES[algorithm] && (key.alg ?? algorithm) === algorithm && (key.use ?? "sig") === "sig"
    );
  const missing = claims.algorithms.filter((algorithm) => !fits(algorithm));
  if (missing.length > 0) return wrong(`No key is for ${missing.join(" or ")}: change the algorithms`);
  return { ok: true, detail: `${keys.length} keys are published, and each algorithm has one` };
}
