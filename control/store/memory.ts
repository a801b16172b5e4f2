/**
 * A store in memory, for the simulation of the control plane and for tests: nothing of it is on disk, and every call is done when it
 * returns, so that a simulated world depends on no thread and no file.
 *
 * A {@link MemorySnapshot} is the start of many stores: worlds begin with what another one has bootstrapped. Values are shared, never
 * changed.
 */
import type { Clock } from '#client/clock.ts';
import { LeaseNotFoundError, StoreError } from './errors.ts';
import { prefixEnd } from './key-range.ts';
import { LeaseExpiry } from './lease-expiry.ts';
import type { ChangesOperation, ChangesResult } from './sqlite-protocol.ts';
import type { PutOptions, RangeOptions, RangeResult, Store, StoreEntry, StoreEvent, WriteResult } from './store.ts';
import { CompactedError, FutureRevisionError } from './store.ts';
import { WatchHub } from './watch-hub.ts';

/** What a store holds at one moment, without its history: a store that begins with it is compacted there. */
export interface MemorySnapshot {
  revision: number;
  entries: readonly StoreEntry[];
}

/** A write that is about to happen, for {@link MemoryStoreOptions.gate}. */
export interface IntendedWrite {
  op: 'put' | 'delete';
  key: string;
}

/** Options of {@link MemoryStore}. */
export interface MemoryStoreOptions {
  /** Measures the time of leases. */
  clock: Clock;
  /** Default: empty. */
  from?: MemorySnapshot | undefined;
  /** Is told of each change right after it has happened, before whoever asked for it. */
  committed?: ((event: StoreEvent) => void) | undefined;
  /** Throws where a write shall fail; it then has not happened. */
  gate?: ((write: IntendedWrite) => void) | undefined;
}

/** Replays come in parts, as those of the other stores. */
const replayEvents = 1_000;

/** Keeps everything since its last compaction in memory. */
export class MemoryStore implements Store {
  /** The present entries. */
  readonly #current = new Map<string, StoreEntry>();
  /** All keys of {@link #current} in the order of their bytes. */
  readonly #keys = new SortedKeys();
  /** All changes, in order; those up to the compaction are gone, except what is still the newest state of its key. */
  #log: StoreEvent[] = [];
  /** The entries as they were at {@link #compacted}. */
  #base = new Map<string, StoreEntry>();
  readonly #leases = new Map<number, Set<string>>();
  readonly #expiry: LeaseExpiry;
  readonly #hub: WatchHub;
  readonly #options: MemoryStoreOptions;
  #revision: number;
  #compacted: number;
  #nextLease = 1;
  #closed = false;

  constructor(options: MemoryStoreOptions) {
    this.#options = options;
    this.#revision = options.from?.revision ?? 0;
    this.#compacted = this.#revision;
    for (const entry of options.from?.entries ?? []) {
      this.#current.set(entry.key, entry);
      this.#keys.add(entry.key);
    }
    this.#base = new Map(this.#current);
    this.#hub = new WatchHub(this.#revision, async (part) => this.#changes(part));
    this.#expiry = new LeaseExpiry(options.clock, (lease) => this.#revoke(lease));
  }

  /** What it holds now. Leases are not part of it. */
  snapshot(): MemorySnapshot {
    return { revision: this.#revision, entries: this.#keys.all().map((key) => this.#current.get(key) as StoreEntry) };
  }

  currentRevision(): number | Promise<number> {
    try {
      this.#refuseWhenClosed();
    } catch (error) {
      return Promise.reject(error);
    }
    return this.#revision;
  }

  compactRevision(): number {
    return this.#compacted;
  }

  problem(): string | undefined {
    return this.#closed ? closed().message : undefined;
  }

  async get(key: string, revision = 0): Promise<{ revision: number; entry: StoreEntry | undefined }> {
    this.#refuseWhenClosed();
    if (this.#isCurrent(revision)) return { revision: this.#revision, entry: this.#current.get(key) };
    return { revision, entry: this.#stateAt(revision, (one) => one === key).get(key) };
  }

  async range({ prefix, revision = 0, startKey, endKey, limit = 0 }: RangeOptions): Promise<RangeResult> {
    this.#refuseWhenClosed();
    const isCurrent = this.#isCurrent(revision);
    const from = startKey !== undefined && compare(startKey, prefix) > 0 ? startKey : prefix;
    const to = earlierEnd(prefixEnd(prefix), endKey);
    const state = isCurrent ? this.#current : this.#stateAt(revision, (key) => key.startsWith(prefix));
    const keys = isCurrent ? this.#keys : new SortedKeys(state.keys());
    const found = keys.between(from, to);
    const page = limit > 0 ? found.slice(0, limit) : found;
    const entries = page.map((key) => state.get(key) as StoreEntry);
    return {
      revision: isCurrent ? this.#revision : revision,
      entries,
      more: page.length < found.length,
      count: found.length,
    };
  }

  async put(key: string, value: Uint8Array, { expectedRevision, lease = 0 }: PutOptions = {}): Promise<WriteResult> {
    this.#refuseWhenClosed();
    this.#options.gate?.({ op: 'put', key });
    if (lease !== 0 && !this.#leases.has(lease)) throw new LeaseNotFoundError(lease);
    const previous = this.#current.get(key);
    if (expectedRevision !== undefined && expectedRevision !== (previous?.modRevision ?? 0))
      return { kind: 'conflict', revision: this.#revision, current: previous };
    const revision = ++this.#revision;
    const entry: StoreEntry = {
      key,
      value: new Uint8Array(value),
      createRevision: previous?.createRevision ?? revision,
      modRevision: revision,
      version: (previous?.version ?? 0) + 1,
      lease,
    };
    this.#current.set(key, entry);
    if (previous === undefined) this.#keys.add(key);
    if (previous !== undefined) this.#leases.get(previous.lease)?.delete(key);
    this.#leases.get(lease)?.add(key);
    this.#publish([{ type: 'put', revision, entry, previous }]);
    return { kind: 'ok', revision, previous };
  }

  async delete(key: string, { expectedRevision }: { expectedRevision?: number | undefined } = {}): Promise<WriteResult> {
    this.#refuseWhenClosed();
    this.#options.gate?.({ op: 'delete', key });
    const previous = this.#current.get(key);
    if (expectedRevision !== undefined && expectedRevision !== (previous?.modRevision ?? 0))
      return { kind: 'conflict', revision: this.#revision, current: previous };
    if (previous === undefined) return { kind: 'ok', revision: this.#revision, previous };
    const event = this.#bury(previous);
    this.#publish([event]);
    return { kind: 'ok', revision: event.revision, previous };
  }

  watch(prefix: string, afterRevision: number, signal: AbortSignal): ReturnType<Store['watch']> {
    return this.#hub.watch(prefix, afterRevision, signal);
  }

  async compact(revision: number): Promise<void> {
    this.#refuseWhenClosed();
    if (revision > this.#revision) throw new FutureRevisionError(this.#revision);
    if (revision <= this.#compacted) throw new CompactedError(this.#compacted);
    this.#base = this.#stateAt(revision, () => true);
    this.#log = this.#log.filter((event) => event.revision > revision);
    this.#compacted = revision;
  }

  async grantLease(ttlSeconds: number): Promise<number> {
    this.#refuseWhenClosed();
    if (!(ttlSeconds > 0)) throw new RangeError(`lease: a TTL must be above 0 seconds, got ${ttlSeconds}`);
    const id = this.#nextLease++;
    this.#leases.set(id, new Set());
    this.#expiry.start(id, ttlSeconds);
    return id;
  }

  async renewLease(lease: number): Promise<void> {
    this.#expiry.renew(lease);
  }

  async revokeLease(lease: number): Promise<void> {
    await this.#revoke(lease);
    this.#expiry.stop(lease);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#expiry.stopAll();
    this.#hub.end(undefined);
  }

  async #revoke(lease: number): Promise<void> {
    this.#refuseWhenClosed();
    const keys = this.#leases.get(lease);
    if (keys === undefined) throw new LeaseNotFoundError(lease);
    this.#leases.delete(lease);
    const entries = [...keys].sort(compare).flatMap((key) => this.#current.get(key) ?? []);
    this.#publish(entries.map((entry) => this.#bury(entry)));
  }

  #bury(entry: StoreEntry): StoreEvent {
    this.#current.delete(entry.key);
    this.#keys.remove(entry.key);
    this.#leases.get(entry.lease)?.delete(entry.key);
    return { type: 'delete', revision: ++this.#revision, entry, previous: undefined };
  }

  #publish(events: StoreEvent[]): void {
    for (const event of events) {
      this.#log.push(event);
      this.#options.committed?.(event);
    }
    this.#hub.publish(events, this.#revision);
  }

  #changes({ prefix, after, through }: Omit<ChangesOperation, 'op'>): ChangesResult {
    if (after < this.#compacted) throw new CompactedError(this.#compacted);
    const events: StoreEvent[] = [];
    for (let at = this.#firstAfter(after); at < this.#log.length; at++) {
      const event = this.#log[at] as StoreEvent;
      if (event.revision > through) break;
      if (!event.entry.key.startsWith(prefix)) continue;
      events.push(event);
      if (events.length === replayEvents) return { events, through: event.revision };
    }
    return { events, through };
  }

  /** The index of the first change after a revision. */
  #firstAfter(revision: number): number {
    let [low, high] = [0, this.#log.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#log[middle] as StoreEvent).revision > revision) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  /** @throws FutureRevisionError @throws CompactedError */
  #isCurrent(revision: number): boolean {
    if (revision > this.#revision) throw new FutureRevisionError(this.#revision);
    if (revision === 0 || revision === this.#revision) return true;
    if (revision < this.#compacted) throw new CompactedError(this.#compacted);
    return false;
  }

  #stateAt(revision: number, wanted: (key: string) => boolean): Map<string, StoreEntry> {
    const state = new Map([...this.#base].filter(([key]) => wanted(key)));
    for (const { type, revision: at, entry } of this.#log) {
      if (at > revision) break;
      if (!wanted(entry.key)) continue;
      if (type === 'put') state.set(entry.key, entry);
      else state.delete(entry.key);
    }
    return state;
  }

  #refuseWhenClosed(): void {
    if (this.#closed) throw closed();
  }
}

const earlierEnd = (a: string | undefined, b: string | undefined): string | undefined =>
  a === undefined || b === undefined ? (a ?? b) : compare(a, b) < 0 ? a : b;

const closed = (): StoreError => new StoreError('closed', 'the store in memory has been closed');

/** Keys in the order of their UTF-8 bytes. */
class SortedKeys {
  readonly #keys: string[];

  constructor(keys: Iterable<string> = []) {
    this.#keys = [...keys].sort(compare);
  }

  all(): readonly string[] {
    return this.#keys;
  }

  add(key: string): void {
    this.#keys.splice(this.#at(key), 0, key);
  }

  remove(key: string): void {
    const at = this.#at(key);
    if (this.#keys[at] === key) this.#keys.splice(at, 1);
  }

  /** @param to absent: to the end */
  between(from: string, to: string | undefined): string[] {
    if (to !== undefined && compare(to, from) <= 0) return [];
    return this.#keys.slice(this.#at(from), to === undefined ? undefined : this.#at(to));
  }

  /** Where the key stands, or would stand. */
  #at(key: string): number {
    let [low, high] = [0, this.#keys.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (compare(this.#keys[middle] as string, key) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** Of two texts by their code points, which is the order of their UTF-8 bytes; JavaScript's own goes by UTF-16 units. */
function compare(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let at = 0; at < length; at++) {
    const [x, y] = [a.charCodeAt(at), b.charCodeAt(at)];
    if (x === y) continue;
    // Surrogates stand for code points above all others.
    const [isHighX, isHighY] = [x >= 0xd800 && x <= 0xdfff, y >= 0xd800 && y <= 0xdfff];
    return isHighX === isHighY ? x - y : isHighX ? 1 : -1;
  }
  return a.length - b.length;
}
