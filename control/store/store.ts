/**
 * The store: etcd's model. Keys in one flat space, one revision counter for all of them, compare-and-set on a key's
 * revision, ranges at a revision, watches from a revision, compaction, leases.
 *
 * Source: etcd.io, API guarantees; kine `pkg/server/types.go` for the shape.
 */

export interface StoreEntry {
  key: string;
  value: Uint8Array;
  createRevision: number;
  modRevision: number;
  /** Changes since creation, from 1. */
  version: number;
  /** 0: none. */
  lease: number;
}

export interface StoreEvent {
  type: 'put' | 'delete';
  /** The revision of the change; for a delete `entry` is the last state, with its own modRevision. */
  revision: number;
  entry: StoreEntry;
  /** The state before a put; absent for a creation. */
  previous: StoreEntry | undefined;
}

export interface RangeOptions {
  prefix: string;
  /** Read the state at this revision; 0 or absent: the current one. @throws CompactedError */
  revision?: number | undefined;
  /** Keys at or after this one (for paging: last key + '\0'). */
  startKey?: string | undefined;
  limit?: number | undefined;
}

export interface RangeResult {
  /** The revision at which the range was read. */
  revision: number;
  entries: StoreEntry[];
  /** Whether `limit` cut the result. */
  more: boolean;
  /** Number of keys at that revision in the whole range from `startKey` on, whatever `limit` (as etcd counts). */
  count: number;
}

export type WriteResult =
  | { kind: 'ok'; revision: number; previous: StoreEntry | undefined }
  /** The key's modRevision was not the expected one; `current` is what is there. */
  | { kind: 'conflict'; revision: number; current: StoreEntry | undefined };

export interface PutOptions {
  /** The key's modRevision must be this; 0: the key must not exist; absent: unconditional. */
  expectedRevision?: number | undefined;
  lease?: number | undefined;
}

/** The revision asked for is before {@link Store.compactRevision}. */
export class CompactedError extends Error {
  readonly compactRevision: number;
  constructor(compactRevision: number) {
    super('the required revision has been compacted');
    this.name = 'CompactedError';
    this.compactRevision = compactRevision;
  }
}

/** The revision asked for lies in the future. */
export class FutureRevisionError extends Error {
  readonly currentRevision: number;
  constructor(currentRevision: number) {
    super('the required revision is a future revision');
    this.name = 'FutureRevisionError';
    this.currentRevision = currentRevision;
  }
}

export interface Store {
  /**
   * The newest revision that is durable, read after this call: at least that of every write acknowledged before it, by whatever process.
   * It may take a round trip over a network, so callers share it. A watch that is open gets a progress up to this revision, without
   * another write. The caller sets the deadline.
   * @throws StoreError `unavailable` or `closed`
   */
  currentRevision(): Promise<number>;
  /** The newest compaction that this process knows of; another process may have compacted further. */
  compactRevision(): number;
  get(key: string, revision?: number): Promise<{ revision: number; entry: StoreEntry | undefined }>;
  range(options: RangeOptions): Promise<RangeResult>;
  /**
   * Resolves when the write is durable (fsync), never before. Compare-and-set holds among all processes that write to the store.
   * @throws StoreError `unavailable`: the write may have happened, or may still happen; any other: it has not
   */
  put(key: string, value: Uint8Array, options?: PutOptions): Promise<WriteResult>;
  delete(key: string, options?: { expectedRevision?: number | undefined }): Promise<WriteResult>;
  /**
   * All changes under `prefix` with a revision above `afterRevision`, in order, each once, without a gap; batches hold
   * whole revisions. An empty batch tells that everything up to `progressRevision` has been delivered.
   * Ends when `signal` aborts or the store is closed. @throws CompactedError when `afterRevision` is below the compaction
   */
  watch(
    prefix: string,
    afterRevision: number,
    signal: AbortSignal,
  ): AsyncIterable<{ events: StoreEvent[]; progressRevision: number }>;
  /**
   * Forgets what was overwritten or deleted at or before `revision`; reads below it then fail.
   * @throws CompactedError when that has been done already @throws FutureRevisionError
   */
  compact(revision: number): Promise<void>;
  /** @param ttlSeconds keys that carry the lease are deleted when it has not been renewed for this long */
  grantLease(ttlSeconds: number): Promise<number>;
  renewLease(lease: number): Promise<void>;
  revokeLease(lease: number): Promise<void>;
  /** Why writes fail at the moment, reads going on; undefined: they succeed. It is put right without anybody writing. */
  problem(): string | undefined;
  /** Writes outstanding are finished first. */
  close(): Promise<void>;
}
