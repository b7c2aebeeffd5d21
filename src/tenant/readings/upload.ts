// Reads an uploaded file as it arrives: counts its bytes, decodes UTF-8, splits lines. Holds one chunk at a time, and
// does not wait long for the next one, since a transaction is open meanwhile.
import { AppError } from "../../errors.ts";
import { type CsvLine, type CsvShape, CsvSplitter } from "./csv.ts";

/** How much and how long an upload may be. */
export interface UploadLimits {
  /** Bytes of the whole file. */
  bytes: number;
  /** Milliseconds that may be waited for bytes; each byte that comes gives some back. */
  patienceMs: number;
  /** Bytes a millisecond that an upload must keep up over time. */
  pace: number;
}

/** 1 GiB; 20 seconds of silence; 16 kB a second. */
export const UPLOAD_LIMITS: UploadLimits = { bytes: 2 ** 30, patienceMs: 20_000, pace: 16 };

/**
 * The lines of a body, a chunk's worth at a time. Bytes that are not UTF-8 become U+FFFD, which no cell may hold.
 * @throws AppError `payload_too_large`, and `invalid_request` when the body breaks off or stalls.
 */
export async function* readUpload(
  body: ReadableStream<Uint8Array> | null,
  shape: CsvShape,
  limits: UploadLimits = UPLOAD_LIMITS,
): AsyncGenerator<CsvLine[]> {
  const splitter = new CsvSplitter(shape);
  const decoder = new TextDecoder("utf-8");
  const reader = body?.getReader();
  let patience = limits.patienceMs;
  try {
    for (let size = 0; reader;) {
      const asked = performance.now();
      const { done, value } = await next(reader, patience);
      if (done) break;
      size += value.byteLength;
      if (size > limits.bytes) throw new AppError("payload_too_large", `Send at most ${limits.bytes} bytes`);
      patience += value.byteLength / limits.pace - (performance.now() - asked);
      patience = Math.min(limits.patienceMs, patience);
      yield splitter.push(decoder.decode(value, { stream: true }));
    }
    yield splitter.push(decoder.decode());
    yield splitter.end();
  } finally {
    reader?.cancel().catch(() => {}); // what is left unread is not wanted
  }
}

async function next(reader: ReadableStreamDefaultReader<Uint8Array>, patienceMs: number) {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const silence = new Promise<never>((_, reject) => {
    const late = new AppError("invalid_request", "The upload stalled or was too slow; nothing was stored");
    timer = setTimeout(() => reject(late), Math.max(0, patienceMs));
  });
  try {
    return await Promise.race([reader.read(), silence]);
  } catch (error) {
    if (error instanceof AppError) throw error;
    throw new AppError("invalid_request", "The upload broke off; nothing was stored", { cause: error });
  } finally {
    clearTimeout(timer);
  }
}
