/**
 * The log format of CRI: `<RFC 3339 time with nanoseconds> <stdout|stderr> <P|F> <content>` per line. Pure.
 *
 * Source: kubernetes design proposal "CRI: log management"; upstream `pkg/kubelet/kuberuntime/logs`.
 */

/** One line of a container log, or a part of one. */
export interface LogEntry {
  time: string;
  stream: 'stdout' | 'stderr';
  /** The line goes on in the next entry of the same stream. */
  partial: boolean;
  /** The content with its newline, unless {@link partial}. */
  content: Buffer;
}

const space = 0x20;
const newline = 0x0a;

/** Parses one line without its newline; undefined for one that is not of this format. */
export function parseLogLine(line: Buffer): LogEntry | undefined {
  const afterTime = line.indexOf(space);
  const afterStream = line.indexOf(space, afterTime + 1);
  if (afterTime < 0 || afterStream < 0) return undefined;
  const afterTag = line.indexOf(space, afterStream + 1);
  const stream = line.toString('latin1', afterTime + 1, afterStream);
  if (stream !== 'stdout' && stream !== 'stderr') return undefined;
  const tags = line.toString('latin1', afterStream + 1, afterTag < 0 ? line.length : afterTag).split(':');
  const content = afterTag < 0 ? Buffer.alloc(0) : line.subarray(afterTag + 1);
  const partial = tags[0] === 'P';
  return {
    time: line.toString('latin1', 0, afterTime),
    stream,
    partial,
    content: partial ? content : Buffer.concat([content, Buffer.of(newline)]),
  };
}

/**
 * Limit of a line in bytes. Runtimes write much shorter ones (containerd: 16 KiB); a longer one is not a log line and must not fill the
 * memory.
 */
const maxLineBytes = 1024 * 1024;

/** Cuts bytes into lines. The bytes after the last newline wait for the next chunk. A line of more than 1 MiB is left out. */
export class LineSplitter {
  #rest: Buffer[] = [];
  #restBytes = 0;
  #tooLong = false;

  /** Complete lines, without their newlines. */
  push(chunk: Buffer): Buffer[] {
    const lines: Buffer[] = [];
    let start = 0;
    for (let end = chunk.indexOf(newline); end >= 0; end = chunk.indexOf(newline, start)) {
      this.#keep(chunk.subarray(start, end));
      if (!this.#tooLong) lines.push(this.#rest.length === 1 ? (this.#rest[0] as Buffer) : Buffer.concat(this.#rest));
      this.#forget();
      this.#tooLong = false;
      start = end + 1;
    }
    // A copy, since the caller may use its buffer again.
    if (start < chunk.length) this.#keep(Buffer.from(chunk.subarray(start)));
    return lines;
  }

  #keep(part: Buffer): void {
    this.#restBytes += part.length;
    if (this.#restBytes > maxLineBytes) {
      this.#forget();
      this.#tooLong = true;
    }
    if (!this.#tooLong) this.#rest.push(part);
  }

  #forget(): void {
    this.#rest = [];
    this.#restBytes = 0;
  }
}
