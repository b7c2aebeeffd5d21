// Identifiers made by code: UUID version 7 (RFC 9562, 5.7), so that keys grow with time and indexes stay compact.
// PostgreSQL before 18 has no uuidv7(); tenant tables have app.uuid_v7() as their default, the platform uses this.

/** Of the last one: its milliseconds, and its number among those of the same millisecond. */
let [lastMs, number] = [0, 0];

/**
 * A new UUID v7, greater than every one that this process made before: 48 bits of Unix milliseconds, a counter of 12 bits that
 * begins below its middle at random (RFC 9562, 6.2, method 1), then 62 random bits.
 */
export function newId(now = Date.now()): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  if (now > lastMs) [lastMs, number] = [now, ((bytes[6] & 0x07) << 8) | bytes[7]];
  else if (++number > 0xfff) [lastMs, number] = [lastMs + 1, 0];
  for (let i = 0; i < 6; i++) bytes[i] = Math.floor(lastMs / 2 ** (8 * (5 - i))) & 0xff;
  bytes[6] = 0x70 | (number >> 8);
  bytes[7] = number & 0xff;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
