/** Requests to the API server from within its own process. */
import type { Transport } from '#client/transport.ts';
import type { ApiServer } from './api-server.ts';
import type { UserInfo } from './registry/strategy.ts';

/**
 * Passes the same filters and handlers as a request over HTTPS, without TLS.
 * @param user whom every request comes from: no credentials are asked for
 */
export function inProcessTransport(server: Pick<ApiServer, 'handle'>, user: UserInfo): Transport {
  return (request) => server.handle(request, { sender: { user } });
}
