/** A transport to an API server in the same process. */
import type { Transport } from '#client/transport.ts';
import type { ApiServer } from './api-server.ts';
import type { UserInfo } from './registry/strategy.ts';

/**
 * Requests pass the same filters and handlers as over HTTPS, without TLS.
 * @param user the user of every request; there is no authentication
 */
export function inProcessTransport(server: Pick<ApiServer, 'handle'>, user: UserInfo): Transport {
  return (request) => server.handle(request, { sender: { user } });
}
