/** Several changes that happen together or not at all, as etcd's `Txn` has them; the embedded store offers them besides {@link Store}. */
import type { RangeResult, Store, StoreEntry, StoreEvent } from './store.ts';

/** Keys from `from` to before `to`; `to` absent: without an end. */
export interface KeySpan {
  from: string;
  to: string | undefined;
}

/** A condition on all keys of a span. A single key that is not there has 0 in every number, and no value. */
export interface Comparison {
  span: KeySpan;
  /** Whether the span is one key. */
  isSingle: boolean;
  target: 'VERSION' | 'CREATE' | 'MOD' | 'VALUE' | 'LEASE';
  result: 'EQUAL' | 'GREATER' | 'LESS' | 'NOT_EQUAL';
  wanted: number | Uint8Array;
}

/** One step. */
export type TransactionStep =
  | { op: 'range'; span: KeySpan; limit: number; revision: number }
  | { op: 'put'; key: string; value: Uint8Array; lease: number }
  | { op: 'delete'; span: KeySpan };

/** What is done when all comparisons hold, and what otherwise. */
export interface Transaction {
  comparisons: readonly Comparison[];
  success: readonly TransactionStep[];
  failure: readonly TransactionStep[];
}

/** The result of one step. */
export type StepResult =
  | { op: 'range'; range: RangeResult }
  | { op: 'put'; previous: StoreEntry | undefined }
  | { op: 'delete'; deleted: StoreEntry[] };

/** What became of a transaction. */
export interface TransactionResult {
  /** The newest revision after it. Each changed key has a revision of its own, in the order of the steps: in etcd they share one. */
  revision: number;
  succeeded: boolean;
  results: StepResult[];
  events: StoreEvent[];
}

/** A lease that has not expired. */
export interface GrantedLease {
  id: number;
  ttlSeconds: number;
  remainingMs: number;
}

/** The embedded store, with what only a store of our own can offer. */
export interface EmbeddedStore extends Store {
  /** @throws LeaseNotFoundError, CompactedError, FutureRevisionError: nothing has happened @throws StoreError */
  transact(transaction: Transaction): Promise<TransactionResult>;
  /** @param id chosen by the caller; absent: the store chooses @throws RangeError when a lease has this id */
  grantLease(ttlSeconds: number, id?: number): Promise<number>;
  /** All leases. */
  leases(): GrantedLease[];
  /** The size of the database in bytes. */
  sizeBytes(): number;
}

/** Whether a comparison holds. @param entries those of its span */
export function holds({ isSingle, target, result, wanted }: Comparison, entries: readonly StoreEntry[]): boolean {
  if (entries.length > 0) return entries.every((entry) => isAsWanted(valueOf(entry, target), wanted, result));
  // A key that is not there has no value, which is not an empty one either.
  return target !== 'VALUE' && (!isSingle || isAsWanted(0, wanted, result));
}

function valueOf(entry: StoreEntry, target: Comparison['target']): number | Uint8Array {
  const values = {
    VERSION: entry.version,
    CREATE: entry.createRevision,
    MOD: entry.modRevision,
    VALUE: entry.value,
    LEASE: entry.lease,
  };
  return values[target];
}

function isAsWanted(actual: number | Uint8Array, wanted: number | Uint8Array, result: Comparison['result']): boolean {
  const order = typeof actual === 'number' ? actual - Number(wanted) : Buffer.compare(actual, wanted as Uint8Array);
  return { EQUAL: order === 0, NOT_EQUAL: order !== 0, GREATER: order > 0, LESS: order < 0 }[result];
}
