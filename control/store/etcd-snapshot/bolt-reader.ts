/**
 * Reads a bolt database file: which buckets it has, and their entries in the order of their keys.
 *
 * Source: go.etcd.io/bbolt (`page.go`, `bucket.go`, `db.go`).
 */
import {
  type BoltEntry,
  boltMagic,
  boltVersion,
  bucketFlag,
  elementBytes,
  fnv1a,
  metaBytes,
  pageFlags,
  pageHeaderBytes,
} from './bolt-writer.ts';

/** A file that is no bolt database, or a broken one. */
export class BoltError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'BoltError';
  }
}

/** Deeper trees are cycles. */
const maxDepth = 32;

/** A bolt database in memory. */
export class BoltFile {
  readonly #bytes: Buffer;
  readonly #pageBytes: number;
  readonly #root: number;

  /** @throws BoltError */
  constructor(bytes: Buffer) {
    this.#bytes = bytes;
    const meta = newestMeta(bytes);
    this.#pageBytes = meta.pageBytes;
    this.#root = meta.root;
  }

  /** The entries of a bucket; of one that is not there, none. @throws BoltError */
  *entries(name: string): Generator<BoltEntry, void, undefined> {
    const key = Buffer.from(name);
    for (const entry of this.#tree(this.#root, 0)) {
      if (!entry.isBucket || !entry.key.equals(key)) continue;
      const root = entry.value.length < 16 ? broken('a bucket without its root') : entry.value.readBigUInt64LE(0);
      // A small bucket has no page of its own: its leaf stands in the value.
      yield* root === 0n ? this.#elements(entry.value.subarray(16)) : this.#tree(Number(root), 0);
    }
  }

  *#tree(number: number, depth: number): Generator<BoltEntry & { isBucket: boolean }, void, undefined> {
    if (depth > maxDepth) broken('a tree without an end');
    const page = this.#page(number);
    if ((page.readUInt16LE(8) & pageFlags.branch) === 0) {
      yield* this.#elements(page);
      return;
    }
    const count = page.readUInt16LE(10);
    for (let index = 0; index < count; index++) {
      const element = pageHeaderBytes + index * elementBytes;
      yield* this.#tree(Number(slice(page, element, elementBytes).readBigUInt64LE(8)), depth + 1);
    }
  }

  *#elements(page: Buffer): Generator<BoltEntry & { isBucket: boolean }, void, undefined> {
    if ((slice(page, 0, pageHeaderBytes).readUInt16LE(8) & pageFlags.leaf) === 0) broken('a page that is no leaf');
    const count = page.readUInt16LE(10);
    for (let index = 0; index < count; index++) {
      const at = pageHeaderBytes + index * elementBytes;
      const element = slice(page, at, elementBytes);
      const [flags, position] = [element.readUInt32LE(0), element.readUInt32LE(4)];
      const [keyBytes, valueBytes] = [element.readUInt32LE(8), element.readUInt32LE(12)];
      const key = slice(page, at + position, keyBytes);
      yield { key, value: slice(page, at + position + keyBytes, valueBytes), isBucket: (flags & bucketFlag) !== 0 };
    }
  }

  #page(number: number): Buffer {
    const header = slice(this.#bytes, number * this.#pageBytes, pageHeaderBytes);
    if (Number(header.readBigUInt64LE(0)) !== number) broken(`page ${number} is another one`);
    return slice(this.#bytes, number * this.#pageBytes, (1 + header.readUInt32LE(12)) * this.#pageBytes);
  }
}

/** There are two meta pages; the newer one that is whole counts. */
function newestMeta(bytes: Buffer): { pageBytes: number; root: number } {
  const first = readMeta(bytes, 0);
  const size = first?.pageBytes ?? 4096;
  const second = readMeta(bytes, size);
  const newest = [first, second].flatMap((meta) => meta ?? []).sort((a, b) => (a.transaction < b.transaction ? 1 : -1))[0];
  return newest ?? broken('not a bolt database, or one whose first pages are damaged');
}

function readMeta(bytes: Buffer, at: number): { pageBytes: number; root: number; transaction: bigint } | undefined {
  const meta = bytes.subarray(at + pageHeaderBytes, at + pageHeaderBytes + metaBytes + 8);
  if (meta.length < metaBytes + 8) return undefined;
  if (meta.readUInt32LE(0) !== boltMagic || meta.readUInt32LE(4) !== boltVersion) return undefined;
  if (meta.readBigUInt64LE(metaBytes) !== fnv1a(meta.subarray(0, metaBytes))) return undefined;
  return {
    pageBytes: meta.readUInt32LE(8),
    root: Number(meta.readBigUInt64LE(16)),
    transaction: meta.readBigUInt64LE(48),
  };
}

function slice(bytes: Buffer, at: number, length: number): Buffer {
  if (at < 0 || at + length > bytes.length) broken('it ends too early');
  return bytes.subarray(at, at + length);
}

function broken(why: string): never {
  throw new BoltError(why);
}
