/** Reads the kernel's log. Source: kernel `Documentation/ABI/testing/dev-kmsg`. */
import { constants, type FileHandle, open } from 'node:fs/promises';

/** A reader of the kernel's log, which remembers its position. */
export interface KernelLog {
  /**
   * The texts that the kernel itself has written since the last call, oldest first. The first call returns everything that is
   * still in the buffer. @throws Error when the log cannot be opened (no /dev/kmsg, or no permission)
   */
  read(): Promise<readonly string[]>;
  close(): Promise<void>;
}

/** Larger than any record: with a shorter buffer the read fails. */
const recordBytes = 8192;
/**
 * The kernel's own messages have facility 0, so their number (facility × 8 + priority) is below 8. Programs have other
 * facilities.
 */
const kernelPriorities = 8;

/** Makes a reader. A read never waits for new messages, and returns all that were logged before the call. */
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
      const bytes = await file.read(buffer, 0, recordBytes, null).then(({ bytesRead }) => bytesRead, readOutcome);
      if (bytes === 'none' || bytes === 0) return texts;
      if (bytes === 'lost') continue;
      const text = kernelText(buffer.toString('utf8', 0, bytes));
      if (text !== undefined) texts.push(text);
    }
  }

  return {
    read() {
      // Reads are serialized, so that each record is returned once.
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

/** EPIPE: some records were overwritten before they were read. The next read continues with the oldest record that is left. */
function readOutcome(error: NodeJS.ErrnoException): 'none' | 'lost' {
  if (error.code === 'EAGAIN') return 'none';
  if (error.code === 'EPIPE') return 'lost';
  throw error;
}

/**
 * The text of a record `priority,sequence,time,flags;text`, without the lines after the first. Undefined for a record that a
 * program wrote. Pure.
 */
export function kernelText(record: string): string | undefined {
  const match = /^(\d+),[^;]*;([^\n]*)/.exec(record);
  return match !== null && Number(match[1]) < kernelPriorities ? match[2] : undefined;
}
