/** Calls Docker's Engine API with deadlines and our error codes. No other module reads Docker's statuses and messages. */
import Docker from 'dockerode';
import type { Logger } from 'pino';
import type { Clock } from '#client/clock.ts';
import { RuntimeError, type RuntimeErrorCode } from '../runtime.ts';

/** The Engine API, see {@link createDockerApi}. */
export interface DockerApi {
  docker: Docker;
  /**
   * Runs one call.
   * @param timeoutMs deadline; 0: none. Default: that of the options
   * @throws RuntimeError
   */
  call<Reply>(name: string, run: (docker: Docker) => Promise<Reply>, timeoutMs?: number): Promise<Reply>;
}

/** What the API calls work with. */
export interface DockerApiOptions {
  socketPath: string;
  log: Logger;
  clock: Clock;
  /** Default deadline of a call. */
  callMs: number;
}

/** Makes the API. It connects at each call. */
export function createDockerApi({ socketPath, log, clock, callMs }: DockerApiOptions): DockerApi {
  const docker = new Docker({ socketPath });
  return {
    docker,
    async call(name, run, timeoutMs = callMs) {
      const startMs = clock.now();
      let code: RuntimeErrorCode | 'OK' = 'OK';
      try {
        return await withDeadline(docker, run, name, timeoutMs, clock);
      } catch (error) {
        const failure = toRuntimeError(error, name, socketPath);
        code = failure.code;
        throw failure;
      } finally {
        log.debug({ call: name, durationMs: clock.now() - startMs, code }, 'Docker call');
      }
    },
  };
}

async function withDeadline<Reply>(
  docker: Docker,
  run: (docker: Docker) => Promise<Reply>,
  name: string,
  timeoutMs: number,
  clock: Clock,
): Promise<Reply> {
  if (timeoutMs === 0) return await run(docker);
  const late = new AbortController();
  const { promise, reject } = Promise.withResolvers<never>();
  const cancel = clock.after(timeoutMs, () => {
    reject(new RuntimeError('DeadlineExceeded', name, `docker did not answer ${name} within ${timeoutMs / 1000} s`));
    late.abort();
  });
  const call = run(abortable(docker, late.signal));
  call.catch(() => undefined); // When the deadline has passed, nobody waits for the request's own failure any more.
  try {
    return await Promise.race([call, promise]);
  } finally {
    cancel();
  }
}

/**
 * The same client, whose requests are aborted by `signal`. A request that nobody waits for would keep its connection open for
 * ever.
 */
function abortable(docker: Docker, signal: AbortSignal): Docker {
  const { modem } = docker as unknown as { modem: Modem };
  const dial: Modem['dial'] = (options, callback) => {
    const signals = options.abortSignal === undefined ? [signal] : [signal, options.abortSignal];
    return modem.dial({ ...options, abortSignal: AbortSignal.any(signals) }, callback);
  };
  const bound = Object.create(modem, { dial: { value: dial } }) as Modem;
  return Object.create(docker, { modem: { value: bound } }) as Docker;
}

/** The part of docker-modem (below dockerode) that makes the requests. */
interface Modem {
  dial(options: { abortSignal?: AbortSignal }, callback: (error: Error | null, result: unknown) => void): unknown;
}

const codeOfStatus: Readonly<Record<number, RuntimeErrorCode>> = {
  400: 'InvalidArgument',
  401: 'Unauthenticated',
  403: 'PermissionDenied',
  404: 'NotFound',
  409: 'FailedPrecondition',
  501: 'Unimplemented',
  503: 'Unavailable',
};

const unreachable: ReadonlySet<string> = new Set(['ENOENT', 'ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'EACCES']);

/** Turns a failure of dockerode into a {@link RuntimeError} with the code for its HTTP status. */
export function toRuntimeError(error: unknown, call: string, socketPath: string): RuntimeError {
  if (error instanceof RuntimeError) return error;
  const { statusCode, json, code, message } = error as {
    statusCode?: number;
    json?: { message?: string } | null;
    code?: string;
    message?: string;
  };
  if (statusCode !== undefined) {
    return new RuntimeError(codeOfStatus[statusCode] ?? 'Unknown', call, json?.message ?? message ?? `status ${statusCode}`, {
      cause: error,
    });
  }
  // The engine resets open connections when it stops.
  if ((code !== undefined && unreachable.has(code)) || message === 'socket hang up' || message === 'aborted') {
    return new RuntimeError('Unavailable', call, `docker at unix://${socketPath} does not answer: ${message ?? code}`, {
      cause: error,
    });
  }
  return new RuntimeError('Unknown', call, message ?? String(error), { cause: error });
}

/** Docker answers 304 when a container to start already runs, or one to stop is already stopped. */
export const isNotModified = (error: unknown): boolean =>
  error instanceof RuntimeError && (error.cause as { statusCode?: number } | undefined)?.statusCode === 304;
