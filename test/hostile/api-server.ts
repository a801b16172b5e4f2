/** For tests and benchmarks: starts a real API server in another process, and sends plain requests to it. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import https from 'node:https';
import { fileURLToPath } from 'node:url';
import type { KeyPair } from '#control/pki/certificates.ts';

/** What the process reports when it has started. */
export interface ProcessStarted {
  port: number;
  ca: string;
  admin: KeyPair;
  user: KeyPair;
}

/** Measurements of the process. */
export interface ProcessReport {
  /** The longest time that the event loop was blocked since the last report, in CPU time of its thread. */
  longestMs: number;
  /** Resident memory: the maximum since the last report, and the present value. */
  peakBytes: number;
  rssBytes: number;
  /** JavaScript memory of the main thread. */
  heapBytes: number;
}

/** A response. */
export interface Answer {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  text: string;
  ms: number;
}

/** A started process. */
export interface ApiServerProcess extends ProcessStarted {
  /** Sends a request. Default client: the administrator. */
  call(method: string, path: string, body?: Uint8Array | string, headers?: Record<string, string>, as?: KeyPair): Promise<Answer>;
  /** @param collect whether to collect garbage first */
  report(collect?: boolean): Promise<ProcessReport>;
  stop(): Promise<void>;
}

/** Starts the process and waits until it serves. */
export async function startApiServerProcess(): Promise<ApiServerProcess> {
  const program = fileURLToPath(new URL('./api-server-process.ts', import.meta.url));
  const child = fork(program, { execArgv: ['--no-warnings', '--expose-gc'], stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  const started = await next<ProcessStarted>(child);
  return {
    ...started,
    call: (method, path, body, headers = {}, as = started.admin) => call(started, as, method, path, body, headers),
    async report(collect = false) {
      child.send(collect ? 'collect' : 'report');
      return await next<ProcessReport>(child);
    },
    async stop() {
      const ended = once(child, 'exit');
      agent.destroy();
      child.send('stop');
      await ended;
    },
  };
}

async function next<T>(child: ChildProcess): Promise<T> {
  const ended = once(child, 'exit').then(([code]) => {
    throw new Error(`the API server's process ended with status ${code}`);
  });
  const [message] = await Promise.race([once(child, 'message'), ended]);
  return message as T;
}

const agent = new https.Agent({ keepAlive: true, maxSockets: 200 });

function call(
  { port, ca }: ProcessStarted,
  { certificate: cert, key }: KeyPair,
  method: string,
  path: string,
  body: Uint8Array | string | undefined,
  headers: Record<string, string>,
): Promise<Answer> {
  const startMs = performance.now();
  return new Promise((resolve, reject) => {
    const request = https.request({ host: '127.0.0.1', port, path, method, ca, cert, key, agent, headers }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () =>
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          text: Buffer.concat(chunks).toString('utf8'),
          ms: performance.now() - startMs,
        }),
      );
    });
    request.on('error', reject);
    request.end(body);
  });
}
