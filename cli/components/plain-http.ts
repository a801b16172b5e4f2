/** Endpoints without TLS on this machine: the kubelet's `/healthz` on port 10248, kube-proxy's metrics on port 10249. */
import { createServer, type ServerResponse } from 'node:http';
import type { Logger } from 'pino';
import { guardListener, httpLimits, requestTarget } from '#agent/host/listener.ts';
import { type Clock, sleep } from '#client/clock.ts';
import { untilAborted } from '#client/until-aborted.ts';

/** What is answered on a path, as text. */
export type PlainPages = Readonly<Record<string, () => Promise<{ text: string; type?: string }>>>;

/** The interval of tries to open the port. Upstream's kubelet tries again as well, every five seconds. */
const retryMs = 5_000;

/** `127.0.0.1:10249`, `[::]:10249`, `:10249`. @throws Error for what has no port */
export function hostAndPort(flag: string, text: string): { host: string; port: number } {
  const colon = text.lastIndexOf(':');
  const port = Number(text.slice(colon + 1));
  if (colon === -1 || !/:\d+$/.test(text) || port > 65_535)
    throw new Error(`${flag} ${text}: give an address and a port, such as 127.0.0.1:10249`);
  const host = text.slice(0, colon).replace(/^\[(.*)\]$/, '$1');
  return { host: host === '' ? '::' : host, port };
}

/** Serves until `signal` aborts. A port that cannot be opened is logged, and tried again: the component works without it. */
export async function servePlain(
  name: string,
  { host, port }: { host: string; port: number },
  pages: PlainPages,
  deps: { clock: Clock; log: Logger },
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    const server = createServer(httpLimits, (request, response) => {
      const { path = '' } = requestTarget(request.url) ?? {};
      const page = Object.hasOwn(pages, path) ? pages[path] : undefined;
      if (page === undefined) return send(response, 404, '404 page not found\n');
      page().then(
        ({ text, type }) => send(response, 200, text, type),
        (error: unknown) => {
          deps.log.warn({ err: error, path }, `a page of the ${name} could not be made`);
          send(response, 500, 'internal server error\n');
        },
      );
    });
    guardListener(server, name, deps);
    try {
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject);
        server.listen(port, host, resolve);
      });
      await untilAborted(signal);
      server.close();
      server.closeAllConnections();
    } catch (error) {
      deps.log.error({ err: error, host, port }, `the ${name} cannot listen; trying again`);
      await sleep(deps.clock, retryMs, signal);
    }
  }
}

function send(response: ServerResponse, status: number, text: string, type = 'text/plain; charset=utf-8'): void {
  response.writeHead(status, {
    'content-type': type,
    'content-length': String(Buffer.byteLength(text)),
    'x-content-type-options': 'nosniff',
  });
  response.end(text);
}
