/**
 * Reads a container's log as `kubectl logs` asks: tail, since, timestamps, limits, and follows it across rotation.
 *
 * Source: upstream `pkg/kubelet/kuberuntime/logs/logs.go`.
 */
import { watch } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { basename } from 'node:path';
import type { Folder } from '#agent/host/safe-open.ts';
import { openLog, openLogFolder, openLogIfThere } from '../logs/log-file.ts';
import type { LogEntry } from './cri-log.ts';
import { LineSplitter, parseLogLine } from './cri-log.ts';
import { offsetOfLastLines } from './log-tail.ts';

/** The part of a log to read, with the names of `PodLogOptions`. */
export interface LogOptions {
  follow: boolean;
  timestamps: boolean;
  tailLines?: number | undefined;
  sinceMs?: number | undefined;
  limitBytes?: number | undefined;
  /** Default: both streams. */
  stream?: 'stdout' | 'stderr' | undefined;
}

const chunkBytes = 64 * 1024;
/** Time in ms that a follower waits for a file event before it checks whether the container still runs. */
const idleMs = 1_000;

/** Turns entries into the text that the client sees. Counts lines and bytes, for the limits. */
export class LogFormatter {
  readonly #options: LogOptions;
  #left: number;
  #midLine = { stdout: false, stderr: false };

  constructor(options: LogOptions) {
    this.#options = options;
    this.#left = options.limitBytes ?? Number.MAX_SAFE_INTEGER;
  }

  get full(): boolean {
    return this.#left <= 0;
  }

  format({ time, stream, partial, content }: LogEntry): Buffer | undefined {
    const { sinceMs, timestamps } = this.#options;
    const continues = this.#midLine[stream];
    this.#midLine[stream] = partial;
    if (this.#options.stream !== undefined && this.#options.stream !== stream) return undefined;
    if (sinceMs !== undefined && Date.parse(time) < sinceMs) return undefined;
    // A long line has several entries, but shows its time once.
    const text = timestamps && !continues ? Buffer.concat([Buffer.from(`${time} `), content]) : content;
    const cut = text.subarray(0, Math.max(0, this.#left));
    this.#left -= cut.length;
    return cut.length === 0 ? undefined : cut;
  }
}

/**
 * The log's text, piece by piece. With `follow`, ends when `isRunning` says that the container has stopped, or `signal` aborts.
 * @throws the file system's error when there is no log, WrongFileTypeError when something else has its name
 */
export async function* readLog(
  path: string,
  options: LogOptions,
  isRunning: () => Promise<boolean>,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  let file = await openLog(path);
  let hints: Hints | undefined;
  try {
    if (options.follow) {
      await using folder = await openLogFolder(path);
      hints = followHints(folder, basename(path), signal);
    }
    const { size } = await file.stat();
    let position = options.tailLines === undefined ? 0 : await offsetOfLastLines(file, size, options.tailLines, signal);
    let splitter = new LineSplitter();
    const formatter = new LogFormatter(options);
    let ended = false;
    while (!signal.aborted && !formatter.full) {
      const { bytesRead, buffer } = await file.read(Buffer.alloc(chunkBytes), 0, chunkBytes, position);
      position += bytesRead;
      for (const line of splitter.push(buffer.subarray(0, bytesRead))) {
        const entry = parseLogLine(line);
        const text = entry === undefined ? undefined : formatter.format(entry);
        if (text !== undefined) yield text;
      }
      if (bytesRead > 0) continue;
      if (hints === undefined || ended) return;
      const next = await openIfRotated(path, file);
      if (next !== undefined) {
        await file.close();
        file = next;
        position = 0;
        splitter = new LineSplitter();
        continue;
      }
      await hints.wait();
      // One more round reads what the container wrote before it stopped.
      ended = !(await isRunning());
    }
  } finally {
    hints?.close();
    await file.close();
  }
}

/** The new file with the log's name, after a rotation; undefined when the open file still has that name. */
async function openIfRotated(path: string, current: FileHandle): Promise<FileHandle | undefined> {
  const named = await openLogIfThere(path);
  if (named === undefined) return undefined;
  const [{ ino, dev }, held] = await Promise.all([named.stat(), current.stat()]);
  if (ino !== held.ino || dev !== held.dev) return named;
  await named.close();
  return undefined;
}

interface Hints {
  /** Resolves when the log may have grown, at the latest after a second. */
  wait(): Promise<void>;
  close(): void;
}

function followHints(folder: Folder, log: string, signal: AbortSignal): Hints {
  let pending = false;
  let release: () => void = () => undefined;
  const hint = (): void => {
    pending = true;
    release();
  };
  // The kernel watches the folder and not its path: the folder may be closed after this.
  const watcher = watch(folder.self, (_event, name) => {
    if (name === null || name.startsWith(log)) hint();
  });
  // Without file events, the look once a second still finds new lines.
  watcher.on('error', () => watcher.close());
  signal.addEventListener('abort', hint, { once: true });
  return {
    wait: () =>
      new Promise((resolve) => {
        const timer = setTimeout(() => release(), idleMs);
        release = () => {
          clearTimeout(timer);
          pending = false;
          resolve();
        };
        if (pending) release();
      }),
    close() {
      watcher.close();
      signal.removeEventListener('abort', hint);
    },
  };
}
