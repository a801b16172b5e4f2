/**
 * `--audit-log-path`: a file with one event a line, which is rotated.
 *
 * Lines that come in one turn of the event loop are written together: a write costs more than all else. In the modes that block, as upstream's
 * default does, requests go on when their lines are in the file. Such a write goes to the kernel's memory and takes some microseconds; handing
 * it to another thread and waiting for that took up to a third of a small request, so it is done here. The price: while the file system stalls
 * (frozen for a backup, a network disk that is away), the whole process stands still, where upstream holds back audited requests alone. In mode
 * `batch`, and where the path is no ordinary file (a pipe may be full), another thread writes. `-` is as Node writes standard output.
 *
 * Source: apiserver `plugin/pkg/audit/log/backend.go`; natefinch/lumberjack (names of rotated files).
 */
import { createReadStream, createWriteStream, writeSync } from 'node:fs';
import { type FileHandle, mkdir, open, readdir, rename, unlink } from 'node:fs/promises';
import { basename, dirname, extname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { createGzip } from 'node:zlib';
import { errorText } from '#api/error-text.ts';
import type { AuditBackend, AuditMode, AuditMonitor, AuditRecord } from './audit-backend.ts';
import { eventText } from './audit-event.ts';

/** The flags `--audit-log-…`. */
export interface AuditLogOptions {
  /** `-`: standard output, which is not rotated. */
  path: string;
  format: 'json' | 'legacy';
  mode: AuditMode;
  /** Days after which a rotated file is removed; 0: never. */
  maxAgeDays: number;
  /** How many rotated files are kept; 0: all. */
  maxBackups: number;
  /** Megabytes after which the file is rotated; 0: never. */
  maxSizeMb: number;
  compress: boolean;
  /** Mode `batch`: how many events may wait. */
  bufferSize: number;
  truncate?: { maxEventBytes: number } | undefined;
}

/** The maximum memory of waiting lines, in every mode. */
const maxWaitingBytes = 64 << 20;

interface Waiting {
  lines: string[];
  bytes: number;
  written: PromiseWithResolvers<boolean>;
}

/** Appends lines to a file. */
export class AuditLogFile implements AuditBackend {
  readonly #options: AuditLogOptions;
  readonly #monitor: AuditMonitor;
  readonly #nowMs: () => number;
  #file: FileHandle | undefined;
  #size = 0;
  /** Whether it is a regular file. */
  #isOrdinary = false;
  #next: Waiting | undefined;
  #writing: Promise<void> | undefined;
  #tidying: Promise<void> = Promise.resolve();

  constructor(options: AuditLogOptions, monitor: AuditMonitor, nowMs: () => number) {
    this.#options = options;
    this.#monitor = monitor;
    this.#nowMs = nowMs;
  }

  async #openFile(): Promise<FileHandle> {
    await mkdir(dirname(this.#options.path), { recursive: true, mode: 0o755 });
    const file = await open(this.#options.path, 'a', 0o600);
    const found = await file.stat();
    this.#size = found.size;
    this.#isOrdinary = found.isFile();
    this.#file = file;
    return file;
  }

  take({ event, json }: AuditRecord): boolean | Promise<boolean> {
    const { format, mode, bufferSize } = this.#options;
    const line = `${format === 'json' ? json : eventText(event)}\n`;
    this.#next ??= { lines: [], bytes: 0, written: Promise.withResolvers() };
    const waiting = this.#next;
    if (waiting.bytes + line.length > maxWaitingBytes || (mode === 'batch' && waiting.lines.length >= bufferSize)) {
      this.#monitor.lost('buffered', 1, 'audit buffer queue blocked');
      return false;
    }
    waiting.lines.push(line);
    waiting.bytes += line.length;
    this.#writing ??= this.#writeAll();
    return mode === 'batch' ? true : waiting.written.promise;
  }

  async #writeAll(): Promise<void> {
    // The lines of one turn of the event loop are written together, because each write is expensive.
    await nextTurn();
    while (this.#next !== undefined) {
      const { lines, written } = this.#next;
      this.#next = undefined;
      written.resolve(await this.#write(lines));
    }
    this.#writing = undefined;
  }

  async #write(lines: readonly string[]): Promise<boolean> {
    try {
      const bytes = Buffer.from(lines.join(''));
      const { path, maxSizeMb, mode } = this.#options;
      if (path === '-') {
        process.stdout.write(bytes);
        return true;
      }
      // The file is opened first, because an earlier process may have left it nearly full.
      let file = this.#file ?? (await this.#openFile());
      const limit = maxSizeMb * 1024 * 1024;
      if (limit > 0 && this.#size > 0 && this.#size + bytes.length > limit) {
        await this.#rotate();
        file = await this.#openFile();
      }
      const isHere = mode !== 'batch' && this.#isOrdinary;
      for (let written = 0; written < bytes.length; )
        written += isHere ? writeSync(file.fd, bytes, written) : (await file.write(bytes, written)).bytesWritten;
      this.#size += bytes.length;
      return true;
    } catch (error) {
      return await this.#lost(lines.length, error);
    }
  }

  /** The next write opens the file again: by then the disk may have space, or the folder exist. */
  async #lost(lines: number, error: unknown): Promise<false> {
    this.#monitor.lost('log', lines, errorText(error));
    const file = this.#file;
    this.#file = undefined;
    await file?.close().catch((closing: unknown) => this.#monitor.lost('log', 0, errorText(closing)));
    return false;
  }

  async #rotate(): Promise<void> {
    const { path } = this.#options;
    await this.#file?.close();
    this.#file = undefined;
    const stamp = new Date(this.#nowMs()).toISOString().replaceAll(':', '-').replace('Z', '');
    const extension = extname(path);
    const rotated = join(dirname(path), `${basename(path, extension)}-${stamp}${extension}`);
    await rename(path, rotated);
    this.#tidying = this.#tidying
      .then(() => this.#tidy(rotated))
      .catch((error: unknown) => this.#monitor.lost('log', 0, errorText(error)));
  }

  /** Compresses the rotated file, and removes rotated files beyond the limits of number and age. */
  async #tidy(rotated: string): Promise<void> {
    const { path, compress, maxBackups, maxAgeDays } = this.#options;
    if (compress) {
      await pipeline(createReadStream(rotated), createGzip(), createWriteStream(`${rotated}.gz`, { mode: 0o600 }));
      await unlink(rotated);
    }
    const extension = extname(path);
    const prefix = `${basename(path, extension)}-`;
    const folder = dirname(path);
    const backups = (await readdir(folder))
      .map((name) => ({ name, atMs: rotatedAt(name, prefix, extension) }))
      .filter(({ atMs }) => !Number.isNaN(atMs))
      .sort((a, b) => b.atMs - a.atMs);
    const oldestMs = this.#nowMs() - maxAgeDays * 86_400_000;
    for (const [index, { name, atMs }] of backups.entries())
      if ((maxBackups > 0 && index >= maxBackups) || (maxAgeDays > 0 && atMs < oldestMs)) await unlink(join(folder, name));
  }

  async close(): Promise<void> {
    await this.#writing;
    await this.#tidying;
    await this.#file?.close();
    this.#file = undefined;
  }
}

/** When a file with this name was rotated; NaN if it is not one of our files. */
function rotatedAt(name: string, prefix: string, extension: string): number {
  const plain = name.endsWith('.gz') ? name.slice(0, -3) : name;
  if (!plain.startsWith(prefix) || !plain.endsWith(extension)) return Number.NaN;
  const stamp = /^(\d{4}-\d{2}-\d{2})T(\d{2})-(\d{2})-(\d{2}\.\d{3})$/.exec(
    plain.slice(prefix.length, plain.length - extension.length),
  );
  return stamp === null ? Number.NaN : Date.parse(`${stamp[1]}T${stamp[2]}:${stamp[3]}:${stamp[4]}Z`);
}
