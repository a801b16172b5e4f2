/** What the store's main side and its worker thread say to each other. Everything here survives a structured clone. */
import { errorText } from '#api/error-text.ts';
import { LeaseNotFoundError, StoreError, type StoreErrorCode } from './errors.ts';
import type { StoreNote } from './recovery.ts';
import type { RangeOptions, RangeResult, StoreEntry, StoreEvent, WriteResult } from './store.ts';
import { CompactedError, FutureRevisionError } from './store.ts';

export interface PutOperation {
  op: 'put';
  key: string;
  value: Uint8Array;
  expectedRevision: number | undefined;
  lease: number;
}
export interface DeleteOperation {
  op: 'delete';
  key: string;
  expectedRevision: number | undefined;
}
/** What changes the database; these share commits. */
export type WriteOperation =
  | PutOperation
  | DeleteOperation
  | { op: 'grant'; ttlSeconds: number }
  | { op: 'revoke'; lease: number };

/** The part of the log to replay to a watcher: after `after`, up to `through`. */
export interface ChangesOperation {
  op: 'changes';
  prefix: string;
  after: number;
  through: number;
}
export type ReadOperation = { op: 'get'; key: string; revision: number } | ({ op: 'range' } & RangeOptions) | ChangesOperation;

export type Operation = WriteOperation | ReadOperation | { op: 'compact'; revision: number } | { op: 'close' };

export interface ChangesResult {
  events: StoreEvent[];
  /** Everything up to here is in `events`; less than asked for when the part was too large for one answer. */
  through: number;
}
export interface GetResult {
  revision: number;
  entry: StoreEntry | undefined;
}
export interface RevokeResult {
  /** The keys that went with the lease, each deletion with a revision of its own. */
  deleted: { revision: number; entry: StoreEntry }[];
}
export interface Results {
  put: WriteResult;
  delete: WriteResult;
  grant: number;
  revoke: RevokeResult;
  get: GetResult;
  range: RangeResult;
  changes: ChangesResult;
  compact: undefined;
  close: undefined;
}

export interface Request {
  id: number;
  operation: Operation;
}
/** Several at once: what was asked in one turn of the event loop. */
export type ToWorker = Request[];

export type Reply = { id: number; result: Results[keyof Results] } | { id: number; error: WireError };

export type FromWorker =
  | {
      kind: 'opened';
      revision: number;
      compactRevision: number;
      leases: { id: number; ttlSeconds: number }[];
      notes: StoreNote[];
    }
  | { kind: 'refused'; error: WireError }
  /** Why writes fail from now on, or that they succeed again (undefined). */
  | { kind: 'health'; problem: string | undefined }
  | { kind: 'note'; note: StoreNote }
  /** Replies in the order of the revisions they made; all of it is on disk. */
  | { kind: 'replies'; replies: Reply[]; revision: number; compactRevision: number };

/** Errors lose their class in a structured clone; this keeps what callers distinguish. */
export type WireError =
  | { kind: 'compacted'; compactRevision: number }
  | { kind: 'future'; currentRevision: number }
  | { kind: 'lease'; lease: number }
  | { kind: 'store'; code: StoreErrorCode; message: string }
  | { kind: 'other'; message: string };

export function toWire(error: unknown): WireError {
  if (error instanceof CompactedError) return { kind: 'compacted', compactRevision: error.compactRevision };
  if (error instanceof FutureRevisionError) return { kind: 'future', currentRevision: error.currentRevision };
  if (error instanceof LeaseNotFoundError) return { kind: 'lease', lease: error.lease };
  if (error instanceof StoreError) return { kind: 'store', code: error.code, message: error.message };
  return { kind: 'other', message: errorText(error) };
}

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
