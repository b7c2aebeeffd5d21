// A passkey authenticator and its browser in software: real keys, real signatures, and faults that can be planted.
// It writes what navigator.credentials gives as JSON (WebAuthn level 3, 5.1 and 6); only tests use it.

import { Buffer } from "node:buffer";
import { createHash, randomBytes } from "node:crypto";
import type { AuthenticationResponse, RegistrationResponse } from "../../src/identity/passkey_messages.ts";

/** What may be wrong with an answer; by default nothing is. */
export interface Faults {
  challenge?: string;
  origin?: string;
  rpId?: string;
  /** The count of signatures to claim instead of one more than before. */
  counter?: number;
  userPresent?: boolean;
  userVerified?: boolean;
  type?: string;
  crossOrigin?: boolean;
  /** The attestation's format and statement. */
  attestation?: { fmt: string; attStmt: Map<string, Cbor> };
}

type Cbor = number | string | Uint8Array | Cbor[] | Map<Cbor, Cbor>;

/** The little of CBOR (RFC 8949) that attestations need. */
function cbor(value: Cbor): Buffer {
  if (typeof value === "number") return value >= 0 ? head(0, value) : head(1, -1 - value);
  if (typeof value === "string") return Buffer.concat([head(3, Buffer.byteLength(value)), Buffer.from(value)]);
  if (value instanceof Uint8Array) return Buffer.concat([head(2, value.length), value]);
  if (Array.isArray(value)) return Buffer.concat([head(4, value.length), ...value.map(cbor)]);
  return Buffer.concat([head(5, value.size), ...[...value].flat().map(cbor)]);
}

function head(major: number, value: number): Buffer {
  if (value < 24) return Buffer.from([major << 5 | value]);
  if (value < 256) return Buffer.from([major << 5 | 24, value]);
  return Buffer.from([major << 5 | 25, value >> 8, value & 255]);
}

const base64url = (bytes: Uint8Array) => Buffer.from(bytes).toString("base64url");
const sha256 = (bytes: Uint8Array | string) => createHash("sha256").update(bytes).digest();

/** One credential in a device, on one site. */
export class Authenticator {
  readonly id = base64url(randomBytes(32));
  #keys = crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, true, ["sign", "verify"]);
  #counter = 0;

  /** @param site The relying party's id and the origin of the page. */
  constructor(readonly site: { rpId: string; origin: string }) {}

  /** Answers registration options (only their challenge matters). */
  async register(options: { challenge: string }, faults: Faults = {}): Promise<RegistrationResponse> {
    const clientData = this.#clientData("webauthn.create", options.challenge, faults);
    const authData = Buffer.concat([this.#authData(0x40, faults), await this.#credentialData()]);
    const { fmt, attStmt } = faults.attestation ?? { fmt: "none", attStmt: new Map<string, Cbor>() };
    const attestation = cbor(new Map<Cbor, Cbor>([["fmt", fmt], ["attStmt", attStmt], ["authData", authData]]));
    return {
      ...this.#envelope(),
      response: {
        clientDataJSON: base64url(clientData),
        attestationObject: base64url(attestation),
        transports: ["internal"],
      },
    };
  }

  /** Answers authentication options by a signature. */
  async authenticate(options: { challenge: string }, faults: Faults = {}): Promise<AuthenticationResponse> {
    const clientData = this.#clientData("webauthn.get", options.challenge, faults);
    this.#counter = faults.counter ?? this.#counter + 1;
    const authData = this.#authData(0, faults);
    const signed = new Uint8Array(Buffer.concat([authData, sha256(clientData)]));
    const { privateKey } = await this.#keys;
    const raw = new Uint8Array(await crypto.subtle.sign({ name: "ECDSA", hash: "SHA-256" }, privateKey, signed));
    return {
      ...this.#envelope(),
      response: {
        clientDataJSON: base64url(clientData),
        authenticatorData: base64url(authData),
        signature: base64url(der(raw)),
      },
    };
  }

  #envelope() {
    return { id: this.id, rawId: this.id, type: "public-key" as const, clientExtensionResults: {} };
  }

  #clientData(type: string, challenge: string, faults: Faults): Buffer {
    return Buffer.from(JSON.stringify({
      type: faults.type ?? type,
      challenge: faults.challenge ?? challenge,
      origin: faults.origin ?? this.site.origin,
      crossOrigin: faults.crossOrigin ?? false,
    }));
  }

  #authData(flags: number, faults: Faults): Buffer {
    const present = faults.userPresent ?? true ? 0x01 : 0;
    const verified = faults.userVerified ?? true ? 0x04 : 0;
    const fixed = Buffer.alloc(37);
    sha256(faults.rpId ?? this.site.rpId).copy(fixed);
    fixed[32] = flags | present | verified;
    fixed.writeUInt32BE(faults.counter ?? this.#counter, 33);
    return fixed;
  }

  async #credentialData(): Promise<Buffer> {
    const { x, y } = await crypto.subtle.exportKey("jwk", (await this.#keys).publicKey);
    const coordinate = (text?: string) => Buffer.from(text!, "base64url");
    const key = new Map<Cbor, Cbor>([[1, 2], [3, -7], [-1, 1], [-2, coordinate(x)], [-3, coordinate(y)]]);
    const id = Buffer.from(this.id, "base64url");
    const length = Buffer.from([id.length >> 8, id.length & 255]);
    return Buffer.concat([Buffer.alloc(16), length, id, cbor(key)]);
  }
}

/** An ECDSA signature of WebCrypto (r ‖ s) as authenticators write it (ASN.1). */
function der(raw: Uint8Array): Buffer {
  const integer = (half: Uint8Array) => {
    const digits = Buffer.from(half.subarray(half.findIndex((byte) => byte !== 0)));
    const positive = digits[0] & 0x80 ? Buffer.concat([Buffer.from([0]), digits]) : digits;
    return Buffer.concat([Buffer.from([2, positive.length]), positive]);
  };
  const both = Buffer.concat([integer(raw.subarray(0, 32)), integer(raw.subarray(32))]);
  return Buffer.concat([Buffer.from([0x30, both.length]), both]);
}
