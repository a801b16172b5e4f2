/** etcd's KV service over the embedded store. */
import { status } from '@grpc/grpc-js';
import type { KeyValue } from '../etcd/etcd-proto.ts';
import type { RangeResult, StoreEntry } from '../store.ts';
import type { Comparison, EmbeddedStore, KeySpan, StepResult, TransactionStep } from '../transaction.ts';
import type { Answers } from './answers.ts';
import { checkKey, keyText, refusal } from './refusals.ts';
import { spanOf } from './spans.ts';

/** etcd's defaults: `--max-request-bytes`, `--max-txn-ops`. */
const maxRequestBytes = 1.5 * (1 << 20);
const maxSteps = 128;

interface Range {
  key: Buffer;
  rangeEnd: Buffer;
  limit: number;
  revision: number;
  sortOrder: 'NONE' | 'ASCEND' | 'DESCEND';
  sortTarget: 'KEY' | 'VERSION' | 'CREATE' | 'MOD' | 'VALUE';
  keysOnly: boolean;
  countOnly: boolean;
  minModRevision: number;
  maxModRevision: number;
  minCreateRevision: number;
  maxCreateRevision: number;
}
interface Put {
  key: Buffer;
  value: Buffer;
  lease: number;
  prevKv: boolean;
  ignoreValue: boolean;
  ignoreLease: boolean;
}
interface DeleteRange {
  key: Buffer;
  rangeEnd: Buffer;
  prevKv: boolean;
}
interface RequestOp {
  requestRange?: Range | null;
  requestPut?: Put | null;
  requestDeleteRange?: DeleteRange | null;
  requestTxn?: object | null;
}
interface Compare {
  result: Comparison['result'];
  target: Comparison['target'];
  key: Buffer;
  rangeEnd: Buffer;
  version?: number;
  createRevision?: number;
  modRevision?: number;
  value?: Buffer;
  lease?: number;
}
interface Txn {
  compare: Compare[];
  success: RequestOp[];
  failure: RequestOp[];
}

/** @returns the methods of the service, by name */
export function kvService(store: EmbeddedStore, answers: Answers) {
  return {
    Range: async (request: Range): Promise<object> => {
      const span = spanOf(request.key, request.rangeEnd);
      const result = await store.range(rangeOptions(request, span));
      return { header: await answers.header(), ...rangeAnswer(request, result) };
    },

    Put: async (request: Put): Promise<object> => {
      const put = await completed(store, request);
      const { revision, results } = await store.transact({ comparisons: put.comparisons, success: [put.step], failure: [] });
      const [result] = results;
      // Another write came between the reading of what shall stay and this one.
      if (result === undefined) throw refusal(status.UNAVAILABLE, 'etcdserver: the key was changed meanwhile: try again');
      return { header: await answers.header(revision), ...putAnswer(request, result) };
    },

    DeleteRange: async (request: DeleteRange): Promise<object> => {
      const step: TransactionStep = { op: 'delete', span: spanOf(request.key, request.rangeEnd) };
      const { revision, results } = await store.transact({ comparisons: [], success: [step], failure: [] });
      return { header: await answers.header(revision), ...deleteAnswer(request, results[0]) };
    },

    Txn: async ({ compare, success, failure }: Txn): Promise<object> => {
      if (Math.max(compare.length, success.length, failure.length) > maxSteps)
        throw refusal(status.INVALID_ARGUMENT, 'etcdserver: too many operations in txn request');
      const transaction = { comparisons: compare.map(toComparison), success: toSteps(success), failure: toSteps(failure) };
      const { revision, succeeded, results } = await store.transact(transaction);
      const asked = succeeded ? success : failure;
      const responses = results.map((result, index) => toResponse(asked[index] ?? {}, result));
      return { header: await answers.header(revision), succeeded, responses };
    },

    Compact: async ({ revision }: { revision: number }): Promise<object> => {
      await store.compact(revision);
      return { header: await answers.header() };
    },
  };
}

/** Filters and orders need all of the range; a count needs one key, and the store counts the rest. */
function rangeOptions(request: Range, { from, to }: KeySpan) {
  const limit = request.countOnly ? 1 : isPlain(request) ? request.limit : 0;
  return { prefix: '', startKey: from, endKey: to, limit, revision: request.revision };
}

const isPlain = (request: Range): boolean =>
  request.sortOrder !== 'DESCEND' && (request.sortTarget === 'KEY' || request.sortOrder === 'NONE') && !hasFilter(request);

const hasFilter = (request: Range): boolean =>
  Math.max(request.minModRevision, request.maxModRevision, request.minCreateRevision, request.maxCreateRevision) > 0;

function rangeAnswer(request: Range, { entries, more, count }: RangeResult): object {
  if (request.countOnly) return { kvs: [], more: false, count };
  if (isPlain(request)) return { kvs: entries.map((entry) => toKeyValue(entry, request.keysOnly)), more, count };
  const chosen = entries.filter((entry) => isChosen(request, entry)).sort(orderOf(request));
  const page = request.limit > 0 ? chosen.slice(0, request.limit) : chosen;
  return { kvs: page.map((entry) => toKeyValue(entry, request.keysOnly)), more: page.length < chosen.length, count };
}

function isChosen(request: Range, { modRevision, createRevision }: StoreEntry): boolean {
  const within = (value: number, min: number, max: number): boolean => value >= min && (max === 0 || value <= max);
  return (
    within(modRevision, request.minModRevision, request.maxModRevision) &&
    within(createRevision, request.minCreateRevision, request.maxCreateRevision)
  );
}

function orderOf({ sortOrder, sortTarget }: Range): (a: StoreEntry, b: StoreEntry) => number {
  const by: Record<Range['sortTarget'], (a: StoreEntry, b: StoreEntry) => number> = {
    KEY: (a, b) => Buffer.compare(Buffer.from(a.key), Buffer.from(b.key)),
    VERSION: (a, b) => a.version - b.version,
    CREATE: (a, b) => a.createRevision - b.createRevision,
    MOD: (a, b) => a.modRevision - b.modRevision,
    VALUE: (a, b) => Buffer.compare(a.value, b.value),
  };
  const order = by[sortTarget];
  if (sortOrder === 'NONE') return () => 0;
  return sortOrder === 'DESCEND' ? (a, b) => order(b, a) : order;
}

/** An entry as etcd sends it. */
export function toKeyValue(entry: StoreEntry, keysOnly = false): KeyValue {
  const { key, value, ...rest } = entry;
  return { ...rest, key: Buffer.from(key), value: keysOnly ? Buffer.alloc(0) : Buffer.from(value) };
}

/** A put that keeps the value or the lease takes them from the present entry, and is done only if that has not changed. */
async function completed(store: EmbeddedStore, put: Put): Promise<{ step: TransactionStep; comparisons: Comparison[] }> {
  checkPut(put);
  if (!put.ignoreValue && !put.ignoreLease) return { step: putStep(put), comparisons: [] };
  const key = keyText(put.key);
  const { entry } = await store.get(key);
  if (entry === undefined) throw refusal(status.INVALID_ARGUMENT, 'etcdserver: key not found');
  const value = put.ignoreValue ? Buffer.from(entry.value) : put.value;
  const span = spanOf(put.key, Buffer.alloc(0));
  return {
    step: putStep({ ...put, value, lease: put.ignoreLease ? entry.lease : put.lease }),
    comparisons: [{ span, isSingle: true, target: 'MOD', result: 'EQUAL', wanted: entry.modRevision }],
  };
}

function checkPut({ key, value, lease, ignoreValue, ignoreLease }: Put): void {
  checkKey(key);
  if (ignoreValue && value.length > 0) throw refusal(status.INVALID_ARGUMENT, 'etcdserver: value is provided');
  if (ignoreLease && lease !== 0) throw refusal(status.INVALID_ARGUMENT, 'etcdserver: lease is provided');
  if (key.length + value.length > maxRequestBytes) throw refusal(status.INVALID_ARGUMENT, 'etcdserver: request is too large');
}

const putStep = ({ key, value, lease }: Put): TransactionStep => ({ op: 'put', key: keyText(key), value, lease });

function toSteps(requests: readonly RequestOp[]): TransactionStep[] {
  const written = new Set<string>();
  return requests.map(({ requestRange, requestPut, requestDeleteRange }) => {
    if (requestRange) {
      const {
        startKey: from,
        endKey: to,
        limit,
        revision,
      } = rangeOptions(requestRange, spanOf(requestRange.key, requestRange.rangeEnd));
      return { op: 'range', span: { from, to }, limit, revision };
    }
    if (requestDeleteRange) return { op: 'delete', span: spanOf(requestDeleteRange.key, requestDeleteRange.rangeEnd) };
    if (!requestPut) throw refusal(status.UNIMPLEMENTED, 'etcdserver: this store has no transactions within transactions');
    checkPut(requestPut);
    if (requestPut.ignoreValue || requestPut.ignoreLease)
      throw refusal(status.UNIMPLEMENTED, 'etcdserver: this store keeps no value or lease within a transaction');
    const step = putStep(requestPut);
    const key = keyText(requestPut.key);
    if (written.has(key)) throw refusal(status.INVALID_ARGUMENT, 'etcdserver: duplicate key given in txn request');
    written.add(key);
    return step;
  });
}

function toComparison(compare: Compare): Comparison {
  const { result, target, key, rangeEnd } = compare;
  const wanted: Record<Comparison['target'], number | Uint8Array> = {
    VERSION: compare.version ?? 0,
    CREATE: compare.createRevision ?? 0,
    MOD: compare.modRevision ?? 0,
    VALUE: compare.value ?? Buffer.alloc(0),
    LEASE: compare.lease ?? 0,
  };
  return { span: spanOf(key, rangeEnd), isSingle: rangeEnd.length === 0, target, result, wanted: wanted[target] };
}

function toResponse({ requestRange, requestPut, requestDeleteRange }: RequestOp, result: StepResult): object {
  if (requestRange && result.op === 'range') return { responseRange: rangeAnswer(requestRange, result.range) };
  if (requestPut) return { responsePut: putAnswer(requestPut, result) };
  return { responseDeleteRange: requestDeleteRange ? deleteAnswer(requestDeleteRange, result) : {} };
}

const putAnswer = ({ prevKv }: Put, result: StepResult): object =>
  prevKv && result.op === 'put' && result.previous !== undefined ? { prevKv: toKeyValue(result.previous) } : {};

function deleteAnswer({ prevKv }: DeleteRange, result: StepResult | undefined): object {
  if (result?.op !== 'delete') return { deleted: 0 };
  return { deleted: result.deleted.length, prevKvs: prevKv ? result.deleted.map((entry) => toKeyValue(entry)) : [] };
}
