/** The proxy's own health endpoint (`--healthz-bind-address`), which load balancers ask whether to send traffic to this node. */
import type { Logger } from 'pino';
import { type Clock, sleep } from '#client/clock.ts';
import { closeServer, createHealthServer, healthHandler, listen, type ProxyHealthTracker } from './health.ts';

/** Upstream, too, goes on without (`--bind-address-hard-fail=false`) and tries again after this time. */
const retryMs = 5000;

interface Healthz {
  /** `0.0.0.0:10256`, `[::]:10256`, `:10256`; empty: none. */
  bindAddress: string;
  tracker: ProxyHealthTracker;
  /** Whether the node is to get traffic at all. */
  nodeEligible(): boolean;
}

/** Serves until `signal` aborts; settles once the listener is closed. A port that cannot be opened is logged and tried again. */
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
      await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
      await closeServer(server);
    } catch (error) {
      log.error({ err: error }, `failed to start proxy healthz on ${bindAddress}`);
      await sleep(clock, retryMs, signal);
    }
  }
}
