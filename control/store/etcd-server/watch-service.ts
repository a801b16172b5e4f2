/**
 * etcd's Watch service over the embedded store: one stream has many watches, each with its range of keys.
 *
 * Source: etcd.io, API reference (watch); `server/etcdserver/api/v3rpc/watch.go`.
 */

import type { ServerDuplexStream } from '@grpc/grpc-js';
import { errorText, toError } from '#api/error-text.ts';
import type { Clock } from '#client/clock.ts';
import { sleep } from '#client/clock.ts';
import { untilAborted } from '#client/until-aborted.ts';
import type { StoreEvent } from '../store.ts';
import { CompactedError } from '../store.ts';
import type { EmbeddedStore, KeySpan } from '../transaction.ts';
import type { Answers } from './answers.ts';
import { toKeyValue } from './kv-service.ts';
import { commonPrefix, isWithin, spanOf } from './spans.ts';

/** How often a quiet watch with `progress_notify` hears how far it is, as etcd's. */
const progressIntervalMs = 600_000;

interface Create {
  key: Buffer;
  rangeEnd: Buffer;
  startRevision: number;
  progressNotify: boolean;
  filters: ('NOPUT' | 'NODELETE')[];
  prevKv: boolean;
  watchId: number;
}
interface WatchRequest {
  createRequest?: Create | null;
  cancelRequest?: { watchId: number } | null;
  progressRequest?: object | null;
}

type Stream = ServerDuplexStream<WatchRequest, object>;

/** @returns the method of the service */
export function watchService(store: EmbeddedStore, answers: Answers, clock: Clock) {
  return { Watch: (stream: Stream) => new WatchStream({ store, answers, clock, stream }).run() };
}

interface Deps {
  store: EmbeddedStore;
  answers: Answers;
  clock: Clock;
  stream: Stream;
}

interface Watch {
  stop: AbortController;
  /** All its events up to this revision have been sent. */
  position: number;
}

class WatchStream {
  readonly #deps: Deps;
  readonly #watches = new Map<number, Watch>();
  readonly #end = new AbortController();
  #nextId = 0;
  /** A client wants to hear once every watch has come to this revision. */
  #wanted: number | undefined;

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  async run(): Promise<void> {
    const { stream } = this.#deps;
    stream.once('cancelled', () => this.#end.abort());
    stream.once('error', () => this.#end.abort());
    try {
      for await (const request of stream as AsyncIterable<WatchRequest>) await this.#handle(request);
      // A client that has half-closed the stream may still receive events.
      await untilAborted(this.#end.signal);
    } catch (error) {
      if (!this.#end.signal.aborted) stream.destroy(toError(error));
    } finally {
      this.#end.abort();
      for (const { stop } of this.#watches.values()) stop.abort();
      stream.end();
    }
  }

  async #handle({ createRequest, cancelRequest, progressRequest }: WatchRequest): Promise<void> {
    if (createRequest) await this.#create(createRequest);
    else if (cancelRequest) await this.#cancel(cancelRequest.watchId);
    else if (progressRequest) {
      this.#wanted = await this.#deps.store.currentRevision();
      await this.#tellProgress();
    }
  }

  async #create(request: Create): Promise<void> {
    const { store, answers } = this.#deps;
    const newest = await store.currentRevision();
    const header = answers.at(newest);
    const watchId = request.watchId === 0 ? this.#freeId() : request.watchId;
    if (this.#watches.has(watchId)) {
      const cancelReason = 'etcdserver: duplicate watch ID';
      return await this.#send({ header, watchId: -1, created: true, canceled: true, cancelReason });
    }
    let span: KeySpan;
    try {
      span = spanOf(request.key, request.rangeEnd);
    } catch (error) {
      return await this.#send({ header, watchId, created: true, canceled: true, cancelReason: errorText(error) });
    }
    const after = request.startRevision > 0 ? request.startRevision - 1 : newest;
    const watch: Watch = { stop: new AbortController(), position: Math.min(after, newest) };
    this.#watches.set(watchId, watch);
    await this.#send({ header, watchId, created: true });
    void this.#serve(watchId, watch, request, span, after);
    if (request.progressNotify) void this.#notify(watchId, watch);
  }

  #freeId(): number {
    while (this.#watches.has(this.#nextId)) this.#nextId++;
    return this.#nextId++;
  }

  async #cancel(watchId: number): Promise<void> {
    const watch = this.#watches.get(watchId);
    if (watch === undefined) return;
    this.#watches.delete(watchId);
    watch.stop.abort();
    await this.#send({ header: await this.#deps.answers.header(), watchId, canceled: true });
  }

  async #serve(watchId: number, watch: Watch, request: Create, span: KeySpan, after: number): Promise<void> {
    const { store, answers } = this.#deps;
    try {
      for await (const { events, progressRevision } of store.watch(commonPrefix(span), after, watch.stop.signal)) {
        const chosen = events.filter((event) => isChosen(event, request, span)).map((event) => toEvent(event, request.prevKv));
        if (chosen.length > 0) await this.#send({ header: answers.at(progressRevision), watchId, events: chosen });
        watch.position = Math.max(watch.position, progressRevision);
        await this.#tellProgress();
      }
    } catch (error) {
      if (watch.stop.signal.aborted) return;
      this.#watches.delete(watchId);
      const compactRevision = error instanceof CompactedError ? error.compactRevision : 0;
      const cancelReason = compactRevision > 0 ? 'etcdserver: mvcc: required revision has been compacted' : errorText(error);
      await this.#send({ header: answers.at(watch.position), watchId, canceled: true, compactRevision, cancelReason });
    }
  }

  async #notify(watchId: number, watch: Watch): Promise<void> {
    const { answers, clock } = this.#deps;
    while (!watch.stop.signal.aborted) {
      await sleep(clock, progressIntervalMs, watch.stop.signal);
      if (!watch.stop.signal.aborted) await this.#send({ header: answers.at(watch.position), watchId });
    }
  }

  /** One answer for all watches of the stream: etcd's has -1 as its watch. */
  async #tellProgress(): Promise<void> {
    if (this.#wanted === undefined) return;
    const positions = Array.from(this.#watches.values(), ({ position }) => position);
    const slowest = Math.min(...positions, Number.MAX_SAFE_INTEGER);
    if (slowest < this.#wanted) return;
    const revision = positions.length === 0 ? this.#wanted : slowest;
    this.#wanted = undefined;
    await this.#send({ header: this.#deps.answers.at(revision), watchId: -1 });
  }

  /** Resolves once the client has room for more. */
  async #send(response: object): Promise<void> {
    const { stream } = this.#deps;
    if (this.#end.signal.aborted || stream.write(response)) return;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        stream.off('drain', done);
        this.#end.signal.removeEventListener('abort', done);
        resolve();
      };
      stream.once('drain', done);
      this.#end.signal.addEventListener('abort', done, { once: true });
    });
  }
}

function isChosen({ type, entry }: StoreEvent, { filters }: Create, span: KeySpan): boolean {
  return !filters.includes(type === 'put' ? 'NOPUT' : 'NODELETE') && isWithin(span, entry.key);
}

function toEvent({ type, revision, entry, previous }: StoreEvent, prevKv: boolean): object {
  if (type === 'put') return { type: 'PUT', kv: toKeyValue(entry), prevKv: prevKv && previous ? toKeyValue(previous) : null };
  const kv = { key: Buffer.from(entry.key), modRevision: revision };
  return { type: 'DELETE', kv, prevKv: prevKv ? toKeyValue(entry) : null };
}
