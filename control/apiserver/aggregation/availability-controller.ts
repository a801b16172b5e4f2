/**
 * Sets the condition `Available` of each APIService of another server: its Service must exist with a ready endpoint, and the server must
 * answer discovery of the group and version.
 *
 * Owns: -.  Watches: APIService, Service, EndpointSlice.  Writes: APIService/status.
 * Source: kube-aggregator `pkg/controllers/status/remote/remote_available_controller.go`. Upstream runs it in the API server, too.
 */
import { nameToKey, sameJson } from '#api/meta.ts';
import { serviceNameLabel } from '#api/service-labels.ts';
import { isConflict, isNotFound } from '#api/status.ts';
import type { APIService, EndpointSlice, Service } from '#api/types.generated.ts';
import type { Client } from '#client/client.ts';
import type { Clock } from '#client/clock.ts';
import { type Caches, type Controller, done, requeueAfter } from '#client/controller.ts';
import { own } from '#client/controller-runner.ts';
import {
  type Availability,
  availableCondition,
  localAvailability,
  withAvailability,
} from '../kinds/apiregistration/apiservice/conditions.ts';
import type { AggregatorMetrics } from './aggregator-metrics.ts';
import type { DiscoveryCheck } from './discovery-check.ts';
import type { RemoteService } from './remote-services.ts';

const services = 'apiservices.apiregistration.k8s.io';
const slices = 'endpointslices.discovery.k8s.io';
/** Availability is checked periodically, because no event tells that a server became unreachable. */
const lookAgainMs = 30_000;

/** What the controller needs. */
export interface AvailabilityDeps {
  client: Client;
  caches: Caches;
  clock: Clock;
  metrics: AggregatorMetrics;
  check: DiscoveryCheck;
}

/** Makes the controller. */
export const availabilityController = ({ client, caches, clock, metrics, check }: AvailabilityDeps): Controller => ({
  name: 'remote-availability',
  watches: [
    own(services),
    {
      resource: 'services',
      keys: ({ metadata: { namespace, name } }, _previous, { cache }) => servedBy(cache(services).list(), namespace, name),
    },
    {
      resource: slices,
      keys: ({ metadata: { namespace, labels } }, _previous, { cache }) =>
        servedBy(cache(services).list(), namespace, labels?.[serviceNameLabel]),
    },
  ],

  async reconcile(name, signal) {
    const object = caches.cache(services).get(name);
    if (object === undefined) {
      metrics.forget(name);
      return done;
    }
    const isRemote = object.spec.service !== undefined;
    const found = isRemote ? await availabilityOf(object as RemoteService, caches, check, signal) : localAvailability;
    if (signal.aborted) return done;
    const conditions = withAvailability(object, found, clock.now());
    metrics.set(object, found);
    if (!sameJson(conditions, object.status?.conditions)) {
      try {
        await client
          .resource(services)
          .update({ ...object, status: { ...object.status, conditions } }, { subresource: 'status' });
      } catch (error) {
        // A conflict: the other change arrives by watch and starts the next attempt.
        if (!isConflict(error) && !isNotFound(error)) throw error;
        return done;
      }
      if (found.status !== 'True' && availableCondition(object)?.status !== found.status) metrics.count(object, found);
    }
    return isRemote ? requeueAfter(lookAgainMs) : done;
  },
});

const servedBy = (all: readonly APIService[], namespace: string | undefined, name: string | undefined): string[] =>
  all
    .filter(({ spec: { service } }) => service !== undefined && service.namespace === namespace && service.name === name)
    .map(({ metadata }) => metadata.name);

const no = (reason: string, message: string): Availability => ({ status: 'False', reason, message });

/** The condition to set now. */
async function availabilityOf(
  object: RemoteService,
  caches: Caches,
  check: DiscoveryCheck,
  signal: AbortSignal,
): Promise<Availability> {
  const { namespace, name, port } = object.spec.service;
  const where = `service/${name} in ${JSON.stringify(namespace)}`;
  const service = caches.cache('services').get(nameToKey({ namespace, name }));
  if (service === undefined) return no('ServiceNotFound', `${where} is not present`);
  return (
    endpointProblem(service, port, caches.cache(slices).list(), where) ??
    (await discoveryProblem(object, check, signal)) ?? { status: 'True', reason: 'Passed', message: 'all checks passed' }
  );
}

/** Pure. */
function endpointProblem(
  { metadata: { namespace, name }, spec }: Service,
  port: number,
  all: readonly EndpointSlice[],
  where: string,
): Availability | undefined {
  if ((spec?.type ?? 'ClusterIP') !== 'ClusterIP') return undefined;
  const servicePort = spec?.ports?.find((one) => one.port === port);
  if (servicePort === undefined) return no('ServicePortError', `${where} is not listening on port ${port}`);
  const mine = all.filter(({ metadata }) => metadata.namespace === namespace && metadata.labels?.[serviceNameLabel] === name);
  if (mine.length === 0) return no('EndpointsNotFound', `cannot find endpointslices for ${where}`);
  const portName = servicePort.name ?? '';
  const isThere = mine.some(
    ({ endpoints = [], ports }) =>
      endpoints.some(({ conditions }) => conditions?.ready !== false) &&
      (ports ?? []).some((one) => (one.name ?? '') === portName && one.port !== undefined),
  );
  return isThere
    ? undefined
    : no('MissingEndpoints', `endpointslices for ${where} have no addresses with port name ${JSON.stringify(portName)}`);
}

async function discoveryProblem(
  object: RemoteService,
  check: DiscoveryCheck,
  signal: AbortSignal,
): Promise<Availability | undefined> {
  const problem = await check(object, signal);
  return problem === undefined ? undefined : no('FailedDiscoveryCheck', problem);
}
