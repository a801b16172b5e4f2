/**
 * The in-process network between clients and the API server. It delays, loses, repeats and cuts requests by the world's weather, and
 * reports every request to the trace.
 */
import { ObjectPiece } from '#client/object-piece.ts';
import type { Transport, TransportRequest, TransportResponse } from '#client/transport.ts';
import type { VirtualTime } from '#client/virtual-time.ts';
import type { UserInfo } from '#control/apiserver/registry/strategy.ts';
import type { Random } from './random.ts';
import type { Trace } from './trace.ts';

/** A client of the network. After it was killed, its requests get no answer. */
export interface Endpoint {
  /** The name in traces and faults: `controllers`, `scheduler`, `kubelet/n1`, `user`. */
  readonly name: string;
  readonly isAlive: boolean;
}

/** Returns the current server; undefined: connections are refused. */
export type ServedBy = () => ((request: TransportRequest, user: UserInfo) => Promise<TransportResponse>) | undefined;

/** The current behaviour of the network. It may change at any time. */
export interface Weather {
  /** The longest delay of a request or an answer, one way. */
  latencyMs: number;
  /** Endpoints without any connection. */
  cut: Set<string>;
  /**
   * Endpoints with a one-way partition: their requests arrive, but every second answer is lost, and watch events arrive only when the
   * partition is over.
   */
  deaf: Set<string>;
  /** Delay of watch events of a resource (`pods`, or `*`) for an endpoint: `controllers pods` → milliseconds. */
  lagMs: Map<string, number>;
  /** Probabilities per request. */
  loseRequest: number;
  loseAnswer: number;
  deliverTwice: number;
  /** Probability per event of a watch. */
  repeatChange: number;
  breakWatch: number;
}

/** Weather without faults. */
export const calm = (): Weather => ({
  latencyMs: 3,
  cut: new Set(),
  deaf: new Set(),
  lagMs: new Map(),
  loseRequest: 0,
  loseAnswer: 0,
  deliverTwice: 0,
  repeatChange: 0,
  breakWatch: 0,
});

/** The trace's record of an ordinary request. */
export interface Exchange {
  from: string;
  user: string;
  request: TransportRequest;
  /** The status code; absent when the server has not answered. */
  status?: number;
  /** The error that the client gets instead of the answer. */
  failed?: string;
}

/** Observes requests. */
export interface NetworkObserver {
  /** Called before the request is served. */
  arrived(exchange: Exchange): void;
  /** Called when the request has been served twice. */
  twice(exchange: Exchange): void;
  /** Called after the request was answered or has failed. */
  ended(exchange: Exchange): void;
}

/** The dependencies of a network. */
export interface NetworkDeps {
  time: VirtualTime;
  random: Random;
  trace: Trace;
  served: ServedBy;
  observer: NetworkObserver;
}

/** Interval in ms at which a one-way partition is checked for its end. */
const deafMs = 500;
const after = (time: VirtualTime, ms: number): Promise<void> =>
  new Promise((resolve) => {
    time.after(ms, resolve);
  });
const never = new Promise<never>(() => undefined);
const isWrite = (method: string): boolean => method !== 'GET' && method !== 'HEAD';

/** All connections of a world. */
export class Network {
  weather: Weather = calm();
  /** Whether answers have been lost, so that clients may not know the result of their requests. */
  lossy = false;
  readonly #deps: NetworkDeps;
  readonly #breakers = new Set<{ endpoint: Endpoint; breakOff: (why: Error) => void }>();

  constructor(deps: NetworkDeps) {
    this.#deps = deps;
  }

  /** The transport of a client. */
  transport(endpoint: Endpoint, user: UserInfo): Transport {
    return (request) => (isWatch(request) ? this.#watch(endpoint, user, request) : this.#exchange(endpoint, user, request));
  }

  /** Breaks open connections, as a crash of the server or a partition does. @param of name of an endpoint; absent: all */
  breakConnections(why: string, of?: string): void {
    for (const { endpoint, breakOff } of this.#breakers) if (of === undefined || endpoint.name === of) breakOff(new Error(why));
  }

  async #exchange(endpoint: Endpoint, user: UserInfo, request: TransportRequest): Promise<TransportResponse> {
    const exchange: Exchange = { from: endpoint.name, user: user.name, request };
    try {
      const response = await this.#unlessBroken(endpoint, () => this.#deliver(endpoint, user, request, exchange));
      exchange.status = response.status;
      return response;
    } catch (error) {
      exchange.failed = String(error);
      throw error;
    } finally {
      if (!endpoint.isAlive) await never;
      this.#deps.observer.ended(exchange);
    }
  }

  async #deliver(endpoint: Endpoint, user: UserInfo, request: TransportRequest, exchange: Exchange): Promise<TransportResponse> {
    const { random, served, observer } = this.#deps;
    await this.#delay();
    this.#refuse(endpoint);
    if (random.chance(this.weather.loseRequest)) throw new Error('read ECONNRESET (the request was lost)');
    const handle = served();
    if (handle === undefined) throw new Error('connect ECONNREFUSED');
    observer.arrived(exchange);
    let response = await whole(await handle(request, user));
    exchange.status = response.status;
    if (isWrite(request.method) && random.chance(this.weather.deliverTwice)) {
      observer.twice(exchange);
      const again = await whole(await handle(request, user));
      this.#deps.trace.note(`${endpoint.name}: ${request.method} was delivered twice: ${response.status}, ${again.status}`);
      if (random.chance(0.5)) response = again;
    }
    const loses = this.weather.deaf.has(endpoint.name) ? 0.5 : this.weather.loseAnswer;
    if (random.chance(loses)) throw new Error('socket hang up (the answer was lost)');
    await this.#delay();
    this.#refuse(endpoint);
    return response;
  }

  async #watch(endpoint: Endpoint, user: UserInfo, request: TransportRequest): Promise<TransportResponse> {
    await this.#delay();
    this.#refuse(endpoint);
    const handle = this.#deps.served();
    if (handle === undefined) throw new Error('connect ECONNREFUSED');
    const response = await this.#unlessBroken(endpoint, () => handle(request, user));
    if (response.status !== 200) return whole(response);
    return { ...response, body: this.#changes(endpoint, resourceOf(request.path), response, request.signal) };
  }

  async *#changes(
    endpoint: Endpoint,
    resource: string,
    { body }: TransportResponse,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<Uint8Array> {
    const { random, time } = this.#deps;
    const source = body[Symbol.asyncIterator]();
    const broken = Promise.withResolvers<never>();
    broken.promise.catch(() => undefined);
    const breaker = { endpoint, breakOff: broken.reject };
    this.#breakers.add(breaker);
    try {
      for (;;) {
        const next = await Promise.race([source.next(), broken.promise]);
        if (next.done === true) return;
        const lagMs = this.weather.lagMs.get(`${endpoint.name} ${resource}`) ?? this.weather.lagMs.get(`${endpoint.name} *`) ?? 0;
        const delayMs = lagMs > 0 ? random.between(lagMs >> 1, lagMs) : this.#latency();
        while (this.weather.deaf.has(endpoint.name)) await Promise.race([after(time, deafMs), broken.promise]);
        if (delayMs > 0) await Promise.race([after(time, delayMs), broken.promise]);
        if (!endpoint.isAlive) await never;
        if (signal?.aborted === true) return;
        this.#refuse(endpoint);
        if (random.chance(this.weather.breakWatch)) throw new Error('read ECONNRESET (the watch broke)');
        yield next.value;
        if (random.chance(this.weather.repeatChange) && isOneChange(next.value)) yield next.value;
      }
    } finally {
      this.#breakers.delete(breaker);
      // Tell the server that the reader is gone. Its result does not matter.
      source.return?.().catch(() => undefined);
    }
  }

  async #unlessBroken<T>(endpoint: Endpoint, work: () => Promise<T>): Promise<T> {
    const broken = Promise.withResolvers<never>();
    const breaker = { endpoint, breakOff: broken.reject };
    this.#breakers.add(breaker);
    try {
      return await Promise.race([work(), broken.promise]);
    } finally {
      this.#breakers.delete(breaker);
    }
  }

  #refuse({ name }: Endpoint): void {
    if (this.weather.cut.has(name)) throw new Error('connect EHOSTUNREACH');
  }

  #latency(): number {
    return this.#deps.random.between(0, this.weather.latencyMs);
  }

  async #delay(): Promise<void> {
    const delayMs = this.#latency();
    if (delayMs > 0) await after(this.#deps.time, delayMs);
  }
}

const isWatch = ({ path }: TransportRequest): boolean => path.includes('watch=true');

/** The resource of a list or watch: the last part of its path. */
const resourceOf = (path: string): string => (path.split('?')[0] as string).split('/').at(-1) as string;

const newline = 10;
/** A piece with several changes is not repeated: the first of them would come after the last. */
function isOneChange(piece: Uint8Array): boolean {
  if (piece instanceof ObjectPiece) return piece.part.kind === 'events' && piece.part.events.length === 1;
  return piece.indexOf(newline) === piece.length - 1;
}

async function whole(response: TransportResponse): Promise<TransportResponse> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of response.body) chunks.push(chunk);
  return {
    ...response,
    body: (async function* () {
      yield* chunks;
    })(),
  };
}
