// The log and the words of answers: secrets that went in by every door must not come out in any line.
import type { Services } from "../../tenancy/services.ts";
import type { Scratch } from "../scratch.ts";
import { memberToken } from "../site.ts";
import { type ChannelOptions, type ChannelResult, Findings, sharedSite } from "./check.ts";

const BASE = "http://localhost";

/** Sends canaries and reads every line that was written since. `lines` may be those of a log without a redactor. */
export async function checkLogs(
  scratch: Scratch,
  _: ChannelOptions,
  over: { services?: Services; lines?: string[] } = {},
): Promise<ChannelResult> {
  const findings = new Findings("logs");
  const site = sharedSite(scratch);
  const services = over.services ?? scratch.services;
  const lines = over.lines ?? scratch.lines;
  const fetch = scratch.app(services);
  const canary = () => `canary${crypto.randomUUID().replaceAll("-", "")}`;
  const password = canary();
  const refresh = `${crypto.randomUUID()}.bhr_${canary()}`;
  const token = await memberToken(services, site, site.attacker.id);
  const json = { "content-type": "application/json", "x-tenant": site.attacker.slug! };
  const answers: string[] = [];
  const send = async (method: string, path: string, headers: Record<string, string>, body?: unknown) => {
    findings.tries++;
    const text = typeof body === "string" ? body : body && JSON.stringify(body);
    const answer = await fetch(new Request(BASE + path, { method, headers, body: text as string | undefined }));
    answers.push(await answer.text());
  };
  await send("POST", "/v1/auth/login", json, { email: "nobody@example.test", password });
  await send("POST", "/v1/auth/refresh", json, { refresh_token: refresh });
  await send("POST", "/v1/auth/login", json, `{"password": "${password}"`);
  await send("GET", "/v1/buildings", { authorization: `Bearer ${token}` });
  await send("GET", "/v1/buildings", { authorization: `Bearer ${token}x` });
  await send("GET", `/v1/buildings?cursor=${password}`, { authorization: `Bearer ${token}` });
  const [user, secret] = ["canary_user", canary()];
  services.log.error("A request failed", {
    reason: `connect postgres://${user}:${secret}@127.0.0.1/db failed`,
    authorization: `Bearer ${token}`,
    password,
    key: scratch.secrets[0],
  });
  const secrets = [...scratch.secrets.filter((one) => one.length >= 8), password, refresh, token, secret];
  const written = [...lines, ...answers].join("\n");
  for (const [i, one] of secrets.entries()) {
    findings.expect(!written.includes(one), `secret number ${i + 1} stands in a line or an answer`);
  }
  return findings.result();
}
