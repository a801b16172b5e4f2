/** The requests that a streaming URL stands for, and the replies that all protocols share. */

import type { Duplex, Readable, Writable } from 'node:stream';
import { errorText } from '#api/error-text.ts';

/** The process of an exec or attach request, with its connected streams. */
export interface ProcessStreams {
  stdin?: Writable | undefined;
  stdout: Readable;
  /** Absent with a terminal, which has only one output. */
  stderr?: Readable | undefined;
  resize?: ((columns: number, rows: number) => Promise<void>) | undefined;
  /** Resolves to the exit code when all output has been read. For attach it resolves to 0 when the stream ends. */
  exited: Promise<number>;
  /** Releases the process because the client has left. */
  close(): void;
}

/** The request that a URL stands for. */
export type StreamRequest =
  | { kind: 'process'; stdin: boolean; stdout: boolean; stderr: boolean; tty: boolean; open(): Promise<ProcessStreams> }
  /** `ports`: the ports for which a WebSocket has channels. An SPDY client names the port with each stream. */
  | { kind: 'portforward'; ports: readonly number[]; dial(port: number): Promise<Duplex> };

interface TerminalSize {
  columns: number;
  rows: number;
}

/** Limit of the unparsed text of sizes. No size is longer, so a longer text never becomes one. */
const maxSizeLength = 256;

/**
 * Parses the text of a resize stream. Sizes are flat JSON objects, one after the other, without a separator or with line ends.
 * Malformed ones are skipped, because clients write them. `rest` may be the beginning of the next size. Pure.
 */
export function terminalSizes(text: string): { sizes: TerminalSize[]; rest: string } {
  const parts = text.split('}');
  const rest = parts.pop() ?? '';
  const sizes = parts.flatMap((part) => terminalSize(`${part}}`) ?? []);
  return { sizes, rest: rest.length > maxSizeLength ? '' : rest };
}

function terminalSize(json: string): TerminalSize | undefined {
  try {
    const { Width: columns, Height: rows } = JSON.parse(json) as { Width: unknown; Height: unknown };
    return isSize(columns) && isSize(rows) ? { columns, rows } : undefined;
  } catch {
    return undefined;
  }
}

const isSize = (value: unknown): value is number =>
  Number.isInteger(value) && (value as number) >= 0 && (value as number) <= 0xffff;

/** Time after which a refused client is disconnected even if it has not read the reply or closed its side. */
const refusalMs = 10_000;

/** Refuses an upgrade with an HTTP reply, and closes the connection. `status` is for example `403 Forbidden`. */
export function refuse(socket: Duplex, status: string, text: string): void {
  setTimeout(() => socket.destroy(), refusalMs).unref();
  socket.end(
    `HTTP/1.1 ${status}\r\nContent-Type: text/plain\r\nContent-Length: ${Buffer.byteLength(text) + 1}\r\nConnection: close\r\n\r\n${text}\n`,
  );
}

/** The Status that ends an exec on its error channel (`v4.channel.k8s.io` and later). */
export function exitStatus(exitCode: number): string {
  if (exitCode === 0) return JSON.stringify({ metadata: {}, status: 'Success' });
  return JSON.stringify({
    metadata: {},
    status: 'Failure',
    message: `command terminated with non-zero exit code: exit status ${exitCode}`,
    reason: 'NonZeroExitCode',
    details: { causes: [{ reason: 'ExitCode', message: String(exitCode) }] },
  });
}

/** The Status for a process that could not be started or whose connection broke. */
export const failureStatus = (error: unknown): string =>
  JSON.stringify({
    metadata: {},
    status: 'Failure',
    reason: 'InternalError',
    message: errorText(error),
    code: 500,
  });
