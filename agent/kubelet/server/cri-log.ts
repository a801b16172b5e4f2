/**
 * The log format of CRI: `<RFC 3339 time with nanoseconds> <stdout|stderr> <P|F> <content>` per line. Pure.
 *
 * Source: kubernetes design proposal "CRI: log management"; upstream `pkg/kubelet/kuberuntime/logs`.
 */

export interface LogEntry {
  time: string;
  stream: 'stdout' | 'stderr';
  /** The line goes on in the next entry of the same stream. */
  partial: boolean;
  /** With its newline, unless partial. */
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

/** Cuts bytes into lines; what is left without a newline stays for the next chunk. */
export class LineSplitter {
  #rest: Buffer = Buffer.alloc(0);

  /** Complete lines, without their newlines. */
  push(chunk: Buffer): Buffer[] {
    const data = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    const lines: Buffer[] = [];
    let start = 0;
    for (let end = data.indexOf(newline); end >= 0; end = data.indexOf(newline, start)) {
      lines.push(data.subarray(start, end));
      start = end + 1;
    }
    this.#rest = data.subarray(start);
    return lines;
  }
}
