/** Checks whether an aggregated server answers. Source: kube-aggregator `remote_available_controller.go`. */
import { errorText } from '#api/error-text.ts';
import { hostPort } from '../proxy/location.ts';
import { aggregatorUser } from './remote-answer.ts';
import type { Lookup, RemoteServers } from './remote-servers.ts';
import type { RemoteService } from './remote-services.ts';

/** The error of the server, with upstream's message; undefined if it answers. */
export type DiscoveryCheck = (service: RemoteService, signal: AbortSignal) => Promise<string | undefined>;

const attempts = 5;
const timeoutMs = 5000;

/** Sends several requests in parallel, because endpoints may differ. One good answer is enough. */
export function discoveryCheck(servers: RemoteServers, lookup: Lookup): DiscoveryCheck {
  return async (service, signal) => {
    const asking = Array.from({ length: attempts }, () => ask(servers, lookup, service, signal));
    try {
      await Promise.any(asking);
      return undefined;
    } catch (error) {
      return errorText((error as AggregateError).errors.at(-1));
    }
  };
}

/** @throws Error with upstream's message */
async function ask(servers: RemoteServers, lookup: Lookup, service: RemoteService, ended: AbortSignal): Promise<void> {
  const location = await servers.locate(service, lookup);
  const path = `/apis/${service.spec.group}/${service.spec.version}`;
  const url = `https://${hostPort(location)}${path}`;
  const signal = AbortSignal.any([ended, AbortSignal.timeout(timeoutMs)]);
  const fail = (why: string): Error => new Error(`failing or missing response from ${url}: ${why}`);
  const got = (why: string): string => `Get ${JSON.stringify(url)}: ${why}`;
  let status: number;
  try {
    const answer = await servers.forwardTo(location, { method: 'GET', path, headers: {}, signal }, aggregatorUser);
    status = answer.status;
    // The body is read to its end: unread, it would occupy the connection.
    for await (const _ of answer.body) if (signal.aborted) break;
  } catch (error) {
    const why = errorText(error).replace(/^error trying to reach service: /, '');
    throw fail(got(signal.aborted ? 'context deadline exceeded' : why));
  }
  if (status < 200 || status > 299) throw fail(`bad status from ${url}: ${status}`);
}
