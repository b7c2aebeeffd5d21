// HTTP by hand, for what no client would send: requests are written byte by byte to a TCP connection.

/** An answer read by hand; status 0 when the server closed the connection without one. */
export interface RawAnswer {
  status: number;
  headers: Headers;
  text: string;
  // deno-lint-ignore no-explicit-any -- parsed when it is JSON
  body: any;
}

/** How the bytes are sent. */
export interface RawOptions {
  /** Closes our side after the last byte, as a client does whose connection breaks. */
  cutOff?: boolean;
}

const SILENCE_MS = 10_000;

/**
 * Sends a request line, header lines and a body; "Connection: close" is added.
 * @param lines "GET /x HTTP/1.1", "Host: …", …; characters up to U+00FF are sent as one byte each.
 */
export async function sendRaw(
  port: number,
  lines: string[],
  body: string | Uint8Array = "",
  options: RawOptions = {},
): Promise<RawAnswer> {
  const connection = await Deno.connect({ hostname: "127.0.0.1", port });
  const timer = setTimeout(() => connection.close(), SILENCE_MS);
  try {
    const head = latin1([...lines, "Connection: close", "", ""].join("\r\n"));
    await writeAll(connection, new Uint8Array([...head, ...(typeof body === "string" ? latin1(body) : body)]));
    if (options.cutOff) await connection.closeWrite();
    return parse(await readAll(connection));
  } finally {
    clearTimeout(timer);
    try {
      connection.close();
    } catch {
      // The timer was first.
    }
  }
}

async function writeAll(connection: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let rest = bytes; rest.length > 0;) rest = rest.subarray(await connection.write(rest));
}

async function readAll(connection: Deno.Conn): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  const chunk = new Uint8Array(65_536);
  for (;;) {
    // A server that has said enough may reset instead of closing.
    const size = await connection.read(chunk).catch(() => null);
    if (size === null) return text;
    text += decoder.decode(chunk.subarray(0, size), { stream: true });
  }
}

function latin1(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

function parse(answer: string): RawAnswer {
  const end = answer.indexOf("\r\n\r\n");
  if (end < 0) return { status: 0, headers: new Headers(), text: answer, body: undefined };
  const [first, ...rest] = answer.slice(0, end).split("\r\n");
  const headers = new Headers(rest.map((line) => {
    const colon = line.indexOf(":");
    return [line.slice(0, colon), line.slice(colon + 1).trim()] as [string, string];
  }));
  const size = headers.get("content-length");
  const plain = size === null ? answer.slice(end + 4) : firstBytes(answer.slice(end + 4), Number(size));
  const text = headers.get("transfer-encoding") === "chunked" ? unchunked(plain) : plain;
  const json = /[/+]json/.test(headers.get("content-type") ?? "");
  return { status: Number(first.split(" ")[1]), headers, text, body: json && text ? JSON.parse(text) : text };
}

/** What follows belongs to a second answer: what was sent was two requests. */
function firstBytes(text: string, size: number): string {
  return new TextDecoder().decode(new TextEncoder().encode(text).subarray(0, size));
}

function unchunked(text: string): string {
  let found = "";
  for (let rest = text;;) {
    const feed = rest.indexOf("\r\n");
    const size = parseInt(rest.slice(0, feed), 16);
    if (!size) return found;
    found += rest.slice(feed + 2, feed + 2 + size);
    rest = rest.slice(feed + 4 + size);
  }
}
