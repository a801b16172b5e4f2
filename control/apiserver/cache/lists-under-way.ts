/**
 * Bounds the memory that lists use while they are sent to clients that read slowly. In bytes, over all lists:
 *
 * - A list from the watch cache shares its objects with the cache. When an object changes, the old version stays in memory for such lists
 *   alone. A list during which too many old versions have come to be is cut off, as a watch that lags behind is.
 * - A list from the store (at an older revision, or continued) holds objects of its own. Where all such lists together hold too much, a
 *   further one is refused with 429 until others have been sent. The time limit of a request ends each of them.
 */
import { failure } from '#api/status.ts';
import type { TransportResponse } from '#client/transport.ts';

/** How much memory lists that are being sent may hold. */
export interface ListLimits {
  /** For objects read from the store, by stored size in bytes. One list alone may be larger. */
  maxOwnBytes: number;
  /** For old versions that the cache no longer holds, by stored size in bytes. */
  maxOutdatedBytes: number;
}

/** All lists that are being sent now. */
export class ListsUnderWay {
  readonly #limits: ListLimits;
  readonly #lists = new Set<ListUnderWay>();
  #ownBytes = 0;

  constructor(limits: ListLimits) {
    this.#limits = limits;
  }

  get count(): number {
    return this.#lists.size;
  }

  get ownBytes(): number {
    return this.#ownBytes;
  }

  /** Counts one more list. The caller must call {@link ListUnderWay.end}, or {@link ListUnderWay.answer}, which calls it. */
  begin(): ListUnderWay {
    const list: ListUnderWay = new ListUnderWay(
      (bytes) => this.#reserve(list, bytes),
      () => this.#leave(list),
    );
    this.#lists.add(list);
    return list;
  }

  /** The windows have dropped changes of this stored size (bytes): the versions that these replaced are from now on held by lists alone. */
  outdated(bytes: number): void {
    for (const list of this.#lists) {
      list.outdatedBytes += bytes;
      if (list.outdatedBytes > this.#limits.maxOutdatedBytes) list.cutOff();
    }
  }

  #reserve(list: ListUnderWay, bytes: number): void {
    const ofOthers = this.#ownBytes - list.ownBytes;
    if (ofOthers > 0 && this.#ownBytes + bytes > this.#limits.maxOwnBytes) throw tooMuch();
    this.#ownBytes += bytes;
  }

  #leave(list: ListUnderWay): void {
    if (this.#lists.delete(list)) this.#ownBytes -= list.ownBytes;
  }
}

/** One list that is being sent. */
export class ListUnderWay {
  readonly #reserve: (bytes: number) => void;
  readonly #onEnd: () => void;
  readonly #over = new AbortController();
  #ownBytes = 0;
  /** Stored size in bytes of the changes that have left the windows since this list began. */
  outdatedBytes = 0;

  constructor(reserve: (bytes: number) => void, onEnd: () => void) {
    this.#reserve = reserve;
    this.#onEnd = onEnd;
  }

  get ownBytes(): number {
    return this.#ownBytes;
  }

  /**
   * Counts an object that this list has read from the store, by its stored size.
   * @throws ApiError 429 when all lists together hold too much
   */
  addOwn(bytes: number): void {
    this.#reserve(bytes);
    this.#ownBytes += bytes;
  }

  end(): void {
    this.#onEnd();
  }

  /** Breaks its answer off, also while the client takes nothing of it. */
  cutOff(): void {
    this.#over.abort();
    this.end();
  }

  /** Wraps its answer, so that the list ends when the answer has been sent or given up, or when `signal` aborts. */
  answer(response: TransportResponse, signal: AbortSignal): TransportResponse {
    if (signal.aborted) this.end();
    else signal.addEventListener('abort', () => this.end(), { once: true });
    return { ...response, over: this.#over.signal, body: this.#body(response.body[Symbol.asyncIterator]()) };
  }

  /** Not a generator: `return()` of a generator that has not started does not run its `finally`. */
  #body(pieces: AsyncIterator<Uint8Array>): AsyncIterableIterator<Uint8Array> {
    const { signal } = this.#over;
    const end = (): void => this.end();
    const body: AsyncIterableIterator<Uint8Array> = {
      [Symbol.asyncIterator]: () => body,
      async next() {
        if (signal.aborted) throw new Error('the client takes too long for its list: too much of it has changed meanwhile');
        try {
          const next = await pieces.next();
          if (next.done === true) end();
          return next;
        } catch (error) {
          end();
          throw error;
        }
      },
      async return() {
        end();
        await pieces.return?.();
        return { value: undefined, done: true };
      },
    };
    return body;
  }
}

/** Upstream's answer to requests above a limit. */
const tooMuch = () => failure(429, 'TooManyRequests', 'Too many requests, please try again later.', { retryAfterSeconds: 1 });
