/**
 * Decodes request bodies. A small body is decoded at once, a large one in a worker thread, so that the event loop serves other requests
 * meanwhile. A body for which the thread needs too much memory or time is refused: the thread is ended, and the next body gets a new one.
 */

import { Worker } from 'node:worker_threads';
import { embeddedFiles } from '#api/embedded.ts';
import { toError } from '#api/error-text.ts';
import { stringifyExact } from '#api/int64.ts';
import { parseSteps } from '#api/json-steps.ts';
import { addedTypes, detailedTypeOf } from '#api/schema/facts.ts';
import { ApiError, failure, internalError, requestTooLarge } from '#api/status.ts';
import { inTurns, letOthersIn } from '#client/turns.ts';
import {
  type DecodeJob,
  type DecodeResult,
  type DetailsNotice,
  runDecodeJob,
  type TypesNotice,
  typeOfJob,
  type WireResult,
} from './decode-job.ts';

/** In bytes: to decode a body up to this length takes less time than to hand it to the thread. */
export const inlineBytes = 32 * 1024;
/** How long the thread may take for one body: upstream's `--request-timeout`, far more than any body needs on a busy machine. */
const deadlineMs = 60_000;
/** The limit of the thread's heap (V8's old generation). The bytes of the bodies are not part of the heap and come on top. */
const maxHeapMb = 512;
const asterisk = '*'.charCodeAt(0);
/** After this time without a job the thread is ended, because an idle thread keeps the memory of its heap. */
const idleMs = 15_000;

interface Waiting {
  job: DecodeJob;
  resolve(result: DecodeResult): void;
  reject(error: Error): void;
}

/** Runs decoding jobs, large ones one after the other in one worker thread. */
export class BodyDecoder {
  readonly #queue: Waiting[] = [];
  #current: (Waiting & { timer: NodeJS.Timeout }) | undefined;
  #worker: Worker | undefined;
  #idle: NodeJS.Timeout | undefined;
  /** The types that were sent to the thread last ({@link TypesNotice}); empty: none. */
  #sentTypes = '';
  /** What the details of types that the thread has are made from ({@link DetailsNotice}). */
  readonly #sentDetails = new Map<string, unknown>();

  /** @throws ApiError 400, 413, 415, 422 as the job says; 413 and 504 for what takes too much memory or time */
  async run(job: DecodeJob): Promise<DecodeResult> {
    if (isCheap(job)) return runDecodeJob(job);
    return await new Promise<DecodeResult>((resolve, reject) => {
      this.#queue.push({ job, resolve, reject });
      this.#next();
    });
  }

  /** Ends the thread. Jobs that run or wait are refused with 503. */
  close(): void {
    clearTimeout(this.#idle);
    for (const { reject } of this.#queue.splice(0)) reject(shuttingDown());
    this.#end(shuttingDown());
  }

  #next(): void {
    if (this.#current !== undefined) return;
    const next = this.#queue.shift();
    if (next === undefined) {
      this.#idle ??= setTimeout(() => this.#end(shuttingDown()), idleMs).unref();
      return;
    }
    clearTimeout(this.#idle);
    this.#idle = undefined;
    const timer = setTimeout(() => this.#end(timeout()), deadlineMs);
    this.#current = { ...next, timer };
    const worker = (this.#worker ??= this.#start());
    // A copy, because its buffer is transferred to the thread, and the buffer of the body itself may be shared (Node's pool).
    const body = new Uint8Array(next.job.body);
    worker.ref();
    const types = addedTypes();
    if (types !== this.#sentTypes) worker.postMessage({ kind: 'types', text: types } satisfies TypesNotice);
    this.#sentTypes = types;
    this.#sendDetails(worker, typeOfJob(next.job));
    const job = { ...next.job, body };
    const current = 'current' in job ? job.current : undefined;
    // `current` needs no copy: its buffer was made for this job alone (`jsonBytesSteps`).
    worker.postMessage(job, current === undefined ? [body.buffer] : [body.buffer, current.buffer]);
  }

  #sendDetails(worker: Worker, typeName: string | undefined): void {
    const source = typeName === undefined ? undefined : detailedTypeOf(typeName)?.source;
    if (typeName === undefined || this.#sentDetails.get(typeName) === source) return;
    if (source === undefined) this.#sentDetails.delete(typeName);
    else this.#sentDetails.set(typeName, source);
    const text = source === undefined ? undefined : stringifyExact(source);
    worker.postMessage({ kind: 'details', typeName, source: text } satisfies DetailsNotice);
  }

  #start(): Worker {
    this.#sentTypes = '';
    this.#sentDetails.clear();
    const code = embeddedFiles['control/apiserver/decoding/decode-worker.ts'];
    const options = { name: 'decode', execArgv: [], resourceLimits: { maxOldGenerationSizeMb: maxHeapMb } };
    const worker =
      code === undefined
        ? new Worker(new URL('./decode-worker.ts', import.meta.url), options)
        : new Worker(code, { ...options, eval: true });
    const isMine = (): boolean => this.#worker === worker;
    worker.on('message', (result: WireResult) => {
      if (isMine()) this.#finish(result);
    });
    worker.on('error', (error: NodeJS.ErrnoException) => {
      const isMemory = error.code === 'ERR_WORKER_OUT_OF_MEMORY';
      if (isMine()) this.#end(isMemory ? tooLarge() : internalError(`decoding failed: ${error.message}`));
    });
    worker.on('exit', () => {
      if (isMine()) this.#end(internalError('decoding ended early'));
    });
    return worker;
  }

  #finish(result: WireResult): void {
    const current = this.#current;
    if (current === undefined) return;
    clearTimeout(current.timer);
    this.#current = undefined;
    this.#worker?.unref();
    if ('json' in result) {
      void settleInTurns(current, result);
    } else current.reject('status' in result ? new ApiError(result.status) : new Error(result.failure));
    this.#next();
  }

  /** Ends the thread and refuses the job that it runs, if any, with `error`. Waiting jobs get a new thread. */
  #end(error: Error): void {
    const worker = this.#worker;
    this.#worker = undefined;
    this.#idle = undefined;
    // Nobody waits until it has ended: this thread is not used again, whatever it still does.
    void worker?.terminate();
    const current = this.#current;
    this.#current = undefined;
    if (current !== undefined) {
      clearTimeout(current.timer);
      current.reject(error);
    }
    if (this.#queue.length > 0) this.#next();
  }
}

/**
 * Parsing the result takes turns of the event loop, and what the caller does with it another one: other requests are served before each.
 */
async function settleInTurns(
  { resolve, reject }: Waiting,
  { json, problems }: { json: string; problems: string[] },
): Promise<void> {
  try {
    const value = await inTurns(parseSteps(json));
    await letOthersIn();
    resolve({ value, problems });
  } catch (error) {
    reject(toError(error));
  }
}

/**
 * Whether a job is so small that it is done at once. A YAML body with an alias (`*`) can become far larger than its text, so it goes to the
 * thread. Protobuf needs only two bytes for an object, so its limit is lower.
 */
function isCheap(job: DecodeJob): boolean {
  const { body } = job;
  // A job with a stored object comes here only when that object is large.
  if (body.length > inlineBytes || 'current' in job) return false;
  const type = job.kind === 'object' ? (job.contentType ?? '') : job.kind === 'configuration' ? 'yaml' : '';
  if (type.includes('yaml')) return !body.includes(asterisk);
  return !type.includes('protobuf') || body.length <= inlineBytes / 4;
}

const tooLarge = (): ApiError => requestTooLarge('Request entity too large: decoding it takes too much memory');
const timeout = (): ApiError => failure(504, 'Timeout', 'Timeout: request did not complete within the allotted timeout', {});
const shuttingDown = (): ApiError => failure(503, 'ServiceUnavailable', 'the server is shutting down');
