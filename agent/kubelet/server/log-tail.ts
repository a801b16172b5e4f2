/** Finding the last lines of a log without reading all of it. Source: upstream `pkg/kubelet/kuberuntime/logs` (tail). */
import type { FileHandle } from 'node:fs/promises';
import { open } from 'node:fs/promises';
import { LineSplitter, parseLogLine } from './cri-log.ts';

const blockBytes = 64 * 1024;
const newline = 0x0a;

/** The offset at which the last `lines` lines of a file of `size` bytes begin. */
export async function offsetOfLastLines(file: FileHandle, size: number, lines: number): Promise<number> {
  if (lines <= 0) return size;
  let found = 0;
  const block = Buffer.alloc(blockBytes);
  for (let end = size; end > 0; ) {
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

/** The content of the last lines of a CRI log, at most `maxBytes` from its end; empty when there is no log. */
export async function readLastLogLines(path: string, lines: number, maxBytes: number): Promise<string> {
  let file: FileHandle;
  try {
    file = await open(path);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return '';
    throw error;
  }
  try {
    const { size } = await file.stat();
    const start = await offsetOfLastLines(file, size, lines);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(size - start), 0, size - start, start);
    const entries = new LineSplitter().push(buffer.subarray(0, bytesRead)).map(parseLogLine);
    const content = Buffer.concat(entries.flatMap((entry) => (entry === undefined ? [] : [entry.content])));
    return content.subarray(Math.max(0, content.length - maxBytes)).toString('utf8');
  } finally {
    await file.close();
  }
}
