/**
 * What lists hold that nobody else does, while they wait for clients to take them, bounded in bytes over all lists:
 *
 * - Of the watch cache a list shares every object, but those that have changed since live on only for it. A list that has seen too much
 *   of that leave the windows is cut off, as a watch is that lags behind.
 * - From the store (an older revision, a continued list) it has objects of its own. Where they are too many, further lists are refused
 *   with 429 until the others have been sent, which their request's time limits.
 */
import { failure } from '#api/status.ts';
import type { TransportResponse } from '#client/transport.ts';

export interface ListLimits {
  /** Objects of their own, by stored size. One list alone may be larger. */
  maxOwnBytes: number;
  /** Objects that are held by lists alone, by stored size. */
  maxOutdatedBytes: number;
}

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

  /** {@link ListUnderWay.end} has to be called, or {@link ListUnderWay.answer}, which does. */
  begin(): ListUnderWay {
    const list: ListUnderWay = new ListUnderWay(
      (bytes) => this.#reserve(list, bytes),
      () => this.#leave(list),
    );
    this.#lists.add(list);
    return list;
  }

  /** Changes of this stored size have left the windows: what they replaced is from now on held by lists alone. */
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

export class ListUnderWay {
  readonly #reserve: (bytes: number) => void;
  readonly #onEnd: () => void;
  readonly #over = new AbortController();
  #ownBytes = 0;
  /** What has left the windows since it began. */
  outdatedBytes = 0;

  constructor(reserve: (bytes: number) => void, onEnd: () => void) {
    this.#reserve = reserve;
    this.#onEnd = onEnd;
  }

  get ownBytes(): number {
    return this.#ownBytes;
  }

  /** @throws ApiError 429 */
  addOwn(bytes: number): void {
    this.#reserve(bytes);
    this.#ownBytes += bytes;
  }

  end(): void {
    this.#onEnd();
  }

  /** Its answer breaks off, also while nobody takes it. */
  cutOff(): void {
    this.#over.abort();
    this.end();
  }

  /** Its answer: the list ends when that has been made, was given up, or when `signal` aborts. */
  answer(response: TransportResponse, signal: AbortSignal): TransportResponse {
    if (signal.aborted) this.end();
    else signal.addEventListener('abort', () => this.end(), { once: true });
    return { ...response, over: this.#over.signal, body: this.#body(response.body[Symbol.asyncIterator]()) };
  }

  /** Not a generator: one that was never asked for anything would not learn that it is given up. */
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

/** Upstream's answer to whoever comes in excess. */
const tooMuch = () => failure(429, 'TooManyRequests', 'Too many requests, please try again later.', { retryAfterSeconds: 1 });
