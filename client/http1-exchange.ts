/** Requests over HTTP/1.1 without TLS. */
import * as http from 'node:http';
import { type Exchange, plainHeaders } from './http-exchange.ts';
import { TransportError } from './transport-error.ts';

/** An exchange with the server at `url`. It keeps connections open for further requests. */
export function http1Exchange(url: URL): Exchange {
  const agent = new http.Agent({ keepAlive: true });
  return {
    close: () => agent.destroy(),
    reconnect: () => undefined, // Plain HTTP has no certificates.
    send: (request) =>
      new Promise((resolve, reject) => {
        const outgoing = http.request(
          {
            agent,
            host: url.hostname.replace(/^\[|\]$/g, ''),
            port: url.port === '' ? 80 : Number(url.port),
            method: request.method,
            path: request.path,
            headers: {
              ...request.headers,
              ...(request.body === undefined ? {} : { 'content-length': String(request.body.byteLength) }),
            },
            ...(request.signal === undefined ? {} : { signal: request.signal }),
          },
          (incoming) => resolve({ status: incoming.statusCode ?? 0, headers: plainHeaders(incoming.headers), body: incoming }),
        );
        const fail = (error: Error): void => reject(new TransportError(`${url.origin}: ${error.message}`, { cause: error }));
        outgoing.on('error', fail);
        outgoing.once('upgrade', (_response, socket) => {
          socket.destroy();
          fail(new Error('the server switched protocols in place of an answer'));
        });
        outgoing.once('close', () => fail(new Error('the connection closed before an answer came')));
        outgoing.end(request.body);
      }),
  };
}
