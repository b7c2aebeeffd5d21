// Faults of the code, made by handing spoiled parts to the real ones: no file is changed. Each names the layer that must
// find it, and gives what that layer said.
import { AppError } from "../../errors.ts";
import { createLog } from "../../telemetry/log.ts";
import type { TenantRecord } from "../../tenancy/directory.ts";
import { TENANT_QUEUE } from "../../tenancy/jobs.ts";
import type { Services } from "../../tenancy/services.ts";
import { handlers } from "../../worker.ts";
import { checkCaches, type Lookup } from "../channels/caches.ts";
import { checkFiles } from "../channels/files.ts";
import { checkHttp } from "../channels/http.ts";
import { checkJobs } from "../channels/jobs.ts";
import { checkLogs } from "../channels/logs.ts";
import { trustingAnyKey } from "../resigned.ts";
import type { Fetch, Scratch } from "../scratch.ts";
import { DOORS } from "./doors.ts";

/** One fault of the code. */
export interface CodeMutant {
  fault: string;
  layer: "random run" | "sessions" | "HTTP" | "jobs" | "caches" | "files" | "logs";
  /** Runs the layer over the spoiled part and gives what it found. */
  find(scratch: Scratch): Promise<string[]>;
}

const CHECK = { quick: true };

/** Answers kept by path alone, as a shared cache in front of the app would. */
function cachedByPath(fetch: Fetch): Fetch {
  const kept = new Map<string, { status: number; text: string; headers: Headers }>();
  return async (request) => {
    const { pathname, search } = new URL(request.url);
    const key = pathname + search;
    const known = request.method === "GET" && kept.get(key);
    if (known) return new Response(known.text, known);
    const answer = await fetch(request);
    if (request.method !== "GET" || answer.status !== 200) return answer;
    const found = { status: 200, text: await answer.text(), headers: answer.headers };
    kept.set(key, found);
    return new Response(found.text, found);
  };
}

/** The tenant in X-Tenant wins over the one in the token. */
function headerWins(scratch: Scratch): Fetch {
  const { services } = scratch;
  const fetch = scratch.app();
  return async (request) => {
    const token = /^Bearer (.+)$/.exec(request.headers.get("authorization") ?? "")?.[1];
    const named = request.headers.get("x-tenant")?.toLowerCase();
    const caller = token && await services.tokens.verify(token).catch(() => null);
    const tenant = named && (await services.directory.byId(named) ?? await services.directory.bySlug(named));
    if (!caller || caller.kind !== "member" || !tenant) return await fetch(request);
    const headers = new Headers(request.headers);
    headers.set("authorization", `Bearer ${await services.tokens.issueMember({ ...caller, tenantId: tenant.id })}`);
    return await fetch(new Request(request, { headers }));
  };
}

/** Reads tokens without looking at their signature. */
function trusting(services: Services): Services {
  return {
    ...services,
    tokens: {
      ...services.tokens,
      verify(token) {
        const [, payload] = token.split(".");
        try {
          const claims = JSON.parse(atob(payload.replaceAll("-", "+").replaceAll("_", "/")));
          return Promise.resolve({
            kind: "member",
            memberId: claims.sub,
            tenantId: claims.tid,
            sessionId: claims.sid,
            role: claims.role,
            permissions: { "*": ["*"] },
            unitsOnly: false,
            accountId: null,
            authenticatedAt: 0,
            mfa: false,
            duty: null,
            accessVersion: claims.ver,
            expiresAt: new Date(claims.exp * 1000),
          });
        } catch {
          return Promise.reject(new AppError("unauthorized"));
        }
      },
    },
  };
}

/** A directory whose memory is keyed too widely: `key` says what it tells apart. */
function keyedBy(scratch: Scratch, key: (text: string) => string): Lookup {
  const kept = new Map<string, Promise<TenantRecord | null>>();
  const { directory } = scratch.services;
  return {
    bySlug(slug) {
      const at = key(slug);
      const found = kept.get(at) ?? directory.bySlug(at || slug);
      kept.set(at, found);
      return found;
    },
    byId: (id) => directory.byId(id),
    byHost: (host) => directory.byHost(host),
  };
}

const worker = ({ services }: Scratch) => handlers(services).get(TENANT_QUEUE.name)!;

/** Every fault of the code. */
export const CODE: CodeMutant[] = [
  ...DOORS,
  {
    fault: "a job takes its tenant from its payload",
    layer: "jobs",
    find: async (scratch) => {
      const handle = worker(scratch);
      const spoiled = (job: Parameters<typeof handle>[0]) =>
        handle({ ...job, tenantId: (job.data.tenantId as string) ?? job.tenantId });
      return (await checkJobs(scratch, CHECK, { handle: spoiled })).leaks;
    },
  },
  {
    fault: "a job runs in whichever tenant has its row",
    layer: "jobs",
    find: async (scratch) => {
      const handle = worker(scratch);
      const [{ attacker, victim }] = scratch.sites;
      const spoiled = async (job: Parameters<typeof handle>[0]) => {
        for (const { id } of [attacker, victim]) await handle({ ...job, tenantId: id }).catch(() => {});
      };
      return (await checkJobs(scratch, CHECK, { handle: spoiled })).leaks;
    },
  },
  {
    fault: "the directory's memory is keyed without the tenant",
    layer: "caches",
    find: async (scratch) => (await checkCaches(scratch, CHECK, { directory: keyedBy(scratch, () => "") })).leaks,
  },
  {
    fault: "the directory's memory ignores what follows the first letters",
    layer: "caches",
    find: async (scratch) =>
      (await checkCaches(scratch, CHECK, { directory: keyedBy(scratch, (slug) => slug.replace(/[^a-z-].*$/, "")) }))
        .leaks,
  },
  {
    fault: "the tenant of the header wins over the token's",
    layer: "HTTP",
    find: async (scratch) => (await checkHttp(scratch, CHECK, { fetch: headerWins(scratch) })).leaks,
  },
  {
    fault: "the signature of tokens is not looked at",
    layer: "HTTP",
    find: async (scratch) => (await checkHttp(scratch, CHECK, { services: trusting(scratch.services) })).leaks,
  },
  {
    fault: "a token is good whichever tenant's key has signed it",
    layer: "HTTP",
    find: async (scratch) => (await checkHttp(scratch, CHECK, { services: trustingAnyKey(scratch.services) })).leaks,
  },
  {
    fault: "answers may be kept by shared caches",
    layer: "HTTP",
    find: async (scratch) => {
      const fetch = scratch.app();
      const open: Fetch = async (request) => {
        const answer = await fetch(request);
        const headers = new Headers(answer.headers);
        headers.set("cache-control", "public, max-age=60");
        return new Response(answer.body, { status: answer.status, headers });
      };
      return (await checkHttp(scratch, CHECK, { fetch: open })).leaks;
    },
  },
  {
    fault: "files are kept by path, without the tenant",
    layer: "files",
    find: async (scratch) => (await checkFiles(scratch, CHECK, { fetch: cachedByPath(scratch.app()) })).leaks,
  },
  {
    fault: "log lines are not redacted",
    layer: "logs",
    find: async (scratch) => {
      const lines: string[] = [];
      const plain = createLog({ level: "debug", write: (line) => void lines.push(line) });
      const put = (msg: string, fields?: object) => void lines.push(JSON.stringify({ msg, ...fields }));
      const log = { ...plain, error: put, info: put, child: () => log };
      return (await checkLogs(scratch, CHECK, { services: { ...scratch.services, log }, lines })).leaks;
    },
  },
];
