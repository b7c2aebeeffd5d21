// A real browser, because only one can tell whether a policy stops a page or a cookie travels: Debian's chromium, steered
// over its own protocol. Nothing is fetched from elsewhere.
import { join } from "node:path";
import { type Browser, chromium, type Page } from "playwright-core";

const NAMES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
const PATHS = [...(Deno.env.get("PATH") ?? "").split(":"), "/usr/bin", "/opt/homebrew/bin"].filter(Boolean);
/** A busy machine draws the documentation slowly. */
const PATIENCE_MS = 60_000;
const program = PATHS.flatMap((folder) => NAMES.map((name) => join(folder, name))).find(isFile);

/**
 * Whether there is a browser to test with. Where there is none, says so: as a failed test in continuous integration,
 * elsewhere as an ignored one with the reason for its name.
 */
export function browserIsThere(): boolean {
  if (program) return true;
  const name = 'Install "chromium" to run the tests in a real browser';
  const missing = () => Promise.reject(new Error(`${name}: there is none on the PATH`));
  Deno.test({ name, ignore: !Deno.env.get("CI"), fn: missing });
  return false;
}

/** Starts the browser; `close()` it. The sandbox needs rights that containers do not give. */
export function openBrowser(): Promise<Browser> {
  const args = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"];
  return chromium.launch({ executablePath: program, args });
}

/** A page, and what the browser complained of while it was open. */
export interface Watched {
  page: Page;
  /** Violations of a Content-Security-Policy, as the browser reports them to the page. */
  violations(): Promise<string[]>;
  /** Errors and warnings on the console, and errors that a script did not catch. */
  complaints: string[];
  close(): Promise<void>;
}

/** Opens a page with cookies and storage of its own. */
export async function openPage(browser: Browser): Promise<Watched> {
  const context = await browser.newContext();
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE_MS);
  const complaints: string[] = [];
  page.on("console", (said) => {
    if (["error", "warning"].includes(said.type())) complaints.push(`${said.text()} (${said.location().url})`);
  });
  page.on("pageerror", (error) => complaints.push(String(error)));
  await page.addInitScript(`globalThis.violations = [];
    addEventListener("securitypolicyviolation", (event) =>
      violations.push(event.effectiveDirective + " " + event.blockedURI + " " + event.sourceFile + " " + event.sample));`);
  return {
    page,
    complaints,
    violations: () => page.evaluate("violations"),
    close: () => context.close(),
  };
}

/** What a page's fetch() came to: the status, or "blocked" when the browser kept the answer from it. */
export function fetchIn(page: Page, url: string, init: RequestInit = {}): Promise<number | "blocked"> {
  return page.evaluate(
    ([url, init]) => fetch(url, init).then((answer) => answer.status, () => "blocked" as const),
    [url, init] as [string, RequestInit],
  );
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}
