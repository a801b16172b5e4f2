/**
 * A store whose values are encrypted as an EncryptionConfiguration says; all who use it see plain values. What a value belongs to is the key
 * that it is stored under, so one that is moved elsewhere cannot be read.
 *
 * A value that cannot be decrypted is given as it is stored: then only the one object cannot be read. While a key cannot be had (a KMS plugin
 * does not answer), reads fail as `unavailable`, and are tried again.
 *
 * Source: apiserver `pkg/storage/etcd3/store.go` (transformer), `pkg/storage/value`.
 */
import { Counter, Histogram, type Registry } from 'prom-client';
import type { ResourceCatalog } from '#api/resource-catalog.ts';
import type { Resource } from '#api/resources.ts';
import type { PutOptions, RangeOptions, RangeResult, Store, StoreEntry, StoreEvent, WriteResult } from '../store.ts';
import type { Encryption } from './encryption.ts';
import { identity, TransformError, type Transformer } from './transformers.ts';

/** What it works with. */
export interface EncryptedStoreDeps {
  store: Store;
  encryption: Encryption;
  /** Which resource is stored where, by now. */
  catalog(): ResourceCatalog;
  log: { error(fields: object, message: string): void };
}

/** Encrypts what is written to a store and decrypts what is read; see the top of this file. */
export class EncryptedStore implements Store {
  readonly #deps: EncryptedStoreDeps;
  readonly #store: Store;
  #operations: Counter<'resource' | 'transformation_type' | 'transformer_prefix' | 'status'> | undefined;
  #durations: Histogram<'transformation_type' | 'transformer_prefix'> | undefined;
  /** By storage prefix; made anew when the rows change. */
  #rows: { all: readonly Resource[]; byPrefix: ReadonlyMap<string, Resource> } | undefined;

  constructor(deps: EncryptedStoreDeps) {
    this.#deps = deps;
    this.#store = deps.store;
  }

  /** Counts transformations from now on. */
  countIn(registry: Registry): void {
    this.#operations = new Counter({
      name: 'apiserver_storage_transformation_operations_total',
      help: 'Total number of transformations. Successful transformation will have a status "OK" and a varied status string when the transformation fails.',
      labelNames: ['resource', 'transformation_type', 'transformer_prefix', 'status'],
      registers: [registry],
    });
    this.#durations = new Histogram({
      name: 'apiserver_storage_transformation_duration_seconds',
      help: 'Latencies in seconds of value transformation operations.',
      labelNames: ['transformation_type', 'transformer_prefix'],
      buckets: Array.from({ length: 25 }, (_, index) => 5e-6 * 2 ** index),
      registers: [registry],
    });
  }

  #rowOf(key: string): Resource | undefined {
    const all = this.#deps.catalog().all();
    if (this.#rows?.all !== all) {
      const stored = all.filter(({ storedAs }) => storedAs === undefined);
      this.#rows = { all, byPrefix: new Map(stored.map((row) => [row.storagePrefix, row])) };
    }
    const { byPrefix } = this.#rows;
    // `/registry/<resource>/…`, or `/registry/<group>/<resource>/…`.
    const [, registry, first = '', second = ''] = key.split('/', 5);
    return byPrefix.get(`/${registry}/${first}/${second}`) ?? byPrefix.get(`/${registry}/${first}`);
  }

  #transformerOf(key: string): { resource: string; transformer: Transformer | undefined } {
    const row = this.#rowOf(key);
    if (row === undefined) return { resource: '', transformer: undefined };
    const resource = row.group === '' ? row.plural : `${row.plural}.${row.group}`;
    return { resource, transformer: this.#deps.encryption.transformerOf(row.group, row.plural) };
  }

  /** What a value belongs to: the whole key in the store, as upstream has it. */
  #boundTo(key: string): Buffer {
    return Buffer.from(this.#store.storedKey?.(key) ?? key);
  }

  async put(key: string, value: Uint8Array, options?: PutOptions): Promise<WriteResult> {
    const { resource, transformer } = this.#transformerOf(key);
    if (transformer === undefined) return await this.#opened(this.#store.put(key, value, options));
    const begunMs = performance.now();
    const encrypted = transformer.encrypt(asBuffer(value), this.#boundTo(key));
    this.#count(resource, 'to_storage', encrypted, begunMs);
    return await this.#opened(this.#store.put(key, encrypted, options));
  }

  async #opened(writing: Promise<WriteResult>): Promise<WriteResult> {
    const result = await writing;
    if (result.kind === 'ok') return { ...result, previous: await this.#maybe(result.previous) };
    return { ...result, current: await this.#maybe(result.current) };
  }

  async #maybe(entry: StoreEntry | undefined): Promise<StoreEntry | undefined> {
    return entry === undefined ? undefined : await this.#open(entry);
  }

  /** @throws StoreError `unavailable` */
  async #open(entry: StoreEntry): Promise<StoreEntry> {
    const { resource, transformer } = this.#transformerOf(entry.key);
    if (transformer === undefined) return entry;
    const begunMs = performance.now();
    const stored = asBuffer(entry.value);
    try {
      const { value } = await transformer.decrypt(stored, this.#boundTo(entry.key));
      this.#count(resource, 'from_storage', stored, begunMs);
      return { ...entry, value };
    } catch (error) {
      this.#count(resource, 'from_storage', stored, begunMs, 'Unknown');
      if (!(error instanceof TransformError)) throw error;
      this.#deps.log.error(
        { key: entry.key, reason: error.message },
        'a stored value cannot be decrypted: is its key still in --encryption-provider-config?',
      );
      return entry;
    }
  }

  #count(resource: string, type: string, stored: Buffer, begunMs: number, status = 'OK'): void {
    if (this.#operations === undefined) return;
    const head = stored.subarray(0, 200).toString('latin1');
    const prefix = /^k8s:enc:(?:kms:v2:[^:]*|\w+:v\d):/.exec(head)?.[0] ?? (type === 'from_storage' ? 'identity' : '');
    this.#operations.inc({ resource, transformation_type: type, transformer_prefix: prefix, status });
    if (status === 'OK')
      this.#durations?.observe({ transformation_type: type, transformer_prefix: prefix }, (performance.now() - begunMs) / 1000);
  }

  async isStale(key: string): Promise<boolean> {
    const { entry } = await this.#store.get(key);
    if (entry === undefined) return false;
    const { transformer } = this.#transformerOf(key);
    try {
      return (await (transformer ?? identity).decrypt(asBuffer(entry.value), this.#boundTo(key))).isStale;
    } catch (error) {
      if (error instanceof TransformError) return false;
      throw error;
    }
  }

  async get(key: string, revision?: number): Promise<{ revision: number; entry: StoreEntry | undefined }> {
    const found = await this.#store.get(key, revision);
    return { ...found, entry: await this.#maybe(found.entry) };
  }

  async range(options: RangeOptions): Promise<RangeResult> {
    const result = await this.#store.range(options);
    const entries: StoreEntry[] = [];
    for (const entry of result.entries) entries.push(await this.#open(entry));
    return { ...result, entries };
  }

  async delete(key: string, options?: { expectedRevision?: number | undefined }): Promise<WriteResult> {
    return await this.#opened(this.#store.delete(key, options));
  }

  async *watch(
    prefix: string,
    afterRevision: number,
    signal: AbortSignal,
  ): AsyncGenerator<{ events: StoreEvent[]; progressRevision: number }> {
    for await (const { events, progressRevision } of this.#store.watch(prefix, afterRevision, signal)) {
      const opened: StoreEvent[] = [];
      for (const event of events)
        opened.push({ ...event, entry: await this.#open(event.entry), previous: await this.#maybe(event.previous) });
      yield { events: opened, progressRevision };
    }
  }

  currentRevision(): number | Promise<number> {
    return this.#store.currentRevision();
  }
  compactRevision(): number {
    return this.#store.compactRevision();
  }
  compact(revision: number): Promise<void> {
    return this.#store.compact(revision);
  }
  grantLease(ttlSeconds: number): Promise<number> {
    return this.#store.grantLease(ttlSeconds);
  }
  renewLease(lease: number): Promise<void> {
    return this.#store.renewLease(lease);
  }
  revokeLease(lease: number): Promise<void> {
    return this.#store.revokeLease(lease);
  }
  problem(): string | undefined {
    return this.#store.problem();
  }
  get isShared(): boolean {
    return this.#store.isShared === true;
  }
  async close(): Promise<void> {
    await this.#deps.encryption.close();
    await this.#store.close();
  }
}

const asBuffer = ({ buffer, byteOffset, byteLength }: Uint8Array): Buffer => Buffer.from(buffer, byteOffset, byteLength);
