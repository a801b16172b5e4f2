/**
 * Copies a container's output from Docker's log into a file in CRI's format, line by line as it arrives.
 *
 * Docker's log is the source and outlives the agent. Its lines have times with nanoseconds. The time of the last written line is
 * the position at which copying continues, so an agent that crashes at any line neither loses nor repeats one.
 *
 * Source: kubernetes pkg/kubelet/kuberuntime/logs; Docker Engine API, ContainerLogs (since, stream format).
 */
import { constants } from 'node:fs';
import { type FileHandle, mkdir, rm } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import type { Readable } from 'node:stream';
import { ifThere, openFolder, readAtMost, readSmallFile, replaceFile } from '#agent/host/safe-open.ts';

/** One entry of Docker's log: a line, or a part of a line that is longer than 16 KiB. */
export interface LogEntry {
  stream: 'stdout' | 'stderr';
  time: string;
  text: string;
  partial: boolean;
}

/** The position up to which a log has been copied: the time of the last line, and the number of lines with exactly this time. */
export interface LogPosition {
  time: string;
  count: number;
}

const beginning: LogPosition = { time: '', count: 0 };

/** `<time> <stream> <P|F> <text>`. P (partial) marks a part that is continued, or that has no line end. */
export const criLine = ({ time, stream, partial, text }: LogEntry): string =>
  `${time} ${stream} ${partial ? 'P' : 'F'} ${text}\n`;

/** The position after the last whole line of a CRI log. Pure. */
export function positionIn(log: string): LogPosition {
  const times = log
    .split('\n')
    .slice(0, -1)
    .map((line) => line.slice(0, line.indexOf(' ')));
  const time = times.at(-1);
  return time === undefined ? beginning : { time, count: times.filter((one) => one === time).length };
}

/** Parses one entry `<time> <text>`, as Docker sends it with the option `timestamps`. */
function entry(stream: LogEntry['stream'], line: string): LogEntry {
  const space = line.indexOf(' ');
  const partial = !line.endsWith('\n');
  // A terminal ends its lines with \r
  // .
  const text = line.slice(space + 1, partial ? undefined : -1);
  return { stream, time: line.slice(0, space), text, partial };
}

/** The entries of `GET /containers/<id>/logs?timestamps=1`: framed, or plain lines when the container has a terminal. */
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

/** The value of Docker's parameter `since`: seconds with nanoseconds. Docker includes entries of exactly this time. */
export function sinceOf({ time }: LogPosition): string {
  if (time === '') return '0';
  const nanos = /\.(\d+)/.exec(time)?.[1] ?? '0';
  return `${Math.floor(Date.parse(time) / 1000)}.${nanos.padEnd(9, '0')}`;
}

/** Skips the entries that were copied before: all earlier ones, and as many with exactly the position's time as it counts. */
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

/** A time that sorts as text. RFC 3339 leaves out trailing zeros of the fraction; this adds them up to nine digits. */
const sortable = (time: string): string =>
  time.replace(/(?:\.(\d+))?Z$/, (_whole, nanos: string | undefined) => `.${(nanos ?? '').padEnd(9, '0')}Z`);

/** What a log writer works with. */
export interface ContainerLogOptions {
  /** Path of the CRI log. */
  path: string;
  /** File in which the position is stored, for the time in which the log file is empty after a rotation. */
  positionFile: string;
  tty: boolean;
  /** Docker's log since a moment, followed until the container ends. */
  follow(since: string): Promise<Readable>;
  /**
   * Waits until the container has ended, and then returns the log since a moment. Docker (seen with 20.10) ends a follower before
   * the last part is in the log when that part has no line end. After the container's end the log is complete.
   */
  remainder(since: string): Promise<Readable>;
}

/** A log writer that runs. */
export interface ContainerLog {
  /** Opens the log file again after it was renamed. */
  reopen(): Promise<void>;
  /**
   * Resolves when the container has ended and all its output is written, or after `close`. Rejects when the connection to Docker
   * breaks.
   */
  done: Promise<void>;
  close(): Promise<void>;
}

/** Starts to write after the end of the existing file. */
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
    writing = next.catch(() => undefined); // The caller of this operation gets the failure.
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
  done.catch(() => undefined); // The failure is kept for the caller that awaits `done`.

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
      await done.catch(() => undefined); // `done` reports that the connection to Docker broke. The file is closed all the same.
    },
  };
}

/**
 * Opens the log file. A container may have put anything in its place, so only a regular file is opened, and no link is followed:
 * the last three steps of the path (pod, container, log) are below a folder to which only root can write.
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

/**
 * The number of bytes at the end of a log that are read to find the position. Docker's lines have at most 16 KiB, so this holds
 * all lines of one moment.
 */
const windowBytes = 1024 * 1024;

/**
 * Finds the position in the file's own lines, or, when it has none, from before the rotation. A line that a crash cut off is
 * removed and written again.
 */
async function resumePosition(positionFile: string, file: FileHandle): Promise<LogPosition> {
  const { size } = await file.stat();
  const start = Math.max(0, size - windowBytes);
  const bytes = await readAtMost(file, windowBytes, start);
  const first = start === 0 ? 0 : bytes.indexOf(0x0a) + 1;
  const whole = bytes.lastIndexOf(0x0a) + 1;
  if (whole < bytes.length) await file.truncate(start + whole);
  const found = positionIn(bytes.toString('utf8', first, whole));
  const kept = JSON.parse((await ifThere(readSmallFile(positionFile, 4096))) ?? JSON.stringify(beginning)) as LogPosition;
  // Lines with the same time may stand on both sides of a rotation.
  return found.time === '' ? kept : found.time === kept.time ? { time: found.time, count: found.count + kept.count } : found;
}

/** Deletes the stored position of a container's log. */
export const forgetPosition = (positionFile: string): Promise<void> => rm(positionFile, { force: true });
