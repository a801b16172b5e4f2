/**
 * Writes a bolt database file, in one pass, from entries that are sorted already. etcd's snapshots are such files.
 *
 *   page 0, 1: meta (which bucket is the root) │ 2: list of free pages (none) │ leaves and branches of each bucket │ root leaf
 *
 * Source: go.etcd.io/bbolt (`page.go`, `node.go`, `bucket.go`, `db.go`): the layout of pages; numbers are little-endian.
 */
import type { Steps } from '#api/steps.ts';

/** One entry. */
export interface BoltEntry {
  key: Buffer;
  value: Buffer;
}

/** A bucket: its entries in the order of their keys' bytes. */
export interface BoltBucket {
  name: string;
  entries: Iterable<BoltEntry>;
}

/** The pages that we write; a file says which size its own have. */
const pageBytes = 4096;
/** Number, flags, number of elements, further pages. */
export const pageHeaderBytes = 16;
/** Of an element of a leaf or a branch. */
export const elementBytes = 16;
/** Begins each meta page. */
export const boltMagic = 0xed0cdaed;
/** The layout's version. */
export const boltVersion = 2;
/** What a page is. */
export const pageFlags = { branch: 0x01, leaf: 0x02, meta: 0x04, freelist: 0x10 } as const;
/** An element of a leaf whose value is a bucket. */
export const bucketFlag = 0x01;
/** Bytes of a meta page after its header, without the checksum. */
export const metaBytes = 56;

/** As many elements as fit, but for one that is larger than a page by itself. */
const maxElements = 0xfff0;

/** About how much of the file is made in one step. */
export const stepBytes = 256 << 10;

/** Numbers pages, and gives out the file's parts in their order. */
class Pages {
  #next = 3;

  /** @returns the first page's number */
  take(bytes: number): number {
    const page = this.#next;
    this.#next += Math.ceil(bytes / pageBytes);
    return page;
  }

  /** How many there are. */
  get count(): number {
    return this.#next;
  }
}

/** Makes the file, in parts. The meta pages come first, so all pages are laid out before anything is written. */
export function* boltFileSteps(buckets: readonly BoltBucket[]): Steps<Buffer[]> {
  const pages = new Pages();
  const parts: Buffer[] = [];
  const roots: BoltEntry[] = [];
  const sorted = buckets.map((bucket) => ({ ...bucket, key: Buffer.from(bucket.name) }));
  for (const { key, entries } of sorted.sort((a, b) => Buffer.compare(a.key, b.key)))
    roots.push({ key, value: bucketValue(yield* writeTree(entries, pages, parts)) });
  const root = yield* writeTree(roots, pages, parts, bucketFlag);
  return [metaPage(0, root, pages.count), metaPage(1, root, pages.count), page(2, pageFlags.freelist, 0, []), ...parts];
}

/** @returns the number of the tree's root page */
function* writeTree(entries: Iterable<BoltEntry>, pages: Pages, parts: Buffer[], flags = 0): Steps<number> {
  let level = yield* writeLeaves(entries, pages, parts, flags);
  while (level.length > 1) level = [...writeBranches(level, pages, parts)];
  return (level[0] as Child).page;
}

interface Child {
  first: Buffer;
  page: number;
}

function* writeLeaves(entries: Iterable<BoltEntry>, pages: Pages, parts: Buffer[], flags: number): Steps<Child[]> {
  const leaves: Child[] = [];
  let batch: BoltEntry[] = [];
  let bytes = pageHeaderBytes;
  let bytesInStep = 0;
  const write = (): void => {
    const number = pages.take(bytes);
    parts.push(page(number, pageFlags.leaf, batch.length, leafParts(batch, flags), bytes));
    leaves.push({ first: batch[0]?.key ?? Buffer.alloc(0), page: number });
  };
  for (const entry of entries) {
    const size = elementBytes + entry.key.length + entry.value.length;
    if (batch.length > 0 && (bytes + size > pageBytes || batch.length >= maxElements)) {
      write();
      bytesInStep += bytes;
      batch = [];
      bytes = pageHeaderBytes;
    }
    batch.push(entry);
    bytes += size;
    if (bytesInStep < stepBytes) continue;
    yield;
    bytesInStep = 0;
  }
  write();
  return leaves;
}

function leafParts(batch: readonly BoltEntry[], flags: number): Buffer[] {
  const elements = Buffer.alloc(batch.length * elementBytes);
  const content: Buffer[] = [];
  let at = elements.length;
  for (const [index, { key, value }] of batch.entries()) {
    const element = index * elementBytes;
    elements.writeUInt32LE(flags, element);
    // Positions count from the element itself.
    elements.writeUInt32LE(at - element, element + 4);
    elements.writeUInt32LE(key.length, element + 8);
    elements.writeUInt32LE(value.length, element + 12);
    content.push(key, value);
    at += key.length + value.length;
  }
  return [elements, ...content];
}

function* writeBranches(children: readonly Child[], pages: Pages, parts: Buffer[]): Generator<Child> {
  let batch: Child[] = [];
  let bytes = pageHeaderBytes;
  const write = (): Child => {
    const number = pages.take(bytes);
    parts.push(page(number, pageFlags.branch, batch.length, branchParts(batch), bytes));
    return { first: (batch[0] as Child).first, page: number };
  };
  for (const child of children) {
    const size = elementBytes + child.first.length;
    // A branch has two children at least, or the tree would never end.
    if (batch.length > 1 && bytes + size > pageBytes) {
      yield write();
      batch = [];
      bytes = pageHeaderBytes;
    }
    batch.push(child);
    bytes += size;
  }
  yield write();
}

function branchParts(batch: readonly Child[]): Buffer[] {
  const elements = Buffer.alloc(batch.length * elementBytes);
  const keys: Buffer[] = [];
  let at = elements.length;
  for (const [index, { first, page: number }] of batch.entries()) {
    const element = index * elementBytes;
    elements.writeUInt32LE(at - element, element);
    elements.writeUInt32LE(first.length, element + 4);
    elements.writeBigUInt64LE(BigInt(number), element + 8);
    keys.push(first);
    at += first.length;
  }
  return [elements, ...keys];
}

/** @param bytes of its content with the header; what is left of its last page is zero */
function page(number: number, flags: number, count: number, content: readonly Buffer[], bytes = pageHeaderBytes): Buffer {
  const whole = Math.ceil(bytes / pageBytes);
  const buffer = Buffer.alloc(whole * pageBytes);
  buffer.writeBigUInt64LE(BigInt(number), 0);
  buffer.writeUInt16LE(flags, 8);
  buffer.writeUInt16LE(count, 10);
  buffer.writeUInt32LE(whole - 1, 12);
  let at = pageHeaderBytes;
  for (const part of content) at += part.copy(buffer, at);
  return buffer;
}

function metaPage(number: 0 | 1, root: number, pageCount: number): Buffer {
  const meta = Buffer.alloc(metaBytes + 8);
  meta.writeUInt32LE(boltMagic, 0);
  meta.writeUInt32LE(boltVersion, 4);
  meta.writeUInt32LE(pageBytes, 8);
  meta.writeBigUInt64LE(BigInt(root), 16);
  meta.writeBigUInt64LE(2n, 32);
  meta.writeBigUInt64LE(BigInt(pageCount), 40);
  // The meta page of the newer transaction counts.
  meta.writeBigUInt64LE(BigInt(number), 48);
  meta.writeBigUInt64LE(fnv1a(meta.subarray(0, metaBytes)), metaBytes);
  return page(number, pageFlags.meta, 0, [meta]);
}

const bucketValue = (root: number): Buffer => {
  const value = Buffer.alloc(16);
  value.writeBigUInt64LE(BigInt(root), 0);
  return value;
};

/** FNV-1a of 64 bits, the checksum of meta pages. */
export function fnv1a(bytes: Buffer): bigint {
  let hash = 0xcbf29ce484222325n;
  for (const byte of bytes) hash = ((hash ^ BigInt(byte)) * 0x100000001b3n) & 0xffffffffffffffffn;
  return hash;
}
