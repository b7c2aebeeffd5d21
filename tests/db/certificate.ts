// Certificates for tests: an authority of our own and a server certificate by it, made anew each time so that no key
// lies in the repository. Only as much of X.509 (RFC 5280) as a TLS client looks at.
import { Buffer } from "node:buffer";
import { generateKeyPairSync, type KeyObject, sign } from "node:crypto";

const der = (tag: number, ...parts: Uint8Array[]): Buffer => {
  const body = Buffer.concat(parts);
  const { length } = body;
  const size = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 255];
  return Buffer.concat([Buffer.from([tag, ...size]), body]);
};
const sequence = (...parts: Uint8Array[]) => der(0x30, ...parts);
const hex = (text: string) => Buffer.from(text, "hex");
const ECDSA_SHA256 = sequence(hex("06082a8648ce3d040302"));
const COMMON_NAME = hex("0603550403");
const BASIC_CONSTRAINTS = hex("0603551d13");
const ALTERNATIVE_NAMES = hex("0603551d11");

interface Keys {
  publicKey: KeyObject;
  privateKey: KeyObject;
}

/** PEM texts: the authority's certificate, and a server's certificate and key for these DNS names and IPv4 addresses. */
export function makeCertificates(
  names: string[],
  addresses: string[],
): { ca: string; certificate: string; key: string } {
  const authority = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const server = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const isAuthority = sequence(BASIC_CONSTRAINTS, der(4, sequence(hex("0101ff"))));
  const alternatives = [
    ...names.map((name) => der(0x82, Buffer.from(name))),
    ...addresses.map((address) => der(0x87, Buffer.from(address.split(".").map(Number)))),
  ];
  const known = sequence(ALTERNATIVE_NAMES, der(4, sequence(...alternatives)));
  return {
    ca: certify("Test authority", authority, authority, isAuthority),
    certificate: certify(names[0], server, authority, known),
    key: server.privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
  };
}

function certify(subject: string, keys: Keys, issuer: Keys, extension: Uint8Array): string {
  const name = (text: string) => sequence(der(0x31, sequence(COMMON_NAME, der(12, Buffer.from(text)))));
  const day = (days: number) => {
    const text = new Date(Date.now() + days * 86_400_000).toISOString();
    return der(0x17, Buffer.from(text.replace(/[-:T]/g, "").slice(2, 14) + "Z"));
  };
  const body = sequence(
    der(0xa0, der(2, Buffer.from([2]))),
    der(2, Buffer.from(crypto.getRandomValues(new Uint8Array(8)).map((byte, i) => i ? byte : byte & 0x7f | 1))),
    ECDSA_SHA256,
    name("Test authority"),
    sequence(day(-1), day(30)),
    name(subject),
    keys.publicKey.export({ type: "spki", format: "der" }),
    der(0xa3, sequence(extension)),
  );
  const signature = sign("sha256", body, issuer.privateKey);
  const bytes = sequence(body, ECDSA_SHA256, der(3, Buffer.from([0]), signature));
  return `-----BEGIN CERTIFICATE-----\n${
    bytes.toString("base64").replace(/.{64}/g, "$&\n")
  }\n-----END CERTIFICATE-----\n`;
}
