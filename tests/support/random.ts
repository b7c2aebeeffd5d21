// Random numbers that can be repeated: every test that uses them prints its seed.
export { Random } from "../../src/prove/random.ts";

/** The seed to use: that of the environment variable, to repeat a run, or a new one. */
export function seedFrom(variable: string): number {
  return Number(Deno.env.get(variable)) || crypto.getRandomValues(new Uint32Array(1))[0];
}
