/**
 * The health checks that every API server has, under upstream's names.
 *
 * Source: apiserver `pkg/server/healthz`, `pkg/server/hooks.go` (post-start hooks); kubernetes `pkg/controlplane/instance.go`.
 */
import type { HealthCheck } from './health.ts';

/** What the checks look at, each time somebody asks. */
export interface ServerState {
  /** The watch caches hold what is stored. */
  isFilled(): boolean;
  /** Whether the first repair of cluster IPs and node ports has succeeded. */
  isRepaired(): boolean;
  isShuttingDown(): boolean;
  /** Why the store takes no writes; undefined: it does. */
  storeProblem(): string | undefined;
}

/** The health checks, in the order in which `/readyz?verbose` lists them. */
export function standardChecks(state: ServerState): HealthCheck[] {
  const all = ['livez', 'readyz', 'healthz'] as const;
  const unread = (): string | undefined => (state.isFilled() ? undefined : 'the store has not been read yet');
  return [
    { name: 'ping', on: all, problem: () => undefined },
    { name: 'log', on: all, problem: () => undefined },
    // Upstream's name for "the store answers". A full disk is no reason to restart the process: it still serves reads.
    { name: 'etcd', on: ['livez'], problem: unread },
    { name: 'etcd', on: ['readyz', 'healthz'], problem: () => unread() ?? state.storeProblem() },
    { name: 'informer-sync', on: ['readyz'], problem: () => (state.isFilled() ? undefined : 'watch caches are not filled') },
    ...['storage-readiness', 'generic-apiserver-start-informers'].map(
      (name): HealthCheck => ({
        name: `poststarthook/${name}`,
        on: all,
        problem: () => (state.isFilled() ? undefined : 'not finished'),
      }),
    ),
    // Before the repair no Service can be made, so the server is not ready. It is alive: a restart would not mend the store.
    {
      name: 'poststarthook/start-service-ip-repair-controllers',
      on: ['readyz', 'healthz'],
      problem: () => (state.isRepaired() ? undefined : 'not finished'),
    },
    { name: 'poststarthook/start-service-ip-repair-controllers', on: ['livez'], problem: unread },
    {
      name: 'shutdown',
      on: ['readyz'],
      problem: () => (state.isShuttingDown() ? 'process is shutting down' : undefined),
    },
  ];
}
