/** The kernel's own log. Source: kernel `Documentation/ABI/testing/dev-kmsg`. */
import { constants, type FileHandle, open } from 'node:fs/promises';

export interface KernelLog {
  /**
   * The texts that the kernel itself wrote since the last call, oldest first; at the first call, all that it still has.
   * @throws Error where the log cannot be opened (no /dev/kmsg, or no right to read it)
   */
  read(): Promise<readonly string[]>;
  close(): Promise<void>;
}

/** More than a record can be: a shorter buffer makes the read fail. */
const recordBytes = 8192;
/** The numbers of priority and facility that the kernel gives itself; what programs write has another facility. */
const kernelPriorities = 8;

/** Reads on demand and never waits: what was logged before the call is in its result. */
export function createKernelLog(path = '/dev/kmsg'): KernelLog {
  let opened: Promise<FileHandle> | undefined;
  let turn: Promise<unknown> = Promise.resolve();

  async function drain(): Promise<string[]> {
    opened ??= open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const file = await opened.catch((error: unknown) => {
      opened = undefined;
      throw error;
    });
    const buffer = Buffer.alloc(recordBytes);
    const texts: string[] = [];
    for (;;) {
      const bytes = await file.read(buffer, 0, recordBytes, null).then(({ bytesRead }) => bytesRead, ifMore);
      if (bytes === 'none' || bytes === 0) return texts;
      if (bytes === 'lost') continue;
      const text = kernelText(buffer.toString('utf8', 0, bytes));
      if (text !== undefined) texts.push(text);
    }
  }

  return {
    read() {
      // One reader at a time: each record is given out once.
      const texts = turn.then(drain);
      turn = texts.catch(() => undefined);
      return texts;
    },
    async close() {
      await turn;
      await (await opened)?.close();
      opened = undefined;
    },
  };
}

/** EPIPE: records were overwritten before they were read; the next read goes on with what is there. */
function ifMore(error: NodeJS.ErrnoException): 'none' | 'lost' {
  if (error.code === 'EAGAIN') return 'none';
  if (error.code === 'EPIPE') return 'lost';
  throw error;
}

/** The text of a record `priority,sequence,time,flags;text`, without what follows its first line; undefined: not the kernel's. Pure. */
export function kernelText(record: string): string | undefined {
  const match = /^(\d+),[^;]*;([^\n]*)/.exec(record);
  return match !== null && Number(match[1]) < kernelPriorities ? match[2] : undefined;
}
