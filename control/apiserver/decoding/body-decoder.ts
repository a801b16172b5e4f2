/**
 * Decodes bodies: small ones at once, large ones in a thread of their own, so that the event loop goes on. The thread has a limit of
 * memory and of time per body; beyond them it ends, that body is refused, and the next one gets a new thread.
 */

import { Worker } from 'node:worker_threads';
import { embeddedFiles } from '#api/embedded.ts';
import { parseExact } from '#api/int64.ts';
import { addedTypes } from '#api/schema/facts.ts';
import { ApiError, failure, internalError, requestTooLarge } from '#api/status.ts';
import { letOthersIn } from '#client/turns.ts';
import { type DecodeJob, type DecodeResult, runDecodeJob, type TypesNotice, type WireResult } from './decode-job.ts';

/** Bodies up to here take less time than handing them over would. */
export const inlineBytes = 32 * 1024;
/** Far more than the longest body needs on a busy machine: upstream's `--request-timeout`. */
const deadlineMs = 60_000;
/** The thread's old generation; the bodies' own bytes come on top. */
const maxHeapMb = 512;
/** An idle thread holds its heap: after this time it is let go. */
const idleMs = 15_000;

interface Waiting {
  job: DecodeJob;
  resolve(result: DecodeResult): void;
  reject(error: Error): void;
}

export class BodyDecoder {
  readonly #queue: Waiting[] = [];
  #current: (Waiting & { timer: NodeJS.Timeout }) | undefined;
  #worker: Worker | undefined;
  #idle: NodeJS.Timeout | undefined;
  /** The types that the thread has been told of. */
  #toldTypes = '';

  /** @throws ApiError 400, 413, 415, 422 as the job says; 413 and 504 for what takes too much memory or time */
  async run(job: DecodeJob): Promise<DecodeResult> {
    if (isCheap(job)) return runDecodeJob(job);
    return await new Promise<DecodeResult>((resolve, reject) => {
      this.#queue.push({ job, resolve, reject });
      this.#next();
    });
  }

  /** Ends the thread; what waits is refused. */
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
    // An exact copy that is handed over: the body itself may be a view of a pool.
    const body = new Uint8Array(next.job.body);
    worker.ref();
    const types = addedTypes();
    if (types !== this.#toldTypes) worker.postMessage({ kind: 'types', text: types } satisfies TypesNotice);
    this.#toldTypes = types;
    const job = { ...next.job, body };
    const current = 'current' in job ? job.current : undefined;
    // That one was made for this job alone.
    worker.postMessage(job, current === undefined ? [body.buffer] : [body.buffer, current.buffer]);
  }

  #start(): Worker {
    this.#toldTypes = '';
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

  /** Takes the thread away from the job that it runs, if any. */
  #end(error: Error): void {
    const worker = this.#worker;
    this.#worker = undefined;
    this.#idle = undefined;
    // Ending cannot fail in a way that anybody could act on: the thread is forgotten here.
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

/** Reading the result is one step, what is done with it another one: others are served before both. */
async function settleInTurns(
  { resolve, reject }: Waiting,
  { json, problems }: { json: string; problems: string[] },
): Promise<void> {
  try {
    await letOthersIn();
    const value = parseExact(json);
    await letOthersIn();
    resolve({ value, problems });
  } catch (error) {
    reject(error instanceof Error ? error : new Error(String(error)));
  }
}

/** Aliases of YAML make much of little; protobuf makes an object of two bytes. */
function isCheap(job: DecodeJob): boolean {
  const { body } = job;
  // What comes with a stored object has been sent here because that one is large.
  if (body.length > inlineBytes || 'current' in job) return false;
  const type = job.kind === 'object' ? (job.contentType ?? '') : job.kind === 'configuration' ? 'yaml' : '';
  if (type.includes('yaml')) return !body.includes(0x2a);
  return !type.includes('protobuf') || body.length <= inlineBytes / 4;
}

const tooLarge = (): ApiError => requestTooLarge('Request entity too large: decoding it takes too much memory');
const timeout = (): ApiError => failure(504, 'Timeout', 'Timeout: request did not complete within the allotted timeout', {});
const shuttingDown = (): ApiError => failure(503, 'ServiceUnavailable', 'the server is shutting down');
