/** What a streaming URL stands for, and the answers that every protocol gives alike. */

import type { Duplex, Readable, Writable } from 'node:stream';
import { errorText } from '#api/error-text.ts';

/** A process whose streams are connected. */
export interface ProcessStreams {
  stdin?: Writable | undefined;
  stdout: Readable;
  /** Absent with a terminal, which has one output. */
  stderr?: Readable | undefined;
  resize?: ((columns: number, rows: number) => Promise<void>) | undefined;
  /** The exit code once all output has come; 0 for attach, which ends with the stream. */
  exited: Promise<number>;
  /** Lets go of the process: the client has gone. */
  close(): void;
}

/** What a URL stands for. */
export type StreamRequest =
  | { kind: 'process'; stdin: boolean; stdout: boolean; stderr: boolean; tty: boolean; open(): Promise<ProcessStreams> }
  /** `ports`: what a WebSocket has channels for; an SPDY client names the port with each stream. */
  | { kind: 'portforward'; ports: readonly number[]; dial(port: number): Promise<Duplex> };

interface TerminalSize {
  columns: number;
  rows: number;
}

/** No size is longer; anything that is cannot become one. */
const maxSizeLength = 256;

/**
 * The sizes of a resize stream's text, and what may be the beginning of the next. They follow each other without a separator, or with a
 * line end: each is one flat object. Clients write them: what is no size is passed over.
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

/** One that does not take its refusal, or does not close, is not waited for. */
const refusalMs = 10_000;

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
