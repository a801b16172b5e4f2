/**
 * One gRPC connection to a runtime's socket. Each call has a deadline and a log line with its duration, and fails with a {@link
 * RuntimeError}. The connection is made again by itself after the runtime was restarted.
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

/** What a connection works with. */
export interface ConnectionOptions {
  /** URL of the runtime's socket, for example `unix:///run/containerd/containerd.sock`. */
  endpoint: string;
  log: Logger;
  clock: Clock;
}

/** Options of one call. */
export interface CallOptions {
  /** Deadline of the call. Absent: none. */
  timeoutMs?: number | undefined;
  signal?: AbortSignal | undefined;
  /** For containerd's own services: the containerd namespace of the call. */
  namespace?: string | undefined;
  /** Fields for the log that name the object of the call. */
  subject?: Readonly<Record<string, unknown>> | undefined;
}

/** The gRPC services that are called. */
export type ServiceName =
  | 'runtime.v1.RuntimeService'
  | 'runtime.v1.ImageService'
  | 'containerd.services.events.v1.Events'
  | 'containerd.services.containers.v1.Containers';

/** A connection to a runtime, see {@link createConnection}. */
export interface Connection {
  /** Makes one call and resolves to its reply. @throws RuntimeError */
  call<Reply>(service: ServiceName, method: string, request: object, options: CallOptions): Promise<Reply>;
  /**
   * Starts a streaming call at once and returns its replies. The stream ends when `signal` aborts. @throws RuntimeError when the
   * stream breaks
   */
  stream<Reply>(service: ServiceName, method: string, request: object, signal: AbortSignal): AsyncIterable<Reply>;
  close(): void;
}

/** Largest message, as upstream's kubelet has it. `ExecSync` may return twice 16 MiB. */
const maxMessageBytes = 40 * 1024 * 1024;

/**
 * Longest pause between two attempts to connect, so that a restarted runtime is used again within this time. An attempt costs
 * only a connect(2).
 */
const maxReconnectBackoffMs = 500;

/** Makes a connection. It connects at the first call. */
export function createConnection({ endpoint, log, clock }: ConnectionOptions): Connection {
  const services = { ...loadProto('cri'), ...loadProto('containerd-events'), ...loadProto('containerd-containers') };
  const client = new Client(endpoint, credentials.createInsecure(), {
    'grpc.max_receive_message_length': maxMessageBytes,
    'grpc.max_send_message_length': maxMessageBytes,
    'grpc.initial_reconnect_backoff_ms': 50,
    'grpc.max_reconnect_backoff_ms': maxReconnectBackoffMs,
    // A proxy from the environment (`http_proxy`) must not be used for a Unix socket.
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

/** Returns a call's messages as an iterable. Messages that arrive before the first `next()` are kept. */
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
  // The iterator reports the error, too. Without this handler the error would end the process when nobody iterates yet.
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

/**
 * Turns a gRPC status into a {@link RuntimeError}. The text of `Unavailable` names the endpoint, because the user has to look
 * there.
 */
export function toRuntimeError(error: ServiceError, call: string, endpoint: string): RuntimeError {
  const code = codeNames[error.code] ?? 'Unknown';
  if (code !== 'Unavailable') return new RuntimeError(code, call, error.details, { cause: error });
  const reason = /Last error: (?:Error: )?(.*?)\.?(?: Resolution note:.*)?$/s.exec(error.details)?.[1] ?? error.details;
  return new RuntimeError(code, call, `container runtime at ${endpoint} does not answer: ${reason}`, { cause: error });
}
