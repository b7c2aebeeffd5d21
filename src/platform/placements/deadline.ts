// A deadline of our own for whatever talks to a server that is not ours: its statement_timeout is only a promise.

/**
 * The result of `work`, if it comes within `milliseconds`.
 * @param late Makes the error that is thrown otherwise; `work` goes on unheard, so cut what it uses.
 */
export async function within<T>(milliseconds: number, work: Promise<T>, late: () => Error): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const expired = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(late()), milliseconds);
  });
  try {
    return await Promise.race([work, expired]);
  } finally {
    clearTimeout(timer);
  }
}
