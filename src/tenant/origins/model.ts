// Origins of a tenant's own pages, as callers see them.
import { z } from "@hono/zod-openapi";
import { isListable } from "../../http/origin.ts";

const origin = z.string().min(1).max(300)
  .refine(
    isListable,
    "Write an exact origin such as https://app.example.com: https, no path, no wildcard, no default port",
  )
  .openapi({
    example: "https://app.example.com",
    description: "Scheme, host and port, exactly as a browser sends them",
  });

export const originList = z.strictObject({
  origins: z.array(origin).max(50).openapi({ description: "The whole list; what is not in it may not call any more" }),
}).openapi("OriginList");
