/**
 * Calls to the members of an etcd cluster. One member is asked until it fails to answer; then the next one.
 *
 *   preferred member ──(no connection, no leader, too slow)──▶ the next one is preferred
 *
 * A read is repeated until its time is over, a write only where it is certain that the first attempt had no effect.
 *
 * Source: etcd client v3 (retry of unary calls, keep-alive); apiserver `pkg/storage/storagebackend/factory/etcd3.go` (its times).
 */

import {
  Client,
  type ClientDuplexStream,
  connectivityState,
  Metadata,
  type MethodDefinition,
  type ServiceError,
  status,
} from '@grpc/grpc-js';
import type { Logger } from 'pino';
import { errorText } from '#api/error-text.ts';
import { type Clock, sleep } from '#client/clock.ts';
import { StoreError } from '../errors.ts';
import { credentialsOf } from './etcd-credentials.ts';
import { type Endpoint, type EtcdAccess, nameOption, parseEndpoint } from './etcd-endpoints.ts';
import { outcomeOf, serviceErrorOf, toStoreError } from './etcd-errors.ts';
import { type EtcdService, etcdServices } from './etcd-proto.ts';
import { Slots } from './slots.ts';

/** Upstream's numbers: a member that does not answer a ping within 10 s, sent after 30 quiet seconds, counts as gone. */
const keepAlive = { 'grpc.keepalive_time_ms': 30_000, 'grpc.keepalive_timeout_ms': 10_000 };
/** How long a connection may take before the next member is asked. */
const connectMs = 1_500;
/** Reads, and writes, under way at a time: beyond it their time would be over while they wait in a socket. */
const maxCalls = 128;
/** Pauses between attempts. */
const retryMs = 50;
const maxRetryMs = 500;

/** What is called, and what a repetition would mean. */
export interface CallOptions {
  /** The time for all attempts together, from the moment that it is sent. */
  timeoutMs: number;
  /** The time of the first attempt, after which the next member is asked; later ones have twice as much each. Only of reads. */
  attemptMs?: number | undefined;
  /** A read may be repeated whatever became of the first attempt. */
  isRead: boolean;
  /** The lease in the request, for the error when there is none. */
  lease?: number;
}

/** A stream to one member. */
export interface EtcdStream<Request extends object, Reply extends object> {
  call: ClientDuplexStream<Request, Reply>;
  /** Makes another member the preferred one, if this stream's member is it. */
  suspect(): void;
}

interface Member {
  endpoint: Endpoint;
  client: Client;
}

/** The connections to all members; made when they are needed. */
export class EtcdConnection {
  readonly #members: readonly Member[];
  readonly #clock: Clock;
  readonly #log: Logger | undefined;
  readonly #closing = new AbortController();
  readonly #reads = new Slots(maxCalls);
  readonly #writes = new Slots(maxCalls);
  #preferred: number;

  /** @throws Error when an endpoint is no URL, or a certificate cannot be read */
  constructor(access: EtcdAccess, { clock, random, log }: { clock: Clock; random: () => number; log?: Logger | undefined }) {
    this.#clock = clock;
    this.#log = log;
    this.#members = access.endpoints.map((url) => {
      const endpoint = parseEndpoint(url);
      const client = new Client(endpoint.target, credentialsOf(endpoint, access), {
        ...keepAlive,
        ...nameOption(endpoint),
        // Each member is a target of its own, and each has its own connection.
        'grpc.use_local_subchannel_pool': 1,
        'grpc.max_receive_message_length': -1,
        'grpc.max_send_message_length': -1,
        'grpc.initial_reconnect_backoff_ms': 50,
        'grpc.max_reconnect_backoff_ms': 500,
        'grpc.enable_http_proxy': 0,
      });
      return { endpoint, client };
    });
    if (this.#members.length === 0) throw new Error('etcd: no endpoints: give at least one URL');
    this.#preferred = Math.floor(random() * this.#members.length);
  }

  /** The members' URLs, for messages. */
  get where(): string {
    return `etcd (${this.#members.map(({ endpoint }) => endpoint.url).join(', ')})`;
  }

  /**
   * Makes one call.
   * @throws StoreError `unavailable` when nobody answers in time; of a write that may have happened, too
   * @throws ServiceError when etcd refuses it
   */
  call<Reply>(service: EtcdService, method: string, request: object, options: CallOptions): Promise<Reply> {
    const slots = options.isRead ? this.#reads : this.#writes;
    return slots.run(() => this.#call<Reply>(service, method, request, options));
  }

  async #call<Reply>(service: EtcdService, method: string, request: object, options: CallOptions): Promise<Reply> {
    const endMs = this.#clock.monotonic() + options.timeoutMs;
    let pauseMs = retryMs;
    for (let attempt = 0; ; attempt++) {
      const at = this.#preferred;
      // A busy member must not be taken for a dead one for ever.
      const attemptMs = options.attemptMs === undefined ? undefined : options.attemptMs * 2 ** attempt;
      const error = await this.#attempt<Reply>(at, service, method, request, { ...options, attemptMs }, endMs);
      if ('reply' in error) return error.reply;
      const { failure, outcome } = error;
      if (outcome === 'refused') throw failure;
      this.#suspect(at, failure);
      const isOver = this.#closing.signal.aborted || this.#clock.monotonic() + pauseMs >= endMs;
      if (isOver || (outcome === 'unknown' && !options.isRead)) throw toStoreError(failure, this.where, options.lease);
      await sleep(this.#clock, pauseMs, this.#closing.signal);
      pauseMs = Math.min(pauseMs * 2, maxRetryMs);
    }
  }

  async #attempt<Reply>(
    at: number,
    service: EtcdService,
    method: string,
    request: object,
    options: CallOptions,
    endMs: number,
  ): Promise<{ reply: Reply } | { failure: ServiceError; outcome: 'not-done' | 'unknown' | 'refused' }> {
    const { client, endpoint } = this.#members[at] as Member;
    const leftMs = Math.max(1, endMs - this.#clock.monotonic());
    try {
      await settled(client, Math.min(connectMs, leftMs));
    } catch (error) {
      return { failure: unreachable(endpoint.url, error), outcome: 'not-done' };
    }
    const timeoutMs = options.isRead ? Math.min(options.attemptMs ?? leftMs, leftMs) : leftMs;
    try {
      return { reply: await unary<Reply>(client, definitionOf(service, method), request, timeoutMs) };
    } catch (error) {
      const failure = serviceErrorOf(error);
      if (failure === undefined) throw error;
      return { failure, outcome: outcomeOf(failure) };
    }
  }

  #suspect(at: number, failure: ServiceError): void {
    if (at !== this.#preferred || this.#members.length === 1) return;
    this.#preferred = (at + 1) % this.#members.length;
    const urls = { from: this.#members[at]?.endpoint.url, to: this.#members[this.#preferred]?.endpoint.url };
    this.#log?.debug({ ...urls, reason: failure.details }, 'etcd: asking another member');
  }

  /**
   * Opens a stream to the preferred member. The member ends it by itself when it has lost the leader.
   * @throws StoreError `unavailable` when there is no connection
   */
  async stream<Request extends object, Reply extends object>(
    service: EtcdService,
    method: string,
  ): Promise<EtcdStream<Request, Reply>> {
    const at = this.#preferred;
    const { client, endpoint } = this.#members[at] as Member;
    const suspect = (): void => this.#suspect(at, unreachable(endpoint.url, 'its stream ended'));
    try {
      await settled(client, connectMs);
    } catch (error) {
      suspect();
      throw toStoreError(unreachable(endpoint.url, error), this.where);
    }
    const { path, requestSerialize, responseDeserialize } = definitionOf(service, method);
    // The proto file says what it answers; the caller names the type.
    const deserialize = responseDeserialize as (bytes: Buffer) => Reply;
    const call = client.makeBidiStreamRequest<Request, Reply>(path, requestSerialize, deserialize, needLeader());
    return { call, suspect };
  }

  /** Pauses that end when the connection is closed. */
  async pause(ms: number): Promise<void> {
    await sleep(this.#clock, ms, this.#closing.signal);
  }

  /** Ends all calls. */
  close(): void {
    this.#closing.abort();
    for (const { client } of this.#members) client.close();
  }
}

/** Without a leader a member answers at once that there is none; it would else let the request wait. */
function needLeader(): Metadata {
  const metadata = new Metadata();
  metadata.set('hasleader', 'true');
  return metadata;
}

function definitionOf(service: EtcdService, method: string): MethodDefinition<object, object> {
  const found = etcdServices()[service][method];
  if (found === undefined) throw new Error(`proto: ${service} has no method ${method}`);
  return found as unknown as MethodDefinition<object, object>;
}

/**
 * Resolves once there is a connection, or an attempt has failed: a call then fails at once and says why. While a connection is being made, a
 * call would wait, and nobody could say later whether it was sent.
 */
async function settled(client: Client, timeoutMs: number): Promise<void> {
  const channel = client.getChannel();
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const state = channel.getConnectivityState(true);
    if (state !== connectivityState.IDLE && state !== connectivityState.CONNECTING) return;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    channel.watchConnectivityState(state, deadline, (error) =>
      error === undefined ? resolve() : reject(new Error(`no connection within ${timeoutMs} ms`)),
    );
    await promise;
  }
}

const unreachable = (url: string, why: unknown): ServiceError => {
  const details = `No connection established. Last error: ${url}: ${errorText(why)}`;
  return Object.assign(new Error(details), { code: status.UNAVAILABLE, details, metadata: new Metadata() });
};

function unary<Reply>(
  client: Client,
  { path, requestSerialize, responseDeserialize }: MethodDefinition<object, object>,
  request: object,
  timeoutMs: number,
): Promise<Reply> {
  return new Promise<Reply>((resolve, reject) => {
    const deadline = Date.now() + timeoutMs;
    client.makeUnaryRequest(path, requestSerialize, responseDeserialize, request, needLeader(), { deadline }, (error, reply) => {
      if (error !== null) reject(error);
      else if (reply === undefined) reject(new StoreError('unavailable', `etcd gave an empty answer to ${path}`));
      else resolve(reply as Reply);
    });
  });
}
