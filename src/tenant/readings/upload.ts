// Reads an uploaded file as it arrives: counts its bytes, decodes UTF-8, splits lines. Holds one chunk at a time, and
// does not wait for ever for the next one, since a transaction is open meanwhile.
import { AppError } from "../../errors.ts";
import { type CsvLine, type CsvShape, CsvSplitter } from "./csv.ts";

/** How much and how long an upload may be. */
export interface UploadLimits {
  /** Bytes of the whole file. */
  bytes: number;
  /** Milliseconds without a byte. */
  silenceMs: number;
}

/** 1 GiB, and 20 seconds of silence. */
export const UPLOAD_LIMITS: UploadLimits = { bytes: 2 ** 30, silenceMs: 20_000 };

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
  try {
    for (let size = 0; reader;) {
      const { done, value } = await next(reader, limits.silenceMs);
      if (done) break;
      size += value.byteLength;
      if (size > limits.bytes) throw new AppError("payload_too_large", `Send at most ${limits.bytes} bytes`);
      yield splitter.push(decoder.decode(value, { stream: true }));
    }
    yield splitter.push(decoder.decode());
    yield splitter.end();
  } finally {
    reader?.cancel().catch(() => {}); // what is left unread is not wanted
  }
}

async function next(reader: ReadableStreamDefaultReader<Uint8Array>, silenceMs: number) {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const silence = new Promise<never>((_, reject) => {
    const late = new AppError(
      "invalid_request",
      `The upload stalled for ${silenceMs / 1000} seconds; nothing was stored`,
    );
    timer = setTimeout(() => reject(late), silenceMs);
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
