/**
 * A container's output, from Docker's log into a file in CRI's format, line by line as it comes.
 *
 * Docker's log is the truth and outlives us; the position is kept by the times of its lines, which have nanoseconds: what has
 * been written ends with a time, and following goes on behind it. So an agent that dies at any line loses and repeats nothing.
 *
 * Source: kubernetes pkg/kubelet/kuberuntime/logs; Docker Engine API, ContainerLogs (since, stream format).
 */
import { constants } from 'node:fs';
import { type FileHandle, mkdir, rm } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import type { Readable } from 'node:stream';
import { ifThere, openFolder, readAtMost, readSmallFile, replaceFile } from '#agent/host/safe-open.ts';

/** One entry of Docker's log: a line, or a part of one that is longer than 16 KiB. */
export interface LogEntry {
  stream: 'stdout' | 'stderr';
  time: string;
  text: string;
  partial: boolean;
}

/** Up to where a log has been written: the time of the last line, and how many lines have that same time. */
export interface LogPosition {
  time: string;
  count: number;
}

const beginning: LogPosition = { time: '', count: 0 };

/** `<time> <stream> <P|F> <text>`: P for a part that more follows, or that has no line end. */
export const criLine = ({ time, stream, partial, text }: LogEntry): string =>
  `${time} ${stream} ${partial ? 'P' : 'F'} ${text}\n`;

/** The position behind the whole lines of a CRI log. */
export function positionIn(log: string): LogPosition {
  const times = log
    .split('\n')
    .slice(0, -1)
    .map((line) => line.slice(0, line.indexOf(' ')));
  const time = times.at(-1);
  return time === undefined ? beginning : { time, count: times.filter((one) => one === time).length };
}

/** Takes apart `<time> <text>` of one entry, as Docker sends it with `timestamps`. */
function entry(stream: LogEntry['stream'], line: string): LogEntry {
  const space = line.indexOf(' ');
  const partial = !line.endsWith('\n');
  // A terminal ends its lines with \r\n.
  const text = line.slice(space + 1, partial ? undefined : -1);
  return { stream, time: line.slice(0, space), text, partial };
}

/** The entries of `GET /containers/<id>/logs?timestamps=1`: framed, or plain lines where the container has a terminal. */
export async function* readEntries(source: Readable, tty: boolean): AsyncIterable<LogEntry> {
  let rest = Buffer.alloc(0);
  for await (const chunk of source) {
    rest = Buffer.concat([rest, chunk as Buffer]);
    for (;;) {
      const size = tty ? rest.indexOf(0x0a) + 1 : rest.length < 8 ? 0 : 8 + rest.readUInt32BE(4);
      if (size === 0 || rest.length < size) break;
      const frame = rest.subarray(0, size);
      rest = rest.subarray(size);
      yield tty
        ? entry('stdout', frame.toString('utf8'))
        : entry(frame[0] === 2 ? 'stderr' : 'stdout', frame.subarray(8).toString('utf8'));
    }
  }
  if (tty && rest.length > 0) yield entry('stdout', rest.toString('utf8'));
}

/** Docker's `since` wants seconds with nanoseconds, and includes that moment. */
export function sinceOf({ time }: LogPosition): string {
  if (time === '') return '0';
  const nanos = /\.(\d+)/.exec(time)?.[1] ?? '0';
  return `${Math.floor(Date.parse(time) / 1000)}.${nanos.padEnd(9, '0')}`;
}

/** Leaves out what was written before: earlier times, and as many lines of the very time as there were. */
export async function* after(entries: AsyncIterable<LogEntry>, position: LogPosition): AsyncIterable<LogEntry> {
  const reached = sortable(position.time);
  let toSkip = position.count;
  for await (const one of entries) {
    const time = sortable(one.time);
    if (time < reached) continue;
    if (time === reached && toSkip > 0) toSkip--;
    else yield one;
  }
}

/** RFC 3339 drops trailing zeros of the fraction; with all nine digits, text sorts as time does. */
const sortable = (time: string): string =>
  time.replace(/(?:\.(\d+))?Z$/, (_whole, nanos: string | undefined) => `.${(nanos ?? '').padEnd(9, '0')}Z`);

export interface ContainerLogOptions {
  /** The CRI log. */
  path: string;
  /** Where the position is kept while the file is empty after a rotation. */
  positionFile: string;
  tty: boolean;
  /** Docker's log from a moment on, following until the container ends. */
  follow(since: string): Promise<Readable>;
  /**
   * Waits for the container's end, then gives the log from a moment on. Docker (seen with 20.10) ends a follower before the
   * last part is in the log, when that has no line end; only now it is complete.
   */
  remainder(since: string): Promise<Readable>;
}

export interface ContainerLog {
  /** Opens the file anew, after it was renamed. */
  reopen(): Promise<void>;
  /** Settles when the container has ended and all is written, or after `close`. Rejects when Docker goes away. */
  done: Promise<void>;
  close(): Promise<void>;
}

/** Begins writing behind what the file has already. */
export async function writeContainerLog(options: ContainerLogOptions): Promise<ContainerLog> {
  const { path, positionFile, tty } = options;
  let file = await openLog(path);
  let position: LogPosition;
  let source: Readable;
  try {
    position = await resumePosition(positionFile, file);
    source = await options.follow(sinceOf(position));
  } catch (error) {
    await file.close();
    throw error;
  }
  let closing = false;
  let writing: Promise<unknown> = Promise.resolve();
  const inOrder = <Result>(work: () => Promise<Result>): Promise<Result> => {
    const next = writing.then(work);
    writing = next.catch(() => undefined); // Whoever asked for it gets the failure.
    return next;
  };

  const copy = async (): Promise<void> => {
    for await (const one of after(readEntries(source, tty), position)) {
      await inOrder(async () => {
        await file.write(criLine(one));
        position = one.time === position.time ? { time: one.time, count: position.count + 1 } : { time: one.time, count: 1 };
      });
    }
  };
  const pump = async (): Promise<void> => {
    try {
      await copy();
      if (closing) return;
      source = await options.remainder(sinceOf(position));
      await copy();
    } catch (error) {
      if (!closing) throw error;
    } finally {
      await inOrder(() => file.close());
    }
  };
  const done = pump();
  done.catch(() => undefined); // Kept for whoever looks at `done`.

  return {
    done,
    reopen: () =>
      inOrder(async () => {
        await mkdir(dirname(positionFile), { recursive: true });
        await replaceFile(positionFile, JSON.stringify(position), 0o600);
        const renamed = file;
        file = await openLog(path);
        await renamed.close();
      }),
    async close() {
      closing = true;
      source.destroy();
      await done.catch(() => undefined); // Docker's going away is what `done` reports; here it is closed anyway.
    },
  };
}

/**
 * A container may have put anything where its log is to be: only a file, reached through real folders, is written to.
 * The last three steps of the path, pod, container and log, are below a folder that only root writes to.
 */
async function openLog(path: string): Promise<FileHandle> {
  const { O_RDWR, O_APPEND } = constants;
  const name = basename(path);
  await using folder = await openFolder(dirname(dirname(dirname(path))), dirname(path), 0o755);
  const there = await ifThere(folder.openFile(name, O_RDWR | O_APPEND));
  if (there !== undefined) return there;
  await (await folder.createFile(name, 0o640)).close();
  return await folder.openFile(name, O_RDWR | O_APPEND);
}

/** Of a log's end is read what holds all lines of one moment: Docker's lines are of at most 16 KiB. */
const windowBytes = 1024 * 1024;

/** From the file's own lines, else from the rotation before. A line that a crash cut off is taken away, and written again. */
async function resumePosition(positionFile: string, file: FileHandle): Promise<LogPosition> {
  const { size } = await file.stat();
  const start = Math.max(0, size - windowBytes);
  const bytes = await readAtMost(file, windowBytes, start);
  const first = start === 0 ? 0 : bytes.indexOf(0x0a) + 1;
  const whole = bytes.lastIndexOf(0x0a) + 1;
  if (whole < bytes.length) await file.truncate(start + whole);
  const found = positionIn(bytes.toString('utf8', first, whole));
  const kept = JSON.parse((await ifThere(readSmallFile(positionFile, 4096))) ?? JSON.stringify(beginning)) as LogPosition;
  // Lines of one moment may stand on both sides of a rotation.
  return found.time === '' ? kept : found.time === kept.time ? { time: found.time, count: found.count + kept.count } : found;
}

export const forgetPosition = (positionFile: string): Promise<void> => rm(positionFile, { force: true });
