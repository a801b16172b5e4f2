/** A store in an etcd cluster, which other API servers, upstream's included, may share. */
import type { Logger } from 'pino';
import { type Clock, systemClock } from '#client/clock.ts';
import { StoreError } from '../errors.ts';
import type { PutOptions, RangeOptions, RangeResult, Store, StoreEntry, StoreEvent, WriteResult } from '../store.ts';
import { CompactedError, FutureRevisionError } from '../store.ts';
import { WatchHub } from '../watch-hub.ts';
import { type CallOptions, EtcdConnection } from './etcd-connection.ts';
import type { EtcdAccess } from './etcd-endpoints.ts';
import { isCompacted, isFuture, serviceErrorOf, toStoreError } from './etcd-errors.ts';
import { EtcdFollower } from './etcd-follower.ts';
import { EtcdHealth } from './etcd-health.ts';
import { EtcdKeys, everything } from './etcd-keys.ts';
import { EtcdLeases } from './etcd-leases.ts';
import { askCompactRevision, readChanges } from './etcd-log.ts';
import type { KeyValue, RangeRequest, RangeResponse, ResponseHeader, TxnResponse } from './etcd-proto.ts';

/** The time of a request. etcd itself gives up a proposal after 7 s (5 s and two election timeouts). */
const writeMs = 10_000;
const readMs = 10_000;
/** How long one member may take for a small read before another one is asked. */
const askMs = 500;
/** A list is read in pages, so that no message is very large: the next page's keys are chosen by the size of the last one's. */
const firstPageKeys = 500;
const maxPageKeys = 5_000;
const pageBytes = 4 << 20;
/** What a watcher that has fallen behind gets at a time. */
const replayEvents = 1_000;
/** A member that sends nothing of it for so long is left. */
const replayMs = 3_000;

/** Options of a store in etcd. */
export interface EtcdStoreOptions extends EtcdAccess {
  /** `--etcd-prefix`. Default: `/registry`. */
  prefix?: string | undefined;
  clock?: Clock | undefined;
  random?: (() => number) | undefined;
  log?: Logger | undefined;
}

/**
 * Opens the store.
 * @throws StoreError `unavailable` when no member answers within 10 seconds @throws Error when an endpoint or certificate is malformed
 */
export async function createEtcdStore(options: EtcdStoreOptions): Promise<Store> {
  const { clock = systemClock, random = Math.random, log } = options;
  const connection = new EtcdConnection(options, { clock, random, log });
  const keys = new EtcdKeys(options.prefix);
  try {
    const header = await askHeader(connection, keys, readMs);
    return new EtcdStore({ connection, keys, clock, random, log }, header);
  } catch (error) {
    connection.close();
    throw failureOf(error, connection.where);
  }
}

interface Deps {
  connection: EtcdConnection;
  keys: EtcdKeys;
  clock: Clock;
  random: () => number;
  log: Logger | undefined;
}

/** A linearizable read: it goes to the leader, so the revision is that of all acknowledged writes, or later. */
async function askHeader(connection: EtcdConnection, keys: EtcdKeys, timeoutMs: number): Promise<ResponseHeader> {
  const request: RangeRequest = { key: keys.bytes('/registry/health'), countOnly: true };
  const options: CallOptions = { timeoutMs, attemptMs: askMs, isRead: true };
  return (await connection.call<RangeResponse>('KV', 'Range', request, options)).header;
}

const failureOf = (error: unknown, where: string, lease?: number): unknown => {
  const failure = serviceErrorOf(error);
  return failure === undefined ? error : toStoreError(failure, where, lease);
};

class EtcdStore implements Store {
  readonly isShared = true;
  readonly #deps: Deps;
  readonly #hub: WatchHub;
  readonly #follower: EtcdFollower;
  readonly #leases: EtcdLeases;
  readonly #health: EtcdHealth;
  readonly #clusterId: number;
  readonly #stop = new AbortController();
  readonly #running: Promise<unknown>;
  #compacted = 0;
  /** The newest revision that any answer had. */
  #newest = 0;
  #ended: StoreError | undefined;
  #closing: Promise<void> | undefined;

  constructor(deps: Deps, { revision, clusterId }: ResponseHeader) {
    this.#deps = deps;
    const { connection, keys, clock, random, log } = deps;
    this.#clusterId = clusterId;
    this.#hub = new WatchHub(revision, ({ after, through, prefix }) => this.#replay(prefix, after, through));
    const newestRevision = (): Promise<number> => this.#ask(readMs);
    this.#follower = new EtcdFollower({ connection, keys, hub: this.#hub, clock, log, newestRevision });
    this.#leases = new EtcdLeases(connection, random);
    this.#health = new EtcdHealth({ connection, clock, log, ask: (timeoutMs) => this.#ask(timeoutMs) });
    this.#running = Promise.all([this.#follower.run(this.#stop.signal), this.#health.run(this.#stop.signal)]);
  }

  async currentRevision(): Promise<number> {
    const revision = await this.#ask(readMs);
    this.#follower.expect(revision);
    return revision;
  }

  async #ask(timeoutMs: number): Promise<number> {
    const seen = Math.max(this.#newest, this.#hub.revision);
    const header = await this.#try(() => askHeader(this.#deps.connection, this.#deps.keys, timeoutMs));
    this.#checkHistory(header, seen);
    this.#saw(header);
    return header.revision;
  }

  /**
   * A cluster that was restored from a backup has another history: what is in the caches, and what clients have been told, is no part of it.
   * @throws StoreError `closed`
   */
  #checkHistory({ revision, clusterId }: ResponseHeader, seen: number): void {
    if (revision >= seen && clusterId === this.#clusterId) return;
    const what = clusterId === this.#clusterId ? `its revision went back from ${seen} to ${revision}` : 'it is another cluster';
    const message = `${this.#deps.connection.where}: ${what} (a restored backup?): start the API server anew`;
    this.#end(new StoreError('closed', message));
    throw this.#ended ?? new Error(message);
  }

  #saw({ revision }: ResponseHeader): void {
    if (revision > this.#newest) this.#newest = revision;
  }

  #end(error: StoreError): void {
    if (this.#ended !== undefined) return;
    this.#ended = error;
    this.#deps.log?.error({ err: error }, 'store: ended');
    this.#hub.end(error);
    this.#stop.abort();
  }

  compactRevision(): number {
    return this.#compacted;
  }

  problem(): string | undefined {
    return this.#ended?.message ?? this.#health.problem;
  }

  async get(key: string, revision = 0): Promise<{ revision: number; entry: StoreEntry | undefined }> {
    const { header, kvs } = await this.#range({ key: this.#deps.keys.bytes(key), revision }, askMs);
    const [kv] = kvs;
    const entry = kv === undefined ? undefined : this.#deps.keys.entry(key, kv);
    return { revision: revision === 0 ? header.revision : revision, entry };
  }

  async range({ prefix, revision = 0, startKey, endKey, limit = 0 }: RangeOptions): Promise<RangeResult> {
    const bounds = this.#deps.keys.range(prefix, startKey, endKey);
    // etcd takes an end before the beginning for an error of its own.
    if (Buffer.compare(bounds.rangeEnd, everything) !== 0 && Buffer.compare(bounds.key, bounds.rangeEnd) >= 0)
      return { revision: revision === 0 ? await this.#ask(readMs) : revision, entries: [], more: false, count: 0 };
    const entries: StoreEntry[] = [];
    const asked = { ...bounds };
    let at = revision;
    let total = 0;
    let pageKeys = firstPageKeys;
    for (let page = 0; ; page++) {
      const wanted = limit === 0 ? pageKeys : Math.min(pageKeys, limit - entries.length);
      const { header, kvs, more, count } = await this.#range({ ...asked, limit: wanted, revision: at }, readMs);
      if (at === 0) at = header.revision;
      if (page === 0) total = count;
      this.#collect(kvs, entries);
      const last = kvs.at(-1);
      if (!more || last === undefined || (limit > 0 && entries.length >= limit))
        return { revision: at, entries, more: more && limit > 0, count: total };
      asked.key = Buffer.concat([last.key, Buffer.of(0)]);
      const bytes = kvs.reduce((sum, { value }) => sum + value.length, 0);
      pageKeys = Math.max(10, Math.min(maxPageKeys, Math.floor((kvs.length * pageBytes) / Math.max(1, bytes))));
    }
  }

  #collect(kvs: readonly KeyValue[], into: StoreEntry[]): void {
    for (const kv of kvs) {
      const key = this.#deps.keys.named(kv.key);
      if (key !== undefined) into.push(this.#deps.keys.entry(key, kv));
    }
  }

  /** @throws CompactedError @throws FutureRevisionError */
  async #range(request: RangeRequest, attemptMs: number): Promise<RangeResponse> {
    const { connection } = this.#deps;
    this.#refuseWhenEnded();
    const options: CallOptions = { timeoutMs: readMs, attemptMs, isRead: true };
    try {
      const response = await connection.call<RangeResponse>('KV', 'Range', request, options);
      this.#saw(response.header);
      return response;
    } catch (error) {
      if (isCompacted(error)) throw new CompactedError(await this.#learnCompaction());
      if (isFuture(error)) throw new FutureRevisionError(await this.#ask(readMs));
      throw this.#failed(error);
    }
  }

  async put(key: string, value: Uint8Array, options: PutOptions = {}): Promise<WriteResult> {
    const { expectedRevision, lease = 0 } = options;
    const requestPut = { key: this.#deps.keys.bytes(key), value: asBuffer(value), lease, prevKv: true };
    const { header, succeeded, responses } = await this.#write(key, { requestPut }, expectedRevision, lease);
    const { revision } = header;
    const [response] = responses;
    if (!succeeded) return { kind: 'conflict', revision, current: this.#entryOf(key, response?.responseRange?.kvs[0]) };
    return { kind: 'ok', revision, previous: this.#entryOf(key, response?.responsePut?.prevKv ?? undefined) };
  }

  async delete(key: string, { expectedRevision }: { expectedRevision?: number | undefined } = {}): Promise<WriteResult> {
    const requestDeleteRange = { key: this.#deps.keys.bytes(key), prevKv: true };
    const { header, succeeded, responses } = await this.#write(key, { requestDeleteRange }, expectedRevision, 0);
    const { revision } = header;
    const [response] = responses;
    if (!succeeded) return { kind: 'conflict', revision, current: this.#entryOf(key, response?.responseRange?.kvs[0]) };
    return { kind: 'ok', revision, previous: this.#entryOf(key, response?.responseDeleteRange?.prevKvs[0]) };
  }

  #entryOf(key: string, kv: KeyValue | undefined): StoreEntry | undefined {
    return kv === undefined ? undefined : this.#deps.keys.entry(key, kv);
  }

  /** A transaction of one change; when the key is not what was expected, it reads it instead. */
  async #write(key: string, change: object, expectedRevision: number | undefined, lease: number): Promise<TxnResponse> {
    this.#refuseWhenEnded();
    const bytes = this.#deps.keys.bytes(key);
    const compare = { result: 'EQUAL', target: 'MOD', key: bytes, modRevision: expectedRevision };
    const request = {
      compare: expectedRevision === undefined ? [] : [compare],
      success: [change],
      failure: [{ requestRange: { key: bytes } }],
    };
    const options: CallOptions = { timeoutMs: writeMs, isRead: false, lease };
    const response = await this.#try(() => this.#deps.connection.call<TxnResponse>('KV', 'Txn', request, options), lease);
    this.#saw(response.header);
    return response;
  }

  /** Failures in the store's words. */
  async #try<T>(call: () => Promise<T>, lease?: number): Promise<T> {
    this.#refuseWhenEnded();
    try {
      return await call();
    } catch (error) {
      throw this.#failed(error, lease);
    }
  }

  #failed(error: unknown, lease?: number): unknown {
    if (this.#ended !== undefined) return this.#ended;
    const failure = failureOf(error, this.#deps.connection.where, lease);
    if (failure instanceof StoreError) this.#health.look();
    return failure;
  }

  #refuseWhenEnded(): void {
    if (this.#ended !== undefined) throw this.#ended;
  }

  watch(prefix: string, afterRevision: number, signal: AbortSignal): ReturnType<Store['watch']> {
    return this.#hub.watch(prefix, afterRevision, signal);
  }

  /** Reads a part of the log for a watcher that is behind. */
  async #replay(prefix: string, after: number, through: number): Promise<{ events: StoreEvent[]; through: number }> {
    if (after < this.#compacted) throw new CompactedError(this.#compacted);
    const { connection, keys, clock } = this.#deps;
    const idle = new AbortController();
    let cancel = clock.after(replayMs, () => idle.abort());
    const events: StoreEvent[] = [];
    let position = after;
    try {
      for await (const part of readChanges(connection, keys, after, AbortSignal.any([idle.signal, this.#stop.signal]))) {
        cancel();
        for (const event of part.events) if (event.revision <= through && event.entry.key.startsWith(prefix)) events.push(event);
        position = Math.min(part.through, through);
        if (position >= through || events.length >= replayEvents) break;
        cancel = clock.after(replayMs, () => idle.abort());
      }
    } catch (error) {
      if (error instanceof CompactedError) throw new CompactedError(await this.#learnCompaction());
      if (!(error instanceof StoreError)) throw this.#failed(error);
      // What came is whole; the rest is read later, from another member.
      if (position === after) await connection.pause(askMs / 2);
    } finally {
      cancel();
      idle.abort();
    }
    this.#refuseWhenEnded();
    if (position === after) await this.#refuseCompacted(after);
    return { events, through: position };
  }

  /** Nothing came: either a member was too slow, or there is nothing any more. @throws CompactedError */
  async #refuseCompacted(after: number): Promise<void> {
    const revision = await this.#learnCompaction().catch((error: unknown) => {
      if (error instanceof StoreError && error.code === 'unavailable') return 0;
      throw error;
    });
    if (after < revision) throw new CompactedError(revision);
  }

  /** Another process may have compacted. */
  async #learnCompaction(): Promise<number> {
    const revision = await this.#try(() => askCompactRevision(this.#deps.connection));
    this.#compacted = Math.max(this.#compacted, revision);
    return this.#compacted;
  }

  async compact(revision: number): Promise<void> {
    const options: CallOptions = { timeoutMs: writeMs, isRead: false };
    this.#refuseWhenEnded();
    try {
      await this.#deps.connection.call('KV', 'Compact', { revision }, options);
    } catch (error) {
      if (isCompacted(error)) throw new CompactedError(await this.#learnCompaction());
      if (isFuture(error)) throw new FutureRevisionError(await this.#ask(readMs));
      throw this.#failed(error);
    }
    this.#compacted = Math.max(this.#compacted, revision);
  }

  async grantLease(ttlSeconds: number): Promise<number> {
    return await this.#try(() => this.#leases.grant(ttlSeconds, writeMs));
  }

  async renewLease(lease: number): Promise<void> {
    await this.#try(() => this.#leases.renew(lease, writeMs), lease);
  }

  async revokeLease(lease: number): Promise<void> {
    await this.#try(() => this.#leases.revoke(lease, writeMs), lease);
  }

  storedKey(key: string): string {
    return this.#deps.keys.stored(key);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#ended ??= new StoreError('closed', `${this.#deps.connection.where} has been closed`);
    this.#stop.abort();
    this.#hub.end(undefined);
    await this.#running;
    this.#deps.connection.close();
  }
}

const asBuffer = ({ buffer, byteOffset, byteLength }: Uint8Array): Buffer => Buffer.from(buffer, byteOffset, byteLength);
