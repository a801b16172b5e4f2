/** A thread of `bench/api.ts`: clients with one connection each, which send a given number of requests one after the other. */

import { type ClientHttp2Session, connect as connectHttp2 } from 'node:http2';
import https from 'node:https';
import { parentPort, workerData } from 'node:worker_threads';

export interface LoadTarget {
  port: number;
  ca: string;
  cert: string;
  key: string;
  protocol: 'h2' | 'http/1.1';
}

/** The requests to send. `{i}` in path and body is replaced by the request's number. */
export interface Load {
  method: string;
  path: string;
  body?: string;
  accept?: string;
  count: number;
  clients: number;
  /** The first request's number. Default 0. */
  from?: number;
}

/** The reason of a failure, or the number of bytes received. */
export type LoadResult = { failure: string } | { bytes: number };

type Send = (method: string, path: string, headers: Record<string, string>, body: string | undefined) => Promise<number>;

const target = workerData as LoadTarget;
const clients: Send[] = [];

function http2Client(): Send {
  const { port, ca, cert, key } = target;
  let session: ClientHttp2Session | undefined;
  const connected = (): ClientHttp2Session => {
    // The server ends connections that have been idle for long: while another server is measured.
    if (session !== undefined && !session.closed && !session.destroyed) return session;
    const made = connectHttp2(`https://127.0.0.1:${port}`, { ca, cert, key, settings: { initialWindowSize: 4 << 20 } });
    made.on('connect', () => made.setLocalWindowSize(1 << 30));
    session = made;
    return made;
  };
  return (method, path, headers, body) =>
    new Promise((resolve, reject) => {
      const stream = connected().request({ ':method': method, ':path': path, ...headers }, { endStream: body === undefined });
      let status = 0;
      let bytes = 0;
      let text = '';
      stream.on('response', (answer) => {
        status = answer[':status'] ?? 0;
      });
      stream.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        if (status >= 300) text += chunk.toString();
      });
      stream.on('error', reject);
      stream.on('end', () => (status >= 300 ? reject(new Error(`${method} ${path}: ${status} ${text}`)) : resolve(bytes)));
      if (body !== undefined) stream.end(body);
    });
}

function http1Client(): Send {
  const { port, ca, cert, key } = target;
  const agent = new https.Agent({ keepAlive: true, maxSockets: 1 });
  return (method, path, headers, body) =>
    new Promise((resolve, reject) => {
      const options = { host: '127.0.0.1', port, path, method, ca, cert, key, agent, headers };
      const request = https.request(options, (response) => {
        let bytes = 0;
        let text = '';
        const status = response.statusCode ?? 0;
        response.on('data', (chunk: Buffer) => {
          bytes += chunk.length;
          if (status >= 300) text += chunk.toString();
        });
        response.on('error', reject);
        response.on('end', () => (status >= 300 ? reject(new Error(`${method} ${path}: ${status} ${text}`)) : resolve(bytes)));
      });
      request.on('error', reject);
      request.end(body);
    });
}

async function run({ method, path, body, accept, count, clients: wanted, from = 0 }: Load): Promise<number> {
  while (clients.length < wanted) clients.push(target.protocol === 'h2' ? http2Client() : http1Client());
  const headers: Record<string, string> = { accept: accept ?? 'application/json' };
  if (body !== undefined) headers['content-type'] = 'application/json';
  let next = 0;
  let bytes = 0;
  const one = async (send: Send): Promise<void> => {
    while (next < count) {
      const number = String(from + next++);
      bytes += await send(method, path.replaceAll('{i}', number), headers, body?.replaceAll('{i}', number));
    }
  };
  await Promise.all(clients.slice(0, wanted).map(one));
  return bytes;
}

parentPort?.on('message', (load: Load) => {
  void run(load).then(
    (bytes) => parentPort?.postMessage({ bytes } satisfies LoadResult),
    (error: unknown) => parentPort?.postMessage({ failure: String(error) } satisfies LoadResult),
  );
});
