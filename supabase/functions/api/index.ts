// The Supabase function "api": serves the edge entry, deploy.ts, below its own name. Nothing else belongs here.

import deploy from "../../../deploy.ts";

const prefix = "/api";

export default {
  fetch(request: Request): Response | Promise<Response> {
    return deploy.fetch(withoutPrefix(request));
  },
};

// Supabase leaves the function's name in the path; the routes know nothing of it.
function withoutPrefix(request: Request): Request {
  const url = new URL(request.url);
  if (url.pathname !== prefix && !url.pathname.startsWith(`${prefix}/`)) return request;
  // Put in by the setter, a path that begins with "//" stays a path and cannot become a host.
  url.pathname = url.pathname.slice(prefix.length) || "/";
  return new Request(url, request);
}
