/**
 * The way between clients and the API server, within the process: what a network does to requests (delay, loss, double delivery, cuts) is
 * done here, as the world's weather says. Every request is told to the trace.
 */
import type { Transport, TransportRequest, TransportResponse } from '#client/transport.ts';
import type { UserInfo } from '#control/apiserver/registry/strategy.ts';
import type { Random } from './random.ts';
import type { Trace } from './trace.ts';
import type { VirtualTime } from './virtual-time.ts';

/** A client of the network. It ends once; its requests then get no answer any more, as those of a process that is gone. */
export interface Endpoint {
  /** As traces and faults call it: `controllers`, `scheduler`, `kubelet/n1`, `user`. */
  readonly name: string;
  readonly isAlive: boolean;
}

/** Who serves at the moment; absent: connections are refused. */
export type ServedBy = () => ((request: TransportRequest, user: UserInfo) => Promise<TransportResponse>) | undefined;

/** What the network does at the moment. All of it may change at any time. */
export interface Weather {
  /** The longest delay of a request or an answer, one way. */
  latencyMs: number;
  /** Endpoints that reach nobody. */
  cut: Set<string>;
  /** Endpoints whose requests arrive, while answers are lost (each second one) and changes come only when this is over: a partition one way. */
  deaf: Set<string>;
  /** How long changes of a resource (`pods`, or `*`) take to an endpoint: `controllers pods` → milliseconds. */
  lagMs: Map<string, number>;
  /** Probabilities of one request. */
  loseRequest: number;
  loseAnswer: number;
  deliverTwice: number;
  /** Of one piece of a watch. */
  repeatChange: number;
  breakWatch: number;
}

/** Nothing goes wrong. */
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

/** What is told of an ordinary request. */
export interface Exchange {
  from: string;
  user: string;
  request: TransportRequest;
  /** The answer's code; absent where the server has given none. */
  status?: number;
  /** What the client gets instead of the answer. */
  failed?: string;
}

/** Is told of requests. */
export interface NetworkObserver {
  /** Before it is served. */
  arrived(exchange: Exchange): void;
  /** It has been served twice. */
  twice(exchange: Exchange): void;
  /** After it has been answered, or has failed. */
  ended(exchange: Exchange): void;
}

/** What a network is made of. */
export interface NetworkDeps {
  time: VirtualTime;
  random: Random;
  trace: Trace;
  served: ServedBy;
  observer: NetworkObserver;
}

/** How often somebody deaf is looked at again. */
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
  /** Whether answers have been lost: clients do not know all that they have done. */
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

  /** Ends open connections, as the end of the server or a partition does. @param of absent: of everybody */
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
        if (random.chance(this.weather.repeatChange) && isOneLine(next.value)) yield next.value;
      }
    } finally {
      this.#breakers.delete(breaker);
      // The server learns that nobody reads any more. What it says to that concerns nobody.
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

/** The plural of what a list or watch is about: the last part of its path. */
const resourceOf = (path: string): string => (path.split('?')[0] as string).split('/').at(-1) as string;

const newline = 10;
const isOneLine = (chunk: Uint8Array): boolean => chunk.indexOf(newline) === chunk.length - 1;

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
