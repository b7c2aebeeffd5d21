// A promise that nobody awaited must not end a server that serves everyone else: it is logged. Only programs install this;
// in tests such a promise must fail the test.
import type { Log } from "../telemetry/log.ts";

/** Logs rejections that nobody handled, from now on. Call it once. */
export function surviveStrayErrors(log: Log): void {
  globalThis.addEventListener("unhandledrejection", (event) => {
    event.preventDefault();
    log.error("A promise was rejected and nobody awaited it", {
      reason: String(event.reason),
      stack: event.reason?.stack,
    });
  });
}
