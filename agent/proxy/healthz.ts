/** The proxy's own health endpoint (`--healthz-bind-address`). Load balancers ask it whether this node may get traffic. */

import type { Logger } from 'pino';
import { type Clock, sleep } from '#client/clock.ts';
import { untilAborted } from '#client/until-aborted.ts';
import { closeServer, createHealthServer, healthHandler, listen, type ProxyHealthTracker } from './health.ts';

/** Interval of retries to open the port. Upstream also runs on without the endpoint (`--bind-address-hard-fail=false`). */
const retryMs = 5000;

interface Healthz {
  /** The address to listen on: `0.0.0.0:10256`, `[::]:10256`, `:10256`. Empty: no endpoint. */
  bindAddress: string;
  tracker: ProxyHealthTracker;
  /** Whether the node may get traffic at all. */
  nodeEligible(): boolean;
}

/**
 * Serves until `signal` aborts, and settles once the listener is closed. When the port cannot be opened, it logs the failure and
 * tries again.
 */
export async function serveHealthz(
  { bindAddress, tracker, nodeEligible }: Healthz,
  { log, clock }: { log: Logger; clock: Clock },
  signal: AbortSignal,
): Promise<void> {
  if (bindAddress === '') return;
  const colon = bindAddress.lastIndexOf(':');
  const host = bindAddress.slice(0, colon).replace(/^\[(.*)\]$/, '$1');
  while (!signal.aborted) {
    const server = createHealthServer('proxy healthz', healthHandler(tracker, nodeEligible), { log, clock });
    try {
      await listen(server, host === '' ? '::' : host, Number(bindAddress.slice(colon + 1)));
      await untilAborted(signal);
      await closeServer(server);
    } catch (error) {
      log.error({ err: error }, `failed to start proxy healthz on ${bindAddress}`);
      await sleep(clock, retryMs, signal);
    }
  }
}
