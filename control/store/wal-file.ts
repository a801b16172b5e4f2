/**
 * Inspects a write-ahead log before SQLite opens it. SQLite reads the complete transactions and silently drops the rest.
 *
 * Source: sqlite.org/fileformat2.html, "The Write-Ahead Log".
 */
import { closeSync, openSync, readSync } from 'node:fs';

/** What a write-ahead log contains. */
export interface WalReport {
  /** Number of frames that SQLite will read: up to the last complete transaction. */
  frames: number;
  /** Number of frames after that: of an incomplete transaction, or damaged. It includes a last frame that is cut off. */
  droppedFrames: number;
  droppedBytes: number;
}

const headerBytes = 32;
const frameHeaderBytes = 24;
/** The last bit of the magic number tells whether checksums use big-endian words. This is the value for little-endian. */
const magicLittle = 0x377f0682;
const magicBig = 0x377f0683;
/**
 * Each time the log starts again at the file's beginning, the first salt grows by one. Frames with an older salt are left over
 * from before; they are not damaged.
 */
const olderSalts = 1 << 16;

/** Inspects a log file. Undefined when there is no log, or an empty one. */
export function inspectWal(path: string): WalReport | undefined {
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  try {
    return inspect((buffer, position) => readSync(fd, buffer, 0, buffer.length, position));
  } finally {
    closeSync(fd);
  }
}

/** @param read fills the buffer from a position on, and returns the number of bytes read */
function inspect(read: (buffer: Buffer, position: number) => number): WalReport | undefined {
  const header = Buffer.alloc(headerBytes);
  const got = read(header, 0);
  if (got === 0) return undefined;
  const magic = header.readUInt32BE(0);
  const bigEndian = magic === magicBig;
  const pageBytes = header.readUInt32BE(8);
  let sum: Checksum = [0, 0];
  if (got === headerBytes) sum = checksum(header.subarray(0, 24), sum, bigEndian);
  const isWhole =
    got === headerBytes &&
    (bigEndian || magic === magicLittle) &&
    pageBytes >= 512 &&
    pageBytes <= 65536 &&
    sum[0] === header.readUInt32BE(24) &&
    sum[1] === header.readUInt32BE(28);
  if (!isWhole) return brokenHeaderReport(read, got);
  const frame = Buffer.alloc(frameHeaderBytes + pageBytes);
  const salt = header.readUInt32BE(16);
  const report: WalReport = { frames: 0, droppedFrames: 0, droppedBytes: 0 };
  let good = true;
  for (let index = 0; ; index++) {
    const length = read(frame, headerBytes + index * frame.length);
    if (length === 0 || isLeftOver(frame, length, salt)) return report;
    const ofThisLog = length >= 16 && frame.compare(header, 16, 24, 8, 16) === 0;
    if (good && length === frame.length && ofThisLog) {
      const next = checksum(frame.subarray(frameHeaderBytes), checksum(frame.subarray(0, 8), sum, bigEndian), bigEndian);
      good = next[0] === frame.readUInt32BE(16) && next[1] === frame.readUInt32BE(20);
      sum = next;
    } else good = false;
    report.droppedFrames++;
    report.droppedBytes += length;
    // The size of the database after a commit, in pages. It is 0 in frames that do not end a transaction.
    if (good && frame.readUInt32BE(4) !== 0) Object.assign(report, { frames: index + 1, droppedFrames: 0, droppedBytes: 0 });
  }
}

/** The report for a log with a broken header. Its frames cannot be read, so all of them are dropped. */
function brokenHeaderReport(read: (buffer: Buffer, position: number) => number, start: number): WalReport {
  const chunk = Buffer.alloc(1 << 20);
  let bytes = start;
  for (let length = read(chunk, bytes); length > 0; length = read(chunk, bytes)) bytes += length;
  return { frames: 0, droppedFrames: 0, droppedBytes: bytes };
}

function isLeftOver(frame: Buffer, length: number, salt: number): boolean {
  if (length < frameHeaderBytes) return false;
  const behind = (salt - frame.readUInt32BE(8)) >>> 0;
  return behind > 0 && behind < olderSalts;
}

type Checksum = [number, number];

function checksum(bytes: Buffer, [first, second]: Checksum, bigEndian: boolean): Checksum {
  let [a, b] = [first, second];
  for (let offset = 0; offset + 8 <= bytes.length; offset += 8) {
    a = (a + (bigEndian ? bytes.readUInt32BE(offset) : bytes.readUInt32LE(offset)) + b) >>> 0;
    b = (b + (bigEndian ? bytes.readUInt32BE(offset + 4) : bytes.readUInt32LE(offset + 4)) + a) >>> 0;
  }
  return [a, b];
}
