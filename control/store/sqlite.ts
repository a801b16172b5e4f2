/** The embedded store: etcd's model in one SQLite file, which a worker thread owns. */
import { resolve as absolute } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { Logger } from 'pino';
import { type Clock, systemClock } from '#client/clock.ts';
import { StoreError } from './errors.ts';
import { LeaseExpiry } from './lease-expiry.ts';
import type { FromWorker, Operation, Request, Results, ToWorker } from './sqlite-protocol.ts';
import { fromWire } from './sqlite-protocol.ts';
import type { PutOptions, RangeOptions, Store, StoreEvent, WriteResult } from './store.ts';
import type { EmbeddedStore, GrantedLease, Transaction, TransactionResult, TransactionStep } from './transaction.ts';
import { WatchHub } from './watch-hub.ts';

/**
 * The program of the worker: a file, or its whole text. When running from source, the default (`sqlite-worker.ts` beside this
 * module) is right. A single-file bundle or single executable has no such file: bundle `sqlite-worker.ts` separately as CommonJS
 * (`esbuild --bundle --platform=node --format=cjs`), embed the text (a SEA asset), and pass it as `code`.
 */
export type WorkerSource = { url: URL } | { code: string };

/** Options of the embedded store. */
export interface SqliteStoreOptions {
  /** Path of the database file. When there is none, it is created (mode 0600, its directory 0700). */
  path: string;
  /** Measures the time of leases. Default: the system's clock. */
  clock?: Clock | undefined;
  /** Gets messages about lost writes, failing writes, leases that could not be expired, and the end of the thread. */
  log?: Logger | undefined;
  worker?: WorkerSource | undefined;
}

/**
 * Opens the store, or creates an empty one.
 * @throws StoreError `busy`, `corrupt`, `foreign` or `io`. The message names the problem, the path and what to do; the file is
 * unchanged
 */
export async function createSqliteStore(options: SqliteStoreOptions): Promise<EmbeddedStore> {
  const path = absolute(options.path);
  if (openHere.has(path))
    throw new StoreError('busy', `store ${path} is already open in this process: use that one, or close it first`);
  openHere.add(path);
  try {
    const worker = startWorker(path, options.worker ?? { url: new URL('./sqlite-worker.ts', import.meta.url) });
    worker.once('exit', () => openHere.delete(path));
    return new SqliteStore(worker, await firstMessage(worker, path), options);
  } catch (error) {
    openHere.delete(path);
    throw error;
  }
}

/**
 * Paths that this process has open. A file lock belongs to the whole process and is lost when any descriptor of the file is
 * closed (fcntl(2), POSIX). A second opening in this process would be refused, but closing it would let other processes in.
 */
const openHere = new Set<string>();

function startWorker(path: string, source: WorkerSource): Worker {
  // The worker gets none of the main program's flags, such as `node -e` or `--import`.
  const options = { workerData: { path }, name: 'store', execArgv: [] };
  return 'url' in source ? new Worker(source.url, options) : new Worker(source.code, { ...options, eval: true });
}

type Opened = Extract<FromWorker, { kind: 'opened' }>;

async function firstMessage(worker: Worker, path: string): Promise<Opened> {
  const { promise, resolve, reject } = Promise.withResolvers<FromWorker>();
  const onExit = (code: number): void =>
    reject(new StoreError('closed', `store ${path}: its thread ended with status ${code} while opening`));
  worker.once('message', resolve).once('error', reject).once('exit', onExit);
  const message = await promise;
  worker.off('error', reject).off('exit', onExit);
  if (message.kind === 'opened') return message;
  await worker.terminate();
  throw message.kind === 'refused' ? fromWire(message.error) : new Error('store thread: replies before it was opened');
}

interface Pending {
  operation: Operation;
  resolve(result: unknown): void;
  reject(error: Error): void;
}

class SqliteStore implements EmbeddedStore {
  readonly #worker: Worker;
  readonly #path: string;
  readonly #log: Logger | undefined;
  readonly #hub: WatchHub;
  readonly #leases: LeaseExpiry;
  readonly #pending = new Map<number, Pending>();
  #outbox: Request[] = [];
  #nextId = 1;
  #compactRevision: number;
  #sizeBytes: number;
  #problem: string | undefined;
  #ended: Error | undefined;
  #closing: Promise<void> | undefined;

  constructor(worker: Worker, opened: Opened, options: SqliteStoreOptions) {
    this.#worker = worker;
    this.#path = options.path;
    this.#log = options.log;
    this.#compactRevision = opened.compactRevision;
    this.#sizeBytes = opened.sizeBytes;
    this.#hub = new WatchHub(opened.revision, (part) => this.#call({ op: 'changes', ...part }));
    this.#leases = new LeaseExpiry(options.clock ?? systemClock, (lease) => this.#expire(lease));
    for (const { level, message } of opened.notes) this.#log?.[level](message);
    for (const { id, ttlSeconds } of opened.leases) this.#leases.start(id, ttlSeconds);
    worker.on('message', (message: FromWorker) => this.#receive(message));
    worker.on('error', (error) =>
      this.#end(new StoreError('closed', `store ${this.#path}: its thread failed: ${String(error)}`, { cause: error })),
    );
    worker.on('exit', () => this.#end(new StoreError('closed', `store ${this.#path}: its thread has ended`)));
  }

  currentRevision(): number | Promise<number> {
    return this.#ended === undefined ? this.#hub.revision : Promise.reject(this.#ended);
  }

  compactRevision(): number {
    return this.#compactRevision;
  }

  problem(): string | undefined {
    return this.#ended?.message ?? this.#problem;
  }

  get(key: string, revision = 0): Promise<Results['get']> {
    return this.#call({ op: 'get', key, revision });
  }

  range(options: RangeOptions): Promise<Results['range']> {
    return this.#call({ op: 'range', ...options });
  }

  put(key: string, value: Uint8Array, options: PutOptions = {}): Promise<WriteResult> {
    // Copies the bytes exactly. A clone of a view would transfer its whole pool, and watchers must not share bytes with code that
    // may write to them.
    const operation = {
      op: 'put' as const,
      key,
      value: new Uint8Array(value),
      lease: options.lease ?? 0,
      expectedRevision: options.expectedRevision,
    };
    return this.#call(operation);
  }

  delete(key: string, options: { expectedRevision?: number | undefined } = {}): Promise<WriteResult> {
    return this.#call({ op: 'delete', key, expectedRevision: options.expectedRevision });
  }

  watch(prefix: string, afterRevision: number, signal: AbortSignal): ReturnType<Store['watch']> {
    return this.#hub.watch(prefix, afterRevision, signal);
  }

  async compact(revision: number): Promise<void> {
    await this.#call({ op: 'compact', revision });
  }

  async transact(transaction: Transaction): Promise<TransactionResult> {
    const copied = (step: TransactionStep): TransactionStep =>
      step.op === 'put' ? { ...step, value: new Uint8Array(step.value) } : step;
    const { comparisons, success, failure } = transaction;
    return await this.#call({
      op: 'transact',
      transaction: { comparisons, success: success.map(copied), failure: failure.map(copied) },
    });
  }

  leases(): GrantedLease[] {
    return this.#leases.all();
  }

  sizeBytes(): number {
    return this.#sizeBytes;
  }

  async grantLease(ttlSeconds: number, chosen?: number): Promise<number> {
    if (!(ttlSeconds > 0)) throw new RangeError(`lease: a TTL must be above 0 seconds, got ${ttlSeconds}`);
    if (chosen !== undefined && this.leases().some(({ id }) => id === chosen))
      throw new RangeError(`lease: there is one with id ${chosen} already`);
    const id = await this.#call({ op: 'grant', ttlSeconds, id: chosen });
    this.#leases.start(id, ttlSeconds);
    return id;
  }

  async renewLease(lease: number): Promise<void> {
    this.#leases.renew(lease);
  }

  async revokeLease(lease: number): Promise<void> {
    await this.#call({ op: 'revoke', lease });
    this.#leases.stop(lease);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#leases.stopAll();
    if (this.#ended !== undefined) return;
    const closed = this.#call({ op: 'close' });
    // Later calls are refused. The worker finishes earlier ones in order.
    this.#ended = new StoreError('closed', `store ${this.#path} has been closed`);
    await closed;
    this.#hub.end(undefined);
    await this.#worker.terminate();
  }

  async #expire(lease: number): Promise<void> {
    try {
      await this.#call({ op: 'revoke', lease });
    } catch (error) {
      if (this.#ended !== undefined) return;
      this.#log?.warn({ lease, err: error }, 'store: an expired lease could not be revoked; trying again');
      throw error;
    }
  }

  #call<O extends Operation>(operation: O): Promise<Results[O['op']]> {
    return new Promise((resolve, reject) => {
      if (this.#ended !== undefined) {
        reject(this.#ended);
        return;
      }
      const id = this.#nextId++;
      // The worker replies to an operation with the result type of its kind. Only this line asserts the pairing.
      this.#pending.set(id, { operation, reject, resolve: (result) => resolve(result as Results[O['op']]) });
      if (this.#outbox.push({ id, operation }) === 1) setImmediate(() => this.#flush());
    });
  }

  /**
   * Sends all requests of this turn of the event loop in one message: each message has a cost of its own, and wakes the thread. (A microtask
   * would come after each callback of the turn, with one request at a time.)
   */
  #flush(): void {
    const requests: ToWorker = this.#outbox;
    this.#outbox = [];
    this.#worker.postMessage(requests);
  }

  #receive(message: FromWorker): void {
    if (message.kind === 'health') {
      this.#noteHealth(message.problem);
      return;
    }
    if (message.kind === 'note') {
      this.#log?.[message.note.level](message.note.message);
      return;
    }
    if (message.kind !== 'replies') throw new Error(`store thread: unexpected ${message.kind}`);
    const events: StoreEvent[] = [];
    for (const reply of message.replies) {
      const pending = this.#pending.get(reply.id);
      if (pending === undefined) throw new Error(`store thread: a reply to no request (${reply.id})`);
      this.#pending.delete(reply.id);
      if ('error' in reply) {
        pending.reject(fromWire(reply.error));
      } else {
        collectEvents(pending.operation, reply.result, events);
        pending.resolve(reply.result);
      }
    }
    this.#compactRevision = message.compactRevision;
    this.#sizeBytes = message.sizeBytes;
    this.#hub.publish(events, message.revision);
  }

  #noteHealth(problem: string | undefined): void {
    this.#problem = problem;
    if (problem === undefined) this.#log?.info('store: writes succeed again');
    else this.#log?.error({ problem }, 'store: writes fail; reads go on');
  }

  #end(error: StoreError): void {
    if (this.#ended === undefined) this.#log?.error({ err: error }, 'store: ended');
    this.#ended ??= error;
    this.#leases.stopAll();
    this.#hub.end(error);
    for (const { reject } of this.#pending.values()) reject(error);
    this.#pending.clear();
  }
}

/** Adds the watch events of a committed operation. */
function collectEvents(operation: Operation, result: Results[keyof Results], into: StoreEvent[]): void {
  if (operation.op === 'revoke') {
    for (const { revision, entry } of (result as Results['revoke']).deleted)
      into.push({ type: 'delete', revision, entry, previous: undefined });
    return;
  }
  if (operation.op === 'transact') into.push(...(result as Results['transact']).events);
  if (operation.op !== 'put' && operation.op !== 'delete') return;
  const written = result as WriteResult;
  if (written.kind === 'conflict') return;
  const { revision, previous } = written;
  if (operation.op === 'delete') {
    if (previous !== undefined) into.push({ type: 'delete', revision, entry: previous, previous: undefined });
    return;
  }
  const { key, value, lease } = operation;
  const entry = {
    key,
    value,
    lease,
    createRevision: previous?.createRevision ?? revision,
    modRevision: revision,
    version: (previous?.version ?? 0) + 1,
  };
  into.push({ type: 'put', revision, entry, previous });
}
