/**
 * The allocated node ports: one RangeAllocation object in the store with one bit per port, changed by compare-and-set. Changes that arrive
 * during a write are combined in the next write.
 *
 * Source: upstream `pkg/registry/core/service/allocator/{bitmap.go,storage/storage.go}`; core/v1 RangeAllocation.
 */
import { parseExact, stringifyExact } from '#api/int64.ts';
import { internalError } from '#api/status.ts';
import type { Store, StoreEntry } from '#control/store/store.ts';

const key = '/registry/ranges/servicenodeports';

/** A range of ports. Both ends are included. */
export interface PortRange {
  first: number;
  last: number;
}

/** The change that a plan wants. Its result is valid only after the change was written. */
export interface PortChange<T> {
  take: readonly number[];
  release: readonly number[];
  result: T;
}

/** Computes a change from the allocated ports. Pure, because it is called again after a conflict with another server. */
export type PortPlan<T> = (taken: ReadonlySet<number>) => PortChange<T>;

interface Waiting {
  plan: PortPlan<unknown>;
  resolve(result: unknown): void;
  reject(error: unknown): void;
}

/** The stored object. */
export interface StoredPorts {
  /** 0 when the object does not exist yet. */
  revision: number;
  range: string;
  taken: ReadonlySet<number>;
}

/** The stored bits of all node ports. After a lost compare-and-set, it reads and plans again. @throws (its methods) StoreError */
export class PortAllocation {
  readonly range: PortRange;
  readonly #store: Pick<Store, 'get' | 'put'>;
  #known: StoredPorts | undefined;
  #waiting: Waiting[] = [];
  #isWriting = false;

  constructor(range: PortRange, store: Pick<Store, 'get' | 'put'>) {
    this.range = range;
    this.#store = store;
  }

  /**
   * Carries out the change that `plan` computes.
   * @throws what `plan` throws for the current state @throws ApiError 500 before the first repair @throws StoreError
   */
  change<T>(plan: PortPlan<T>): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    // Each plan's result goes to its own resolver. This cast is the only place that relies on it.
    this.#waiting.push({ plan, reject, resolve: (result) => resolve(result as T) });
    if (!this.#isWriting) void this.#writeAll();
    return promise;
  }

  /** Reads the allocated ports. @throws StoreError */
  async read(): Promise<StoredPorts> {
    const { entry } = await this.#store.get(key);
    this.#known = decode(entry);
    return this.#known;
  }

  /** Replaces the object that was read as `from`. Returns false when it has changed since. @throws StoreError */
  async replace(from: StoredPorts, taken: ReadonlySet<number>): Promise<boolean> {
    const result = await this.#store.put(key, this.#encode(taken), { expectedRevision: from.revision });
    this.#known = result.kind === 'ok' ? { revision: result.revision, range: this.rangeText, taken } : decode(result.current);
    return result.kind === 'ok';
  }

  get rangeText(): string {
    return `${this.range.first}-${this.range.last}`;
  }

  async #writeAll(): Promise<void> {
    this.#isWriting = true;
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0);
      try {
        await this.#write(batch);
      } catch (error) {
        this.#known = undefined;
        for (const { reject } of batch) reject(error);
      }
    }
    this.#isWriting = false;
  }

  async #write(batch: readonly Waiting[]): Promise<void> {
    for (let isCurrent = false; ; ) {
      if (this.#known === undefined) {
        await this.read();
        isCurrent = true;
      }
      const known = this.#known ?? decode(undefined);
      const { taken, changed, answers } = decide(batch, known.taken);
      if (changed) this.#checkUsable(known);
      // There is nothing to write, so no compare-and-set has proved that the known state is current.
      if (!changed && !isCurrent) {
        this.#known = undefined;
        continue;
      }
      if (changed && !(await this.replace(known, taken))) {
        isCurrent = true;
        continue;
      }
      for (const answer of answers) answer();
      return;
    }
  }

  #checkUsable({ revision, range }: StoredPorts): void {
    if (revision === 0) throw internalError('cannot allocate resources of type servicenodeportallocations at this time');
    if (range !== this.rangeText) throw internalError('the provided range does not match the current range');
  }

  #encode(taken: ReadonlySet<number>): Uint8Array {
    const { first, last } = this.range;
    const data = encodeBits([...taken].filter((port) => port >= first && port <= last).map((port) => port - first));
    const object = { kind: 'RangeAllocation', apiVersion: 'v1', metadata: {}, range: this.rangeText, data };
    return Buffer.from(`${stringifyExact(object)}\n`);
  }
}

function decide(batch: readonly Waiting[], before: ReadonlySet<number>) {
  const taken = new Set(before);
  let changed = false;
  const answers = batch.map(({ plan, resolve, reject }): (() => void) => {
    try {
      const { take, release, result } = plan(taken);
      if (take.some((port) => !taken.has(port)) || release.some((port) => taken.has(port))) changed = true;
      for (const port of take) taken.add(port);
      for (const port of release) taken.delete(port);
      return () => resolve(result);
    } catch (error) {
      return () => reject(error);
    }
  });
  return { taken, changed, answers };
}

/**
 * @throws Error for a value that is not a RangeAllocation. It needs a person's attention, because allocating ports twice breaks services
 */
function decode(entry: StoreEntry | undefined): StoredPorts {
  if (entry === undefined) return { revision: 0, range: '', taken: new Set() };
  const object = parseExact(Buffer.from(entry.value).toString('utf8')) as { range?: unknown; data?: unknown } | null;
  const { range, data } = object ?? {};
  const first = typeof range === 'string' ? Number(/^(\d+)-\d+$/.exec(range)?.[1]) : Number.NaN;
  if (typeof range !== 'string' || Number.isNaN(first) || (data !== null && typeof data !== 'string'))
    throw new Error(`stored value of ${key} is not a RangeAllocation`);
  return { revision: entry.modRevision, range, taken: new Set(decodeBits(data ?? '').map((bit) => first + bit)) };
}

/** Encodes the bits as Go's `big.Int`: base64 of the bytes, the highest first, without leading zeros. */
export function encodeBits(bits: readonly number[]): string {
  const bytes = Buffer.alloc(bits.length === 0 ? 0 : Math.floor(Math.max(...bits) / 8) + 1);
  for (const bit of bits) {
    const at = bytes.length - 1 - Math.floor(bit / 8);
    bytes[at] = (bytes[at] ?? 0) | (1 << (bit % 8));
  }
  return bytes.toString('base64');
}

/** The numbers of the set bits. The inverse of {@link encodeBits}. @param data base64 of Go's `big.Int` */
export function decodeBits(data: string): number[] {
  const bytes = Buffer.from(data, 'base64');
  const bits: number[] = [];
  for (let at = bytes.length - 1; at >= 0; at--) {
    for (let bit = 0; bit < 8; bit++) if (((bytes[at] ?? 0) >> bit) & 1) bits.push((bytes.length - 1 - at) * 8 + bit);
  }
  return bits;
}
