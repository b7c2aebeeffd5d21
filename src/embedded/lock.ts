// A lock that one process at a time holds, by a file. The operating system lets it go with the process that holds it, so it can
// never be stale. Other machines' processes on a network folder are not seen.

/** A lock that is held. */
export interface Lock {
  /** Lets it go; a second call does nothing. */
  release(): void;
}

/** Takes the lock of the file `path`, made if it is not there. When another process has it: `{ pid }`, 0 when not known. */
export async function takeLock(path: string): Promise<Lock | { pid: number }> {
  const file = await Deno.open(path, { read: true, write: true, create: true, mode: 0o600 });
  if (!await file.tryLock(true)) {
    file.close();
    return { pid: Number(await Deno.readTextFile(path).catch(() => "")) || 0 };
  }
  await file.truncate();
  await file.write(new TextEncoder().encode(String(Deno.pid)));
  let held = true;
  return {
    release: () => {
      if (held) file.close();
      held = false;
    },
  };
}
