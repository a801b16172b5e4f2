/**
 * Looks into a write-ahead log before SQLite does: SQLite takes what is whole, and drops the rest of it without a word.
 *
 * Source: sqlite.org/fileformat2.html, "The Write-Ahead Log".
 */
import { closeSync, openSync, readSync } from 'node:fs';

export interface WalReport {
  /** Frames that SQLite will read: up to the last whole transaction. */
  frames: number;
  /** Frames of the log after that, of a transaction that is not whole, or damaged; a last one that ends early included. */
  droppedFrames: number;
  droppedBytes: number;
}

const headerBytes = 32;
const frameHeaderBytes = 24;
/** In the magic number's last bit: checksums are over big-endian words. */
const magicLittle = 0x377f0682;
const magicBig = 0x377f0683;
/** Every start over at the file's beginning adds one to the first salt: frames from before are left over, not broken. */
const olderSalts = 1 << 16;

/** Undefined where there is no log, or an empty one. */
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

/** @param read fills the buffer from there on, and tells how much there was */
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
  if (!isWhole) return afterBrokenHeader(read, got);
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
    // The size of the database after a commit, in pages; 0 in frames that commit nothing.
    if (good && frame.readUInt32BE(4) !== 0) Object.assign(report, { frames: index + 1, droppedFrames: 0, droppedBytes: 0 });
  }
}

/** Without a header nothing can be told of the frames: all that is there is dropped. */
function afterBrokenHeader(read: (buffer: Buffer, position: number) => number, start: number): WalReport {
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
