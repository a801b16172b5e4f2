/**
 * Answers etcd's API, version 3, over the embedded store, so that etcd's own tools and clients can look into it: `etcdctl get`, `watch`,
 * `snapshot save`, and API servers that expect an etcd. What they do not know: the changes of one transaction have successive revisions,
 * where etcd gives them one; keys are UTF-8.
 *
 * Values stand here as they are stored, encrypted ones encrypted. Whoever may connect may read and change everything.
 */
import {
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type sendUnaryData,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import type { Clock } from '#client/clock.ts';
import { type EtcdService, etcdServices } from '../etcd/etcd-proto.ts';
import type { EmbeddedStore } from '../transaction.ts';
import { Answers } from './answers.ts';
import { kvService } from './kv-service.ts';
import { leaseService } from './lease-service.ts';
import { clusterService, maintenanceService } from './maintenance-service.ts';
import { toRefusal } from './refusals.ts';
import { watchService } from './watch-service.ts';

/** Where and for whom it listens. */
export interface EtcdServerOptions {
  /** `--listen-client-urls`: `https://127.0.0.1:2379`; `http://…` without TLS. */
  urls: readonly string[];
  /** PEM. Clients need a certificate of this CA. Needed for `https` */
  tls?: { clientCa: string; certificate: string; key: string } | undefined;
  /** What tells this store from others: its path. */
  name: string;
}

/** A running server. */
export interface EtcdServer {
  /** The URLs that it listens on, with the ports that it got. */
  urls: readonly string[];
  /** Ends all calls. */
  close(): Promise<void>;
}

type Unary = (request: never) => Promise<object>;
type Streaming = (stream: never) => Promise<void>;

/** Large values come in requests, and large lists go out. */
const unlimited = { 'grpc.max_receive_message_length': 4 << 20, 'grpc.max_send_message_length': -1 };

/** Begins to listen. @throws Error when an address is taken or not ours, or a URL is malformed */
export async function startEtcdServer(store: EmbeddedStore, clock: Clock, options: EtcdServerOptions): Promise<EtcdServer> {
  const answers = new Answers(store, options.name);
  const server = new Server(unlimited);
  const bound: string[] = [];
  const add = (name: EtcdService, methods: Record<string, Unary | Streaming>): void => {
    const definition = etcdServices()[name];
    const handlers: Record<string, unknown> = {};
    for (const [method, handler] of Object.entries(methods)) {
      const isStream = definition[method]?.responseStream === true;
      handlers[method] = isStream ? stream(handler as Streaming) : unary(handler as Unary);
    }
    // grpc-js knows by the definition which of the four kinds of handlers a method has.
    server.addService(definition, handlers as UntypedServiceImplementation);
  };
  add('KV', kvService(store, answers));
  add('Watch', watchService(store, answers, clock));
  add('Lease', leaseService(store, answers));
  add('Maintenance', maintenanceService(store, answers));
  add('Cluster', clusterService(answers, bound));
  try {
    for (const url of options.urls) bound.push(await bind(server, url, options.tls));
  } catch (error) {
    server.forceShutdown();
    throw error;
  }
  return {
    urls: bound,
    close: async () => {
      server.forceShutdown();
    },
  };
}

async function bind(server: Server, url: string, tls: EtcdServerOptions['tls']): Promise<string> {
  const { protocol, hostname, port } = new URL(url);
  const chosen = await new Promise<number>((resolve, reject) => {
    const done = (error: Error | null, at: number): void => {
      if (error === null) resolve(at);
      else reject(new Error(`--listen-client-urls ${url}: ${error.message}`, { cause: error }));
    };
    server.bindAsync(`${hostname}:${port}`, credentialsOf(protocol, url, tls), done);
  });
  return `${protocol}//${hostname}:${chosen}`;
}

function credentialsOf(protocol: string, url: string, tls: EtcdServerOptions['tls']): ServerCredentials {
  if (protocol === 'http:') return ServerCredentials.createInsecure();
  if (tls === undefined) throw new Error(`--listen-client-urls ${url}: there is no certificate for it`);
  const pair = { cert_chain: Buffer.from(tls.certificate), private_key: Buffer.from(tls.key) };
  return ServerCredentials.createSsl(Buffer.from(tls.clientCa), [pair], true);
}

const unary =
  (handler: Unary) =>
  (call: ServerUnaryCall<never, object>, callback: sendUnaryData<object>): void => {
    handler(call.request).then(
      (answer) => callback(null, answer),
      (error: unknown) => callback(toRefusal(error)),
    );
  };

const stream =
  (handler: Streaming) =>
  (call: ServerDuplexStream<never, object> | ServerWritableStream<never, object>): void =>
    void handler(call as never);
