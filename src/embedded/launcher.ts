// Notices that the `npx` which started us was killed. It does not pass a SIGTERM on as far as us, so without this the program
// would go on serving, out of sight and out of reach. Linux only: elsewhere a killed npx leaves the program running.

const everyMs = 500;

/** Calls `onGone` once when the npm process among our ancestors ends; does nothing when there is none. Keeps no process alive. */
export function watchLauncher(onGone: () => void): void {
  const launcher = Deno.build.os === "linux" ? findLauncher(Deno.ppid) : undefined;
  if (launcher === undefined) return;
  const timer = setInterval(() => {
    if (isLauncher(launcher)) return;
    clearInterval(timer);
    onGone();
  }, everyMs);
  Deno.unrefTimer(Number(timer));
}

function findLauncher(pid: number): number | undefined {
  for (let next = pid; next > 1; next = parentOf(next)) {
    if (isLauncher(next)) return next;
  }
  return undefined;
}

function isLauncher(pid: number): boolean {
  // npm names its process after what it runs: "npm exec deno…".
  return read(`/proc/${pid}/comm`).startsWith("npm exec") && !/\) [ZX]/.test(read(`/proc/${pid}/stat`));
}

function parentOf(pid: number): number {
  // The name in brackets may hold anything; the state and the parent's pid follow the last bracket.
  return Number(/.*\) \S+ (\d+)/s.exec(read(`/proc/${pid}/stat`))?.[1] ?? 0);
}

function read(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return "";
  }
}
