// What a sign-in costs: round trips, password hashes, and its time beside one bare hash of the same run.
import type { Measurement } from "../../cli/bench.ts";
import type { Services } from "../../tenancy/services.ts";
import { atMost, median, shown } from "../wall/numbers.ts";
import { type Cost, countedApp } from "./counted.ts";

const LOGINS = 21;

/** Measures sign-ins of one member, turn about with bare hashes. */
export async function measureLogin(
  services: Services,
  { slug, email, password }: { slug: string; email: string; password: string },
): Promise<Measurement[]> {
  const counted = countedApp(services);
  const headers = { "content-type": "application/json", "x-tenant": slug };
  const login = () => counted.cost("POST", "/v1/auth/login", { headers, body: JSON.stringify({ email, password }) });
  for (let i = 0; i < 3; i++) await login(); // connects, and plans the statements
  const [times, bare, costs]: [number[], number[], Cost[]] = [[], [], []];
  for (let i = 0; i < LOGINS; i++) {
    const started = performance.now();
    costs.push(await login());
    const between = performance.now();
    await services.passwords.hash(password);
    times.push(between - started);
    bare.push(performance.now() - between);
  }
  await counted.end();
  const most = (what: "trips" | "hashes") => Math.max(...costs.map((cost) => cost[what]));
  return [
    atMost("login: round trips to databases", most("trips"), "round trips", 3),
    atMost("login: password hashes", most("hashes"), "hashes", 1),
    shown("login: time", median(times), "ms", `median of ${LOGINS}, in this process`),
    shown("login: time of one bare hash", median(bare), "ms", "the same run, turn about"),
  ];
}
