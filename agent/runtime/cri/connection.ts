/**
 * One gRPC connection to a runtime's socket. Every call goes through it, and gets: a deadline, a log line with its duration,
 * a {@link RuntimeError} for every failure, and a connection that comes back by itself when the runtime does.
 */
import { PassThrough } from 'node:stream';
import {
  Client,
  type ClientReadableStream,
  credentials,
  Metadata,
  type MethodDefinition,
  type ServiceError,
  status,
} from '@grpc/grpc-js';
import type { ServiceDefinition } from '@grpc/proto-loader';
import type { Logger } from 'pino';
import type { Clock } from '#client/clock.ts';
import { RuntimeError, type RuntimeErrorCode } from '../runtime.ts';
import { loadProto } from './proto.ts';

export interface ConnectionOptions {
  /** `unix:///run/containerd/containerd.sock` */
  endpoint: string;
  log: Logger;
  clock: Clock;
}

export interface CallOptions {
  /** Absent: the call may last for ever. */
  timeoutMs?: number | undefined;
  signal?: AbortSignal | undefined;
  /** Of containerd's own services: the containerd namespace that the call is about. */
  namespace?: string | undefined;
  /** What the call is about, for the log. */
  subject?: Readonly<Record<string, unknown>> | undefined;
}

export type ServiceName =
  | 'runtime.v1.RuntimeService'
  | 'runtime.v1.ImageService'
  | 'containerd.services.events.v1.Events'
  | 'containerd.services.containers.v1.Containers';

export interface Connection {
  /** @throws RuntimeError */
  call<Reply>(service: ServiceName, method: string, request: object, options: CallOptions): Promise<Reply>;
  /** Begins at once. Ends when `signal` aborts. @throws RuntimeError when the stream breaks */
  stream<Reply>(service: ServiceName, method: string, request: object, signal: AbortSignal): AsyncIterable<Reply>;
  close(): void;
}

/** As upstream's kubelet allows for a reply, and enough for the 2 x 16 MiB that `ExecSync` may return. */
const maxMessageBytes = 40 * 1024 * 1024;

/** A restarted runtime is used again within this time; the attempts in between cost a connect(2) each. */
const maxReconnectBackoffMs = 500;

export function createConnection({ endpoint, log, clock }: ConnectionOptions): Connection {
  const services = { ...loadProto('cri'), ...loadProto('containerd-events'), ...loadProto('containerd-containers') };
  const client = new Client(endpoint, credentials.createInsecure(), {
    'grpc.max_receive_message_length': maxMessageBytes,
    'grpc.max_send_message_length': maxMessageBytes,
    'grpc.initial_reconnect_backoff_ms': 50,
    'grpc.max_reconnect_backoff_ms': maxReconnectBackoffMs,
    // A proxy for the machine's web traffic has no business between the kubelet and a Unix socket.
    'grpc.enable_http_proxy': 0,
    'grpc.default_authority': 'localhost',
  });

  const definition = (service: ServiceName, method: string): MethodDefinition<object, object> => {
    const found = (services[service] as ServiceDefinition)[method];
    if (found === undefined) throw new Error(`proto: ${service} has no method ${method}`);
    return found as unknown as MethodDefinition<object, object>;
  };

  return {
    call<Reply>(service: ServiceName, method: string, request: object, options: CallOptions): Promise<Reply> {
      const { path, requestSerialize, responseDeserialize } = definition(service, method);
      const startMs = clock.now();
      return new Promise<Reply>((resolve, reject) => {
        const abort = (): void => call.cancel();
        const call = client.makeUnaryRequest(
          path,
          requestSerialize,
          responseDeserialize,
          request,
          metadataOf(options),
          options.timeoutMs === undefined ? {} : { deadline: Date.now() + options.timeoutMs },
          (error, reply) => {
            options.signal?.removeEventListener('abort', abort);
            const failure = error === null ? undefined : toRuntimeError(error, method, endpoint);
            log.debug(
              { call: method, ...options.subject, durationMs: clock.now() - startMs, code: failure?.code ?? 'OK' },
              'CRI call',
            );
            if (failure !== undefined) reject(failure);
            else if (reply === undefined)
              reject(new RuntimeError('Internal', method, `${endpoint} gave an empty reply to ${method}`));
            else resolve(reply as Reply);
          },
        );
        if (options.signal?.aborted === true) abort();
        else options.signal?.addEventListener('abort', abort, { once: true });
      });
    },

    stream<Reply>(service: ServiceName, method: string, request: object, signal: AbortSignal): AsyncIterable<Reply> {
      const { path, requestSerialize, responseDeserialize } = definition(service, method);
      const call = client.makeServerStreamRequest(path, requestSerialize, responseDeserialize, request);
      return relay<Reply>(call, (error) => toRuntimeError(error, method, endpoint), signal);
    },

    close: () => client.close(),
  };
}

function metadataOf({ namespace }: CallOptions): Metadata {
  const metadata = new Metadata();
  if (namespace !== undefined) metadata.set('containerd-namespace', namespace);
  return metadata;
}

/** Turns a call's messages into an iterable that does not lose what comes before the first `next()`. */
function relay<Reply>(
  call: ClientReadableStream<object>,
  convert: (error: ServiceError) => RuntimeError,
  signal: AbortSignal,
): AsyncIterable<Reply> {
  const queue = new PassThrough({ objectMode: true });
  const abort = (): void => call.cancel();
  call.on('data', (message: object) => queue.write(message));
  call.on('error', (error: ServiceError) => (signal.aborted ? queue.end() : queue.destroy(convert(error))));
  call.on('end', () => queue.end());
  queue.once('close', () => {
    signal.removeEventListener('abort', abort);
    call.cancel();
  });
  // The error also reaches whoever iterates; without a listener it would end the process where nobody iterates yet.
  queue.on('error', () => undefined);
  if (signal.aborted) abort();
  else signal.addEventListener('abort', abort, { once: true });
  return queue as AsyncIterable<Reply>;
}

const codeNames: Readonly<Record<number, RuntimeErrorCode>> = {
  [status.CANCELLED]: 'Cancelled',
  [status.UNKNOWN]: 'Unknown',
  [status.INVALID_ARGUMENT]: 'InvalidArgument',
  [status.DEADLINE_EXCEEDED]: 'DeadlineExceeded',
  [status.NOT_FOUND]: 'NotFound',
  [status.ALREADY_EXISTS]: 'AlreadyExists',
  [status.PERMISSION_DENIED]: 'PermissionDenied',
  [status.RESOURCE_EXHAUSTED]: 'ResourceExhausted',
  [status.FAILED_PRECONDITION]: 'FailedPrecondition',
  [status.ABORTED]: 'Aborted',
  [status.OUT_OF_RANGE]: 'OutOfRange',
  [status.UNIMPLEMENTED]: 'Unimplemented',
  [status.INTERNAL]: 'Internal',
  [status.UNAVAILABLE]: 'Unavailable',
  [status.DATA_LOSS]: 'DataLoss',
  [status.UNAUTHENTICATED]: 'Unauthenticated',
};

/** A gRPC status as our error. The text of `Unavailable` names the endpoint, since the reader has to go and look there. */
export function toRuntimeError(error: ServiceError, call: string, endpoint: string): RuntimeError {
  const code = codeNames[error.code] ?? 'Unknown';
  if (code !== 'Unavailable') return new RuntimeError(code, call, error.details, { cause: error });
  const reason = /Last error: (?:Error: )?(.*?)\.?(?: Resolution note:.*)?$/s.exec(error.details)?.[1] ?? error.details;
  return new RuntimeError(code, call, `container runtime at ${endpoint} does not answer: ${reason}`, { cause: error });
}
