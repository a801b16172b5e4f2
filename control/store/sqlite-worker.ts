/**
 * The thread that owns the database file. SQLite's calls block, and in this thread they block no other work.
 *
 * Group commit: while one commit waits for the disk, requests collect in the port. All writes among them form the next
 * transaction. No request is answered before the commit that it depends on is on disk.
 */

import { type MessagePort, parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { errorText } from '#api/error-text.ts';
import { AcknowledgedRecord, acknowledgedPath } from './acknowledged.ts';
import { fromSqlite, LeaseNotFoundError, StoreError } from './errors.ts';
import { type OpenedDatabase, openDatabase } from './sqlite-file.ts';
import { SqliteLog } from './sqlite-log.ts';
import type {
  FromWorker,
  Operation,
  ReadOperation,
  Reply,
  Request,
  Results,
  ToWorker,
  WriteOperation,
} from './sqlite-protocol.ts';
import { toWire } from './sqlite-protocol.ts';
import { CompactedError, FutureRevisionError } from './store.ts';
import { WriteHealth } from './write-health.ts';

/** Limit of writes in one transaction, so that in a flood the first write does not wait for the last. */
const MAX_WRITES = 1_000;
const MAX_WRITE_BYTES = 16 << 20;

type WriteRequest = Request & { operation: WriteOperation };
type OtherRequest = Request & { operation: Exclude<Operation, WriteOperation> };

const isWrite = (request: Request): request is WriteRequest =>
  ['put', 'delete', 'grant', 'revoke', 'transact'].includes(request.operation.op);

const isOther = (request: Request): request is OtherRequest => !isWrite(request);

class StoreThread {
  readonly #port: MessagePort;
  readonly #path: string;
  readonly #database: OpenedDatabase['database'];
  readonly #log: SqliteLog;
  readonly #acknowledged: AcknowledgedRecord;
  readonly #health: WriteHealth;
  #isRecordStale = false;
  #sizeBytes = 0;
  #queue: Request[] = [];
  /** Compactions that wait for the end of the sweep. */
  #sweeping: OtherRequest[] = [];

  constructor(port: MessagePort, path: string) {
    this.#port = port;
    this.#path = path;
    const { database, notes } = openDatabase(path);
    this.#database = database;
    this.#log = new SqliteLog(database);
    this.#acknowledged = openRecord(path, this.#log.revision);
    this.#health = new WriteHealth(
      path,
      () => this.#log.probe(),
      (problem) => this.#send({ kind: 'health', problem }),
    );
    port.on('message', (requests: ToWorker) => {
      this.#queue.push(...requests);
      this.#turn();
    });
    const leases = Array.from(this.#log.leases, ([id, ttlSeconds]) => ({ id, ttlSeconds }));
    const { revision, compactRevision, sizeBytes } = this.#log;
    this.#send({ kind: 'opened', revision, compactRevision, sizeBytes, leases, notes });
    // Resumes a sweep that a crash has interrupted.
    setImmediate(() => this.#sweep());
  }

  #send(message: FromWorker): void {
    this.#port.postMessage(message);
  }

  /** Handles all requests that have arrived: first all writes together, then reads. Nothing follows a `close`. */
  #turn(): void {
    for (let message = receiveMessageOnPort(this.#port); message !== undefined; message = receiveMessageOnPort(this.#port)) {
      this.#queue.push(...(message.message as ToWorker));
    }
    const requests = this.#queue;
    this.#queue = [];
    this.#commitAll(requests.filter(isWrite));
    this.#reply(requests.filter(isOther).flatMap((request) => this.#serve(request) ?? []));
    const closing = requests.find(({ operation }) => operation.op === 'close');
    if (closing !== undefined) this.#close(closing);
  }

  #reply(replies: Reply[]): void {
    if (replies.length === 0) return;
    // After the end the database cannot say it.
    if (this.#database.isOpen) this.#sizeBytes = this.#log.sizeBytes;
    const { revision, compactRevision } = this.#log;
    this.#send({ kind: 'replies', replies, revision, compactRevision, sizeBytes: this.#sizeBytes });
  }

  #commitAll(writes: WriteRequest[]): void {
    for (let start = 0; start < writes.length; ) {
      let bytes = 0;
      let end = start;
      for (; end < writes.length && end - start < MAX_WRITES && bytes < MAX_WRITE_BYTES; end++)
        bytes += sizeOf(writes[end]?.operation);
      this.#reply(this.#commit(writes.slice(start, end)));
      start = end;
    }
  }

  /**
   * Commits a group of writes. When that fails, each write is tried alone, so that one that does not fit on the disk does not
   * fail the others.
   */
  #commit(group: WriteRequest[]): Reply[] {
    try {
      const replies = this.#log.transaction(() => group.map((request) => this.#write(request)));
      this.#acknowledge();
      this.#health.succeeded();
      return replies;
    } catch (error) {
      if (group.length > 1) return group.flatMap((request) => this.#commit([request]));
      this.#health.failed(fromSqlite(error, this.#path));
      return group.map(({ id }) => ({ id, error: toWire(fromSqlite(error, this.#path)) }));
    }
  }

  /**
   * Records the newest revision. When the record cannot be written, the replies are sent all the same: an older record only
   * detects less.
   */
  #acknowledge(): void {
    try {
      this.#acknowledged.write(this.#log.revision);
      this.#isRecordStale = false;
    } catch (error) {
      if (!this.#isRecordStale) {
        const why = errorText(error);
        const message = `store ${this.#path}: ${acknowledgedPath(this.#path)} cannot be written (${why}): a loss may go unnoticed`;
        this.#send({ kind: 'note', note: { level: 'warn', message } });
      }
      this.#isRecordStale = true;
    }
  }

  #write({ id, operation }: WriteRequest): Reply {
    try {
      return { id, result: this.#log.write(operation) };
    } catch (error) {
      // A failed statement may have left a partial change, so the whole transaction is rolled back. A missing lease, and a
      // revision that cannot be read, are detected before any change.
      const isBefore =
        error instanceof LeaseNotFoundError || error instanceof CompactedError || error instanceof FutureRevisionError;
      if (!isBefore) throw error;
      return { id, error: toWire(error) };
    }
  }

  /** Handles a request that writes nothing. Undefined: the reply follows later. */
  #serve(request: OtherRequest): Reply | undefined {
    const { id, operation } = request;
    if (operation.op === 'close') return undefined;
    try {
      if (operation.op === 'compact') {
        this.#log.compact(operation.revision);
        if (this.#sweeping.push(request) === 1) setImmediate(() => this.#sweep());
        return undefined;
      }
      return { id, result: this.#read(operation) };
    } catch (error) {
      const failure = fromSqlite(error, this.#path);
      if (operation.op === 'compact') this.#health.failed(failure);
      return { id, error: toWire(failure) };
    }
  }

  #read(operation: ReadOperation): Results[ReadOperation['op']] {
    switch (operation.op) {
      case 'get':
        return this.#log.get(operation.key, operation.revision);
      case 'range':
        return this.#log.range(operation);
      case 'changes':
        return this.#log.changes(operation);
    }
  }

  #sweep(): void {
    if (!this.#database.isOpen) return;
    try {
      if (this.#log.sweep()) {
        setImmediate(() => this.#sweep());
        return;
      }
      this.#reply(this.#sweeping.map(({ id }) => ({ id, result: undefined })));
    } catch (error) {
      const failure = fromSqlite(error, this.#path);
      this.#health.failed(failure);
      this.#reply(this.#sweeping.map(({ id }) => ({ id, error: toWire(failure) })));
    }
    this.#sweeping = [];
  }

  /**
   * Closes the database. An unfinished sweep continues when the store is opened again. The main thread ends this thread after the
   * reply.
   */
  #close({ id }: Request): void {
    this.#health.stop();
    this.#database.close();
    this.#acknowledged.close();
    this.#reply([...this.#sweeping.map((request) => ({ id: request.id, result: undefined })), { id, result: undefined }]);
  }
}

/** Opens the record of the acknowledged revision. @throws StoreError */
function openRecord(path: string, revision: number): AcknowledgedRecord {
  try {
    return new AcknowledgedRecord(acknowledgedPath(path), revision);
  } catch (error) {
    const message = `store ${path}: ${acknowledgedPath(path)} cannot be written: ${errorText(error)}`;
    throw new StoreError('io', message, { cause: error });
  }
}

function sizeOf(operation: Operation | undefined): number {
  if (operation?.op === 'put') return operation.value.byteLength;
  if (operation?.op !== 'transact') return 0;
  const { success, failure } = operation.transaction;
  return [...success, ...failure].reduce((bytes, step) => bytes + (step.op === 'put' ? step.value.byteLength : 0), 0);
}

function start(port: MessagePort): void {
  const { path } = workerData as { path: string };
  try {
    new StoreThread(port, path);
  } catch (error) {
    port.postMessage({ kind: 'refused', error: toWire(error) } satisfies FromWorker);
  }
}

if (parentPort === null) throw new Error('sqlite-worker.ts is the program of a worker thread: use createSqliteStore');
start(parentPort);
