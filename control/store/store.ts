/**
 * The store, with etcd's model: one flat space of keys, one revision counter for all keys, compare-and-set on a key's revision,
 * ranges at a revision, watches from a revision, compaction, leases.
 *
 * Source: etcd.io, API guarantees; kine `pkg/server/types.go` for the shape.
 */

/** A key with its value, at one revision. */
export interface StoreEntry {
  key: string;
  value: Uint8Array;
  /** Revision of the write that created the key. */
  createRevision: number;
  /** Revision of the last write of the key. */
  modRevision: number;
  /** Number of writes since the key was created, from 1. */
  version: number;
  /** The lease of the key; 0: none. */
  lease: number;
}

/** One change of a key. */
export interface StoreEvent {
  type: 'put' | 'delete';
  /** The revision of the change. For a delete, `entry` is the last state, with its own modRevision. */
  revision: number;
  entry: StoreEntry;
  /** The state before a put. Undefined for a creation. */
  previous: StoreEntry | undefined;
}

/** Selects keys to read. */
export interface RangeOptions {
  prefix: string;
  /** Reads the state at this revision. 0 or absent: the current one. @throws CompactedError @throws FutureRevisionError */
  revision?: number | undefined;
  /** Reads only keys from this one on. The next page begins at the last key + '\0'. */
  startKey?: string | undefined;
  /** Reads only keys before this one. */
  endKey?: string | undefined;
  /** Maximum number of entries. 0 or absent: no limit. */
  limit?: number | undefined;
}

/** The result of a range. */
export interface RangeResult {
  /** The revision at which the range was read. */
  revision: number;
  entries: StoreEntry[];
  /** Whether `limit` has cut the result. */
  more: boolean;
  /** Number of keys in the whole range from `startKey` to before `endKey` at that revision, without `limit` (as etcd counts). */
  count: number;
}

/** The result of a compare-and-set write. */
export type WriteResult =
  | { kind: 'ok'; revision: number; previous: StoreEntry | undefined }
  /** The key's modRevision was not the expected one. `current` is the present entry; undefined when the key does not exist. */
  | { kind: 'conflict'; revision: number; current: StoreEntry | undefined };

/** Options of a put. */
export interface PutOptions {
  /** The modRevision that the key must have. 0: the key must not exist. Absent: no condition. */
  expectedRevision?: number | undefined;
  /** A lease that the key gets. Absent: the key has none after the put. */
  lease?: number | undefined;
}

/** The requested revision is before {@link Store.compactRevision}. */
export class CompactedError extends Error {
  readonly compactRevision: number;
  constructor(compactRevision: number) {
    super('the required revision has been compacted');
    this.name = 'CompactedError';
    this.compactRevision = compactRevision;
  }
}

/** The requested revision is in the future. */
export class FutureRevisionError extends Error {
  readonly currentRevision: number;
  constructor(currentRevision: number) {
    super('the required revision is a future revision');
    this.name = 'FutureRevisionError';
    this.currentRevision = currentRevision;
  }
}

/** The store of the API server. Every implementation passes `store.contract.ts`. Keys are compared by their UTF-8 bytes. */
export interface Store {
  /**
   * The newest durable revision, read after this call: at least that of every write that any process got acknowledged before. It
   * may take a network round trip, so callers share its result. Open watches report progress up to this revision without another
   * write. There is no deadline here; the caller sets one. A store that knows the revision answers at once, without a promise.
   * @throws StoreError `unavailable` or `closed`, as a rejection
   */
  currentRevision(): number | Promise<number>;
  /** The newest compaction that this process knows of. Another process may have compacted further. */
  compactRevision(): number;
  /** Reads one key at a revision (0 or absent: the current one). @throws CompactedError @throws FutureRevisionError */
  get(key: string, revision?: number): Promise<{ revision: number; entry: StoreEntry | undefined }>;
  /**
   * Reads the keys with a prefix, in the order of their bytes, at one revision. @throws CompactedError @throws
   * FutureRevisionError
   */
  range(options: RangeOptions): Promise<RangeResult>;
  /**
   * Writes a key. Resolves when the write is durable (fsync), never before. Compare-and-set holds among all processes that write
   * to the store.
   * @throws StoreError `unavailable`: the write may have happened, or may still happen. Any other error: it has not
   * @throws LeaseNotFoundError for an unknown lease
   */
  put(key: string, value: Uint8Array, options?: PutOptions): Promise<WriteResult>;
  /**
   * Deletes a key. Durability and errors are those of {@link put}. Deleting an absent key without an expected revision succeeds.
   */
  delete(key: string, options?: { expectedRevision?: number | undefined }): Promise<WriteResult>;
  /**
   * All changes under `prefix` with a revision above `afterRevision`, in order, each exactly once. A revision is never split over
   * two batches. An empty batch reports that everything up to `progressRevision` was delivered. The watch ends when `signal`
   * aborts or the store is closed. @throws CompactedError when `afterRevision` is below the compaction
   */
  watch(
    prefix: string,
    afterRevision: number,
    signal: AbortSignal,
  ): AsyncIterable<{ events: StoreEvent[]; progressRevision: number }>;
  /**
   * Compacts: deletes states that were overwritten or deleted at or before `revision`. Reads of earlier revisions then fail.
   * @throws CompactedError when this revision is compacted already @throws FutureRevisionError
   */
  compact(revision: number): Promise<void>;
  /**
   * Grants a lease. @param ttlSeconds keys with the lease are deleted when it was not renewed for this time @returns the lease's
   * id
   */
  grantLease(ttlSeconds: number): Promise<number>;
  /** Starts the TTL of a lease again. @throws LeaseNotFoundError */
  renewLease(lease: number): Promise<void>;
  /** Deletes a lease and its keys. @throws LeaseNotFoundError */
  revokeLease(lease: number): Promise<void>;
  /**
   * Why writes fail at present while reads still work. Undefined when they succeed. The store detects a recovery by itself,
   * without a write of a client.
   */
  problem(): string | undefined;
  /**
   * Whether the value of a key is stored in a form that would be another one now (encrypted with another key), so that it is worth to write
   * it again. Absent: it never is.
   */
  isStale?(key: string): Promise<boolean>;
  /** The key under which a value really stands, to which encryption binds it. Absent: the same. */
  storedKey?(key: string): string;
  /** Whether other processes may write to it. Absent: no. */
  readonly isShared?: boolean;
  /** Finishes outstanding writes, then closes. Later calls fail with `closed`. */
  close(): Promise<void>;
}
