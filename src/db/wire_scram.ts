// SCRAM-SHA-256 as a client (RFC 5802, RFC 7677), without channel binding. The server is not trusted: it must extend our
// nonce, stay within sane iteration counts, which are computed off the main thread, and prove that it knows the password.
import { createHash, createHmac, pbkdf2, randomBytes, timingSafeEqual } from "node:crypto";
import { Buffer } from "node:buffer";
import { promisify } from "node:util";

/** RFC 7677 asks for at least 4,096; fewer would let a false server guess the password quickly. */
const MIN_ITERATIONS = 4_096;
/** A server that asks for 20 million would keep us busy for 13 seconds. */
const MAX_ITERATIONS = 200_000;

/** The server's side of the exchange was wrong; the sentence says how. */
export class ScramRefused extends Error {
  readonly code = "SCRAM_REFUSED";
}

/** One exchange: `first()`, `answer()`, `verify()`, in this order. */
export class ScramClient {
  readonly #password: string;
  readonly #nonce = randomBytes(18).toString("base64");
  #serverSignature: Buffer | null = null;
  /** True once the server has proved that it knows the password. */
  verified = false;

  constructor(password: string) {
    this.#password = password.normalize("NFKC");
  }

  /** The client's first message. */
  first(): string {
    return `n,,n=*,r=${this.#nonce}`;
  }

  /**
   * The client's final message for the server's first one.
   * @throws ScramRefused for a foreign nonce or an iteration count outside 4,096 to 200,000.
   */
  async answer(serverFirst: string): Promise<string> {
    const { r: nonce = "", s: salt = "", i = "" } = attributes(serverFirst);
    if (!nonce.startsWith(this.#nonce) || nonce.length === this.#nonce.length || salt === "") {
      throw new ScramRefused("The server's SCRAM answer does not belong to this login");
    }
    const iterations = /^\d{1,9}$/.test(i) ? Number(i) : 0;
    if (iterations < MIN_ITERATIONS || iterations > MAX_ITERATIONS) {
      throw new ScramRefused(
        `The server asks for ${iterations} SCRAM iterations, ${MIN_ITERATIONS} to ${MAX_ITERATIONS} are accepted`,
      );
    }
    const salted = await promisify(pbkdf2)(this.#password, Buffer.from(salt, "base64"), iterations, 32, "sha256");
    const clientKey = hmac(salted, "Client Key");
    const withoutProof = `c=biws,r=${nonce}`;
    const exchange = `n=*,r=${this.#nonce},${serverFirst},${withoutProof}`;
    const signature = hmac(createHash("sha256").update(clientKey).digest(), exchange);
    this.#serverSignature = hmac(hmac(salted, "Server Key"), exchange);
    const proof = Buffer.from(clientKey.map((byte, at) => byte ^ signature[at])).toString("base64");
    return `${withoutProof},p=${proof}`;
  }

  /** @throws ScramRefused when the server's proof is wrong. */
  verify(serverFinal: string): void {
    const proof = Buffer.from(attributes(serverFinal).v ?? "", "base64");
    const expected = this.#serverSignature;
    if (!expected || proof.length !== expected.length || !timingSafeEqual(proof, expected)) {
      throw new ScramRefused("The server could not prove that it knows the password");
    }
    this.verified = true;
  }
}

function attributes(text: string): Record<string, string> {
  return Object.fromEntries(text.split(",").map((part) => [part[0], part.slice(2)]));
}

function hmac(key: Uint8Array, text: string): Buffer {
  return createHmac("sha256", key).update(text).digest();
}
