// Signed contexts that are used again: a caller who comes back to the same backend within seconds shows the same proof, and
// the database, told so once, need not verify it each time (app.remember() and app.entered in sql/policies/10_context.sql).
// Who comes once is signed once, and nothing is written for him.

/** What signs the contexts of one caller in one tenant. */
export interface Signature {
  /** The signature for the backend with this process id; 0 where none is known. */
  sign(pid: number): string;
  /**
   * Everything that `sign` signs beside the backend and the time, as text: with it a proof is used again. Left out, each
   * visit has a proof of its own.
   */
  caller?: string;
  /** Signs for the backend that it may remember this proof. */
  permit?(proof: string, pid: number): string;
}

interface Known {
  proof: string;
  /** In the milliseconds of `Date.now()`, by which it expires: a machine that slept signs anew. */
  signedAt: number;
  uses: number;
  /** At which use the database is told. */
  toldAt: number;
}

/** Milliseconds that a proof is used again; a transaction goes on with it for `renewMs` of the pool more. */
const REUSED_MS = 20_000;
/** The least recently signed ones are forgotten first. */
const MOST = 5_000;

/** The proofs of a process. */
export class Proofs {
  #known = new Map<string, Known>();

  /** A proof for this backend. */
  prove(signature: Signature, pid: number): string {
    if (signature.caller === undefined) return signature.sign(pid);
    const key = `${pid} ${signature.caller}`;
    const known = this.#known.get(key);
    const age = known ? Date.now() - known.signedAt : Infinity;
    if (known && age >= 0 && age < REUSED_MS) {
      known.uses++;
      return known.proof;
    }
    this.#known.delete(key);
    if (this.#known.size >= MOST) this.#known.delete(this.#known.keys().next().value!);
    const proof = signature.sign(pid);
    // At the second use: one who comes once would pay for it and have nothing from it. Who came often will come again.
    this.#known.set(key, { proof, signedAt: Date.now(), uses: 1, toldAt: known && known.uses > 2 ? 1 : 2 });
    return proof;
  }

  /** The proof that {@link prove} gave last and what allows the backend to remember it; null unless it is time for that. */
  permit(signature: Signature, pid: number): [proof: string, permit: string] | null {
    const known = pid === 0 ? undefined : this.#known.get(`${pid} ${signature.caller}`);
    if (!known || known.uses !== known.toldAt || !signature.permit) return null;
    return [known.proof, signature.permit(known.proof, pid)];
  }
}
