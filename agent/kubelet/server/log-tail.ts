/** Finding the last lines of a log without reading all of it. Source: upstream `pkg/kubelet/kuberuntime/logs` (tail). */
import type { FileHandle } from 'node:fs/promises';
import { readAtMost } from '#agent/host/safe-open.ts';
import { openLogIfThere } from '../logs/log-file.ts';
import { LineSplitter, parseLogLine } from './cri-log.ts';

const blockBytes = 64 * 1024;
const newline = 0x0a;

/**
 * The offset at which the last `lines` lines of a file of `size` bytes begin; when `signal` aborts, the offset that was reached.
 */
export async function offsetOfLastLines(file: FileHandle, size: number, lines: number, signal?: AbortSignal): Promise<number> {
  if (lines <= 0) return size;
  let found = 0;
  const block = Buffer.alloc(blockBytes);
  for (let end = size; end > 0; ) {
    if (signal?.aborted === true) return end;
    const start = Math.max(0, end - blockBytes);
    const { bytesRead } = await file.read(block, 0, end - start, start);
    for (let at = bytesRead - 1; at >= 0; at--) {
      // The newline that ends the file ends the last line; it does not begin another.
      if (block[at] !== newline || start + at === size - 1) continue;
      found++;
      if (found === lines) return start + at + 1;
    }
    end = start;
  }
  return 0;
}

/**
 * The content of the last lines of a CRI log, at most `maxBytes` from its end; empty when there is no log. It reads only the end of the
 * file: a line of the runtime has at most 16 KiB plus its head.
 */
export async function readLastLogLines(path: string, lines: number, maxBytes: number): Promise<string> {
  await using file = await openLogIfThere(path);
  if (file === undefined) return '';
  const { size } = await file.stat();
  const windowBytes = 4 * blockBytes + maxBytes;
  const text = await readAtMost(file, Math.min(size, windowBytes), Math.max(0, size - windowBytes));
  // The window may begin in the middle of a line: that line is dropped.
  const whole = size > windowBytes ? text.subarray(text.indexOf(newline) + 1) : text;
  const entries = new LineSplitter().push(whole).slice(-lines).map(parseLogLine);
  const content = Buffer.concat(entries.flatMap((entry) => (entry === undefined ? [] : [entry.content])));
  return content.subarray(Math.max(0, content.length - maxBytes)).toString('utf8');
}
