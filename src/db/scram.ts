// Passwords of logins as SCRAM-SHA-256 verifiers (RFC 5803; PostgreSQL manual, 20.5), reckoned here, so that neither the
// password nor anything it can be guessed from quickly reaches the server's logs.
import { createHash, createHmac, pbkdf2Sync } from "node:crypto";

const ITERATIONS = 4096;

/**
 * The verifier that `alter role … password` accepts.
 * @param salt 16 bytes; the same salt gives the same verifier, so a repeated rollout changes nothing.
 */
export function scramVerifier(password: string, salt: Uint8Array): string {
  if (salt.length !== 16) throw new TypeError("A SCRAM salt has 16 bytes");
  const salted = pbkdf2Sync(password, salt, ITERATIONS, 32, "sha256");
  const hmac = (text: string) => createHmac("sha256", salted).update(text).digest();
  const storedKey = createHash("sha256").update(hmac("Client Key")).digest("base64");
  const serverKey = hmac("Server Key").toString("base64");
  const saltText = btoa(String.fromCharCode(...salt));
  return `SCRAM-SHA-256$${ITERATIONS}:${saltText}$${storedKey}:${serverKey}`;
}
