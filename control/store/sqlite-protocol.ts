/** The messages between the store's main thread and its worker thread. They survive a structured clone. */
import { errorText } from '#api/error-text.ts';
import { LeaseNotFoundError, StoreError, type StoreErrorCode } from './errors.ts';
import type { StoreNote } from './recovery.ts';
import type { RangeOptions, RangeResult, StoreEntry, StoreEvent, WriteResult } from './store.ts';
import { CompactedError, FutureRevisionError } from './store.ts';
import type { Transaction, TransactionResult } from './transaction.ts';

/** Writes a key. */
export interface PutOperation {
  op: 'put';
  key: string;
  value: Uint8Array;
  expectedRevision: number | undefined;
  lease: number;
}
/** Deletes a key. */
export interface DeleteOperation {
  op: 'delete';
  key: string;
  expectedRevision: number | undefined;
}
/** The operations that change the database. They share commits. */
export type WriteOperation =
  | PutOperation
  | DeleteOperation
  | { op: 'grant'; ttlSeconds: number; id?: number | undefined }
  | { op: 'transact'; transaction: Transaction }
  | { op: 'revoke'; lease: number };

/** Reads the part of the log from after `after` up to `through`, to replay it to a watcher. */
export interface ChangesOperation {
  op: 'changes';
  prefix: string;
  after: number;
  through: number;
}
/** The operations that only read. */
export type ReadOperation = { op: 'get'; key: string; revision: number } | ({ op: 'range' } & RangeOptions) | ChangesOperation;

/** All operations of the worker. */
export type Operation = WriteOperation | ReadOperation | { op: 'compact'; revision: number } | { op: 'close' };

/** The result of {@link ChangesOperation}. */
export interface ChangesResult {
  events: StoreEvent[];
  /** Everything up to this revision is in `events`. It is less than asked for when the part was too large for one reply. */
  through: number;
}
/** The result of a get. */
export interface GetResult {
  revision: number;
  entry: StoreEntry | undefined;
}
/** The result of revoking a lease. */
export interface RevokeResult {
  /** The keys that were deleted with the lease. Each deletion has its own revision. */
  deleted: { revision: number; entry: StoreEntry }[];
}
/** The result of each operation. */
export interface Results {
  put: WriteResult;
  delete: WriteResult;
  grant: number;
  transact: TransactionResult;
  revoke: RevokeResult;
  get: GetResult;
  range: RangeResult;
  changes: ChangesResult;
  compact: undefined;
  close: undefined;
}

/** An operation with the id of its reply. */
export interface Request {
  id: number;
  operation: Operation;
}
/** The requests of one turn of the event loop. */
export type ToWorker = Request[];

/** The reply to a request. */
export type Reply = { id: number; result: Results[keyof Results] } | { id: number; error: WireError };

/** The messages of the worker. */
export type FromWorker =
  | {
      kind: 'opened';
      revision: number;
      compactRevision: number;
      sizeBytes: number;
      leases: { id: number; ttlSeconds: number }[];
      notes: StoreNote[];
    }
  | { kind: 'refused'; error: WireError }
  /** The reason why writes fail from now on. Undefined: they succeed again. */
  | { kind: 'health'; problem: string | undefined }
  | { kind: 'note'; note: StoreNote }
  /** Replies in the order of their revisions. Their writes are on disk. */
  | { kind: 'replies'; replies: Reply[]; revision: number; compactRevision: number; sizeBytes: number };

/** An error as plain data. A structured clone drops the class of an error; this keeps what callers test. */
export type WireError =
  | { kind: 'compacted'; compactRevision: number }
  | { kind: 'future'; currentRevision: number }
  | { kind: 'lease'; lease: number }
  | { kind: 'store'; code: StoreErrorCode; message: string }
  | { kind: 'other'; message: string };

/** Converts an error for sending. The inverse of {@link fromWire}. */
export function toWire(error: unknown): WireError {
  if (error instanceof CompactedError) return { kind: 'compacted', compactRevision: error.compactRevision };
  if (error instanceof FutureRevisionError) return { kind: 'future', currentRevision: error.currentRevision };
  if (error instanceof LeaseNotFoundError) return { kind: 'lease', lease: error.lease };
  if (error instanceof StoreError) return { kind: 'store', code: error.code, message: error.message };
  return { kind: 'other', message: errorText(error) };
}

/** Restores an error with its class. */
export function fromWire(error: WireError): Error {
  switch (error.kind) {
    case 'compacted':
      return new CompactedError(error.compactRevision);
    case 'future':
      return new FutureRevisionError(error.currentRevision);
    case 'lease':
      return new LeaseNotFoundError(error.lease);
    case 'store':
      return new StoreError(error.code, error.message);
    case 'other':
      return new Error(error.message);
  }
}
