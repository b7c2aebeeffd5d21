// Health: whether the process lives, and whether it can do its work.
import { z } from "@hono/zod-openapi";
import { AppError } from "../../errors.ts";
import { route } from "../../http/route.ts";

const tag = "Health";

const live = route({
  operation: "health.live",
  limit: "none",
  method: "get",
  path: "/health",
  summary: "Whether the process answers",
  tag,
  answer: z.object({ status: z.literal("ok") }),
  handler: () => Promise.resolve({ status: "ok" as const }),
});

const ready = route({
  operation: "health.ready",
  limit: "none",
  method: "get",
  path: "/ready",
  summary: "Whether the platform's database answers",
  tag,
  answer: z.object({ status: z.literal("ok"), database_ms: z.number() }),
  handler: async (call) => {
    const started = performance.now();
    try {
      await call.asPlatform((tx) => tx`select 1 as one`);
    } catch (cause) {
      throw new AppError("database_unavailable", "The platform's database does not answer", { cause, retryAfter: 2 });
    }
    return { status: "ok" as const, database_ms: Math.round(performance.now() - started) };
  },
});

export const routes = [live, ready];
