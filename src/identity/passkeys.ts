// Passkeys (WebAuthn level 3) over @simplewebauthn/server: which options are offered, and what an answer must prove.
// The caller keeps the challenge (single use, a few minutes, bound to the account or session) and what is stored of a
// passkey. What must not happen here: an attestation certificate being followed, or a challenge chosen by the browser.

import { Buffer } from "node:buffer";
import type {
  AuthenticationResponseJSON,
  PublicKeyCredentialCreationOptionsJSON,
  PublicKeyCredentialRequestOptionsJSON,
  RegistrationResponseJSON,
} from "@simplewebauthn/server";
import { AppError } from "../errors.ts";
import type { AuthenticationResponse, RegistrationResponse } from "./passkey_messages.ts";

/** ES256, EdDSA, RS256: what authenticators have (COSE numbers). */
const ALGORITHMS = [-7, -8, -257];
const TIMEOUT_MS = 5 * 60 * 1000;

/** Who asks for passkeys: they belong to `rpId` and work on its subdomains, on the origins named here only. */
export interface RelyingParty {
  /** A domain name without scheme and port. */
  rpId: string;
  /** Shown by some authenticators. */
  name: string;
  /** Origins as the browser writes them, such as `https://app.example.test`. */
  origins: string[];
}

/** What is stored of a passkey; nothing of it is secret. */
export interface StoredPasskey {
  /** The credential id, base64url. */
  id: string;
  /** The public key as COSE (RFC 9052). */
  publicKey: Uint8Array<ArrayBuffer>;
  /** The authenticator's count of signatures; many always say 0. */
  counter: number;
  /** How the authenticator is reached (`internal`, `usb`, `hybrid`, …): a hint for the browser. */
  transports: string[];
  /** Whether the passkey is synchronised between devices, so that losing one device does not lose it. */
  backedUp: boolean;
}

/** Options to send to the browser, and the challenge in them to keep until the answer comes. */
export interface PasskeyStart<T> {
  /** Base64url of 32 random bytes. */
  challenge: string;
  options: T;
}

/** Whose passkey is made. */
export interface PasskeyOwner {
  /** 1 to 64 bytes that name the account and say nothing about the person: it stays on the authenticator. */
  userHandle: Uint8Array<ArrayBuffer>;
  /** Shown when the person chooses among passkeys, such as the e-mail address. */
  userName: string;
  displayName?: string;
  /** Passkeys that the account has: their authenticators refuse to make another. */
  existing: Pick<StoredPasskey, "id" | "transports">[];
}

/** Proof of a sign-in; store `counter` and `backedUp`. */
export interface PasskeyProof {
  id: string;
  counter: number;
  backedUp: boolean;
  /** Whether the authenticator checked the person (PIN, fingerprint): then it is two factors in one. */
  userVerified: boolean;
}

/** What {@link createPasskeys} gives. */
export interface Passkeys {
  registrationOptions(owner: PasskeyOwner): Promise<PasskeyStart<PublicKeyCredentialCreationOptionsJSON>>;
  /** @throws AppError `unprocessable` when the answer does not prove a passkey made for this challenge and origin. */
  verifyRegistration(response: RegistrationResponse, challenge: string): Promise<StoredPasskey>;
  /** Without `allowed` the person chooses among all passkeys of this site, and the answer's `id` says whose it is. */
  authenticationOptions(
    allowed?: Pick<StoredPasskey, "id" | "transports">[],
  ): Promise<PasskeyStart<PublicKeyCredentialRequestOptionsJSON>>;
  /**
   * @param expected `userVerification` "required" (the default) refuses authenticators that did not check the person;
   * "preferred" is for a second factor behind a password.
   * @throws AppError `unauthorized` for a wrong challenge, origin, relying party or signature, and for a counter that
   * did not go up (a copied authenticator).
   */
  verifyAuthentication(
    response: AuthenticationResponse,
    expected: { challenge: string; passkey: StoredPasskey; userVerification?: "required" | "preferred" },
  ): Promise<PasskeyProof>;
}

/** Costs nothing to make: one for each set of origins. */
export function createPasskeys(party: RelyingParty): Passkeys {
  return {
    registrationOptions: (owner) => registrationOptions(party, owner),
    verifyRegistration: (response, challenge) =>
      verifyRegistration(party, response, challenge).catch((cause) => {
        throw new AppError("unprocessable", "The passkey was not accepted, make it again", { cause });
      }),
    authenticationOptions: (allowed) => authenticationOptions(party, allowed),
    verifyAuthentication: (response, expected) =>
      verifyAuthentication(party, response, expected).catch((cause) => {
        throw new AppError("unauthorized", "The passkey was not accepted", { cause });
      }),
  };
}

// Loaded at the first use: its certificate code takes longer to load than all else that a start needs.
async function webauthn() {
  const [server, decode] = await Promise.all([
    import("@simplewebauthn/server"),
    import("@simplewebauthn/server/helpers"),
  ]);
  return { ...server, ...decode };
}

async function registrationOptions(party: RelyingParty, owner: PasskeyOwner) {
  const { generateRegistrationOptions } = await webauthn();
  const options = await generateRegistrationOptions({
    rpID: party.rpId,
    rpName: party.name,
    userID: owner.userHandle,
    userName: owner.userName,
    userDisplayName: owner.displayName ?? owner.userName,
    timeout: TIMEOUT_MS,
    attestationType: "none",
    excludeCredentials: owner.existing.map(({ id, transports }) => ({ id, transports })),
    authenticatorSelection: { residentKey: "preferred", userVerification: "preferred" },
    supportedAlgorithmIDs: ALGORITHMS,
  });
  return { challenge: options.challenge, options };
}

async function verifyRegistration(party: RelyingParty, response: RegistrationResponse, challenge: string) {
  const { verifyRegistrationResponse, decodeAttestationObject } = await webauthn();
  refuseFrame(response.response.clientDataJSON);
  const attestation = decodeAttestationObject(bytes(response.response.attestationObject));
  const [format, statement] = [attestation.get("fmt"), attestation.get("attStmt")];
  // We ask for none. The browser leaves self-attestation as it is (WebAuthn, 5.1.3); a certificate would have the
  // library fetch revocation lists from addresses of the sender's choice.
  if (format !== "none" && !(format === "packed" && statement.get("x5c") === undefined)) {
    throw new Error(`The attestation "${format}" was not asked for`);
  }
  const { verified, registrationInfo } = await verifyRegistrationResponse({
    response: response as RegistrationResponseJSON,
    expectedChallenge: challenge,
    expectedOrigin: party.origins,
    expectedRPID: party.rpId,
    requireUserVerification: false,
    supportedAlgorithmIDs: ALGORITHMS,
  });
  if (!verified) throw new Error("The attestation is not valid");
  const { id, publicKey, counter } = registrationInfo.credential;
  const transports = response.response.transports ?? [];
  return { id, publicKey, counter, transports, backedUp: registrationInfo.credentialBackedUp };
}

async function authenticationOptions(party: RelyingParty, allowed?: Pick<StoredPasskey, "id" | "transports">[]) {
  const { generateAuthenticationOptions } = await webauthn();
  const options = await generateAuthenticationOptions({
    rpID: party.rpId,
    allowCredentials: allowed?.map(({ id, transports }) => ({ id, transports })),
    timeout: TIMEOUT_MS,
    userVerification: allowed ? "preferred" : "required",
  });
  return { challenge: options.challenge, options };
}

async function verifyAuthentication(
  party: RelyingParty,
  response: AuthenticationResponse,
  expected: { challenge: string; passkey: StoredPasskey; userVerification?: "required" | "preferred" },
): Promise<PasskeyProof> {
  const { verifyAuthenticationResponse } = await webauthn();
  refuseFrame(response.response.clientDataJSON);
  // The library leaves this to its caller: the key that verifies must be the one of the credential that is named.
  if (response.id !== expected.passkey.id) throw new Error("The answer names another passkey");
  const { verified, authenticationInfo } = await verifyAuthenticationResponse({
    response: response as AuthenticationResponseJSON,
    expectedChallenge: expected.challenge,
    expectedOrigin: party.origins,
    expectedRPID: party.rpId,
    credential: expected.passkey,
    requireUserVerification: expected.userVerification !== "preferred",
  });
  if (!verified) throw new Error("The signature is not valid");
  const { credentialID, newCounter, credentialBackedUp, userVerified } = authenticationInfo;
  return { id: credentialID, counter: newCounter, backedUp: credentialBackedUp, userVerified };
}

/** Our pages never ask from within another site's page; the library lets that pass when the browser names no top page. */
function refuseFrame(clientDataJSON: string): void {
  const { crossOrigin } = JSON.parse(Buffer.from(bytes(clientDataJSON)).toString("utf8"));
  if (crossOrigin === true) throw new Error("The passkey was used inside another site's page");
}

function bytes(base64url: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.from(base64url, "base64url"));
}
