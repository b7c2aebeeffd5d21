// Servers that are not what they seem: they take a connection and answer what a test wants.

/** Answers one chunk; `turn` counts the chunks of a connection from 0. */
export type Answerer = (socket: Deno.TcpConn, chunk: Uint8Array, turn: number) => void | Promise<void>;

/** Listens on a free port and answers each chunk that comes. */
export function falseServer(answer: Answerer): { port: number; close(): void } {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const sockets = new Set<Deno.TcpConn>();
  (async () => {
    for await (const socket of listener) {
      sockets.add(socket);
      void talk(socket, answer).catch(() => {});
    }
  })();
  return {
    port: (listener.addr as Deno.NetAddr).port,
    close() {
      listener.close();
      for (const socket of sockets) {
        try {
          socket.close();
        } catch {
          // it is closed already
        }
      }
    },
  };
}

async function talk(socket: Deno.TcpConn, answer: Answerer): Promise<void> {
  const buffer = new Uint8Array(64 * 1024);
  for (let turn = 0;; turn++) {
    const read = await socket.read(buffer);
    if (read === null) return;
    await answer(socket, buffer.slice(0, read), turn);
  }
}

function message(type: string, ...parts: (number[] | Uint8Array)[]): Uint8Array {
  const body = parts.flatMap((part) => [...part]);
  return new Uint8Array([type.charCodeAt(0), ...int32(body.length + 4), ...body]);
}

const int16 = (value: number) => [value >> 8 & 255, value & 255];
const int32 = (value: number) => [...int16(value >>> 16), ...int16(value & 0xffff)];
const text = (value: string) => new TextEncoder().encode(value);

/**
 * Lets anyone in, and answers every query with one row of (int4, boolean, boolean, boolean), or with none for null.
 * The protocol is that of the PostgreSQL manual, 55.7.
 */
export async function answerAsPostgres(
  socket: Deno.TcpConn,
  _chunk: Uint8Array,
  turn: number,
  row: string[] | null,
): Promise<void> {
  const ready = message("Z", text("I"));
  if (turn === 0) return void await write(socket, message("R", int32(0)), ready);
  const names = ["version", "owner", "makes_roles", "occupied"];
  const columns = names.map((
    name,
    i,
  ) => [
    ...text(name),
    0,
    ...int32(0),
    ...int16(0),
    ...int32(i ? 16 : 23),
    ...int16(i ? 1 : 4),
    ...int32(-1),
    ...int16(0),
  ]);
  const cells = (row ?? []).flatMap((cell) => [...int32(cell.length), ...text(cell)]);
  await write(
    socket,
    message("1"),
    message("t", int16(0)),
    message("T", int16(columns.length), columns.flat()),
    message("2"),
    ...(row ? [message("D", int16(row.length), cells)] : []),
    message("C", text(`SELECT ${row ? 1 : 0}\0`)),
    ready,
  );
}

async function write(socket: Deno.TcpConn, ...messages: Uint8Array[]): Promise<void> {
  const bytes = new Uint8Array(messages.flatMap((part) => [...part]));
  await socket.write(bytes);
}
