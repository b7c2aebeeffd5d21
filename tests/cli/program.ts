// The program as a process of its own, as somebody types it.
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** What came of a command. */
export interface Ended {
  code: number;
  out: string;
  said: string;
}

/** The command, not run yet. Of the environment it knows what it is given, and what programs need. */
export function bulkhead(args: string[], env: Record<string, string> = {}): Deno.Command {
  const kept = Object.fromEntries(["PATH", "HOME", "DENO_DIR"].flatMap((name) => {
    const value = Deno.env.get(name);
    return value === undefined ? [] : [[name, value]];
  }));
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "src/main.ts", ...args],
    cwd: ROOT,
    env: { ...kept, NO_COLOR: "1", ...env },
    clearEnv: true,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  });
}

/** Runs it to its end. */
export async function run(args: string[], env: Record<string, string> = {}): Promise<Ended> {
  const { code, stdout, stderr } = await bulkhead(args, env).output();
  const [out, said] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  return { code, out, said };
}
