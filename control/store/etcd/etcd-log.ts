/**
 * Reads etcd's changes in order, from a revision on. It watches all keys, whoever wrote them: then each revision has a change, and a
 * revision that is missing has been compacted. So nothing is lost unnoticed, whatever the member, its version or the moment
 * (etcd 3.4 may skip a deletion at the compacted revision, and may report progress too early).
 */
import { type ServiceError } from '@grpc/grpc-js';
import { StoreError } from '../errors.ts';
import type { StoreEvent } from '../store.ts';
import { CompactedError } from '../store.ts';
import type { EtcdConnection } from './etcd-connection.ts';
import { serviceErrorOf, toStoreError } from './etcd-errors.ts';
import { type EtcdKeys, everything } from './etcd-keys.ts';
import type { WatchEvent, WatchResponse } from './etcd-proto.ts';

/** The changes of one or more whole revisions. */
export interface LogPart {
  events: StoreEvent[];
  /** All changes up to this revision have been given. */
  through: number;
}

/** How long a member may take to begin. */
const createMs = 3_000;

interface WatchRequest {
  createRequest: { key: Buffer; rangeEnd: Buffer; startRevision: number; prevKv: boolean; fragment: boolean };
}

/**
 * All changes after a revision, from one member, until `signal` aborts.
 * @throws CompactedError when changes are missing; its revision is 0 where etcd does not say it
 * @throws StoreError `unavailable` when the stream breaks: go on after the last revision that came
 */
export async function* readChanges(
  connection: EtcdConnection,
  keys: EtcdKeys,
  after: number,
  signal: AbortSignal,
): AsyncGenerator<LogPart, void, undefined> {
  const { call, suspect } = await connection.stream<WatchRequest, WatchResponse>('Watch', 'Watch');
  let hasBegun = false;
  const late = setTimeout(() => !hasBegun && call.cancel(), createMs);
  const abort = (): void => call.cancel();
  if (signal.aborted) abort();
  else signal.addEventListener('abort', abort, { once: true });
  try {
    call.write({
      createRequest: { key: everything, rangeEnd: everything, startRevision: after + 1, prevKv: true, fragment: true },
    });
    let position = after;
    let pending: WatchEvent[] = [];
    for await (const response of call as AsyncIterable<WatchResponse>) {
      hasBegun = true;
      clearTimeout(late);
      if (response.compactRevision > 0) throw new CompactedError(response.compactRevision);
      if (response.canceled) throw new StoreError('unavailable', `etcd ended a watch: ${response.cancelReason}`);
      pending.push(...response.events);
      if (response.fragment || pending.length === 0) continue;
      const part = toPart(pending, position, keys);
      pending = [];
      position = part.through;
      yield part;
    }
    if (!signal.aborted) throw new StoreError('unavailable', `${connection.where} ended a watch`);
  } catch (error) {
    if (signal.aborted) return;
    const failure: ServiceError | undefined = serviceErrorOf(error);
    if (!(error instanceof CompactedError)) suspect();
    throw failure === undefined ? error : toStoreError(failure, connection.where);
  } finally {
    clearTimeout(late);
    signal.removeEventListener('abort', abort);
    // A cancelled stream still reports its end; nobody reads it any more.
    call.on('error', () => undefined);
    call.cancel();
  }
}

function toPart(changes: readonly WatchEvent[], after: number, keys: EtcdKeys): LogPart {
  const events: StoreEvent[] = [];
  let through = after;
  for (const change of changes) {
    const revision = change.kv.modRevision;
    if (revision !== through && revision !== through + 1) throw new CompactedError(0);
    through = revision;
    const event = toEvent(change, keys);
    if (event !== undefined) events.push(event);
  }
  return { events, through };
}

/** @returns undefined for a key that the store has no name for @throws CompactedError when the state before is gone */
function toEvent({ type, kv, prevKv }: WatchEvent, keys: EtcdKeys): StoreEvent | undefined {
  const key = keys.named(kv.key);
  if (key === undefined) return undefined;
  const previous = prevKv === null ? undefined : keys.entry(key, prevKv);
  const isCreation = type === 'PUT' && kv.version === 1;
  if (previous === undefined && !isCreation) throw new CompactedError(0);
  const revision = kv.modRevision;
  if (type === 'PUT') return { type: 'put', revision, entry: keys.entry(key, kv), previous };
  return previous === undefined ? undefined : { type: 'delete', revision, entry: previous, previous: undefined };
}

/**
 * The newest compaction, which members tell only to a watch that begins too early.
 * @throws StoreError `unavailable`, also when nothing has been compacted yet
 */
export async function askCompactRevision(connection: EtcdConnection): Promise<number> {
  const { call } = await connection.stream<WatchRequest, WatchResponse>('Watch', 'Watch');
  const late = setTimeout(() => call.cancel(), createMs);
  try {
    // A key that is not there: nothing else comes.
    const key = Buffer.from('\0compaction', 'utf8');
    call.write({ createRequest: { key, rangeEnd: Buffer.alloc(0), startRevision: 1, prevKv: false, fragment: false } });
    for await (const response of call as AsyncIterable<WatchResponse>)
      if (response.compactRevision > 0) return response.compactRevision;
    throw new StoreError('unavailable', `${connection.where} does not tell its compaction`);
  } catch (error) {
    const failure = serviceErrorOf(error);
    if (failure === undefined) throw error;
    throw toStoreError(failure, connection.where);
  } finally {
    clearTimeout(late);
    call.on('error', () => undefined);
    call.cancel();
  }
}
