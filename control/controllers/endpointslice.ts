/**
 * EndpointSlice controller: writes the endpoints of Services with a selector into slices of at most 100 endpoints.
 *
 * Owns: EndpointSlice (label managed-by endpointslice-controller.k8s.io).  Watches: Service, Pod, Node, EndpointSlice.
 * Writes: EndpointSlice.
 * Source: kubernetes `pkg/controller/endpointslice`, `staging/src/k8s.io/endpointslice`; KEP-752, KEP-1672 (terminating).
 */

import { errorText } from '#api/error-text.ts';
import { familyOf } from '#api/ip.ts';
import type { KubeObject, New } from '#api/meta.ts';
import { controllerReference, keyOf, nameToKey } from '#api/meta.ts';
import { readyCondition } from '#api/node-conditions.ts';
import { zoneLabel } from '#api/node-labels.ts';
import { isPodReady } from '#api/pod/conditions.ts';
import { headlessLabel, managedByLabel, serviceNameLabel, triggerTimeAnnotation } from '#api/service-labels.ts';
import { isConflict, isNamespaceTerminating, isNotFound } from '#api/status.ts';
import type { Endpoint, EndpointSlice, Node, Pod, Service } from '#api/types.generated.ts';
import type { Controller, ControllerDeps } from '#client/controller.ts';
import { done, requeueAfter } from '#client/controller.ts';
import { own } from '#client/controller-runner.ts';
import type { Cache } from '#client/informer.ts';
import type { Expectations } from './expectations.ts';
import { createExpectations, recheckAfterMs } from './expectations.ts';
import {
  createTriggerTimes,
  endpointHostname,
  findPort,
  isHeadless,
  isSelecting,
  podIPs,
  podsBehind,
  podsOfServices,
} from './service-pods.ts';
import type { EndpointGroup, SlicePlan } from './slice-packing.ts';
import { packSlices } from './slice-packing.ts';
import { wantsZoneHints, zoneHints, zoneRatios } from './zone-hints.ts';

const controllerName = 'endpointslice-controller.k8s.io';
/** Default of upstream's `--max-endpoints-per-slice`. */
const maxPerSlice = 100;
/**
 * A pod whose Node is not in the cache is left out, and the key is retried after this time: the Node's event may come later than
 * the pod's.
 */
const missingNodeRetryMs = 1000;

/** Makes the EndpointSlice controller. */
export const endpointSliceController = (deps: ControllerDeps): Controller => {
  const { client, caches, clock, events } = deps;
  const expectations = createExpectations(client, caches, 'endpointslices.discovery.k8s.io');
  const triggers = createTriggerTimes();
  return {
    name: 'endpointslice',
    watches: [
      own('services'),
      podsOfServices,
      {
        resource: 'nodes',
        // The shares of zones may have changed. Other Services only read nodes.
        keys: (node, previous, all) =>
          previous !== undefined && sharesAlike(node, previous)
            ? []
            : all.cache('services').list().filter(wantsZoneHints).map(keyOf),
      },
      { resource: 'endpointslices.discovery.k8s.io', keys: (slice) => sliceKeys(slice, controllerName) },
    ],

    async reconcile(key) {
      const service = caches.cache('services').get(key);
      if (service === undefined) {
        triggers.forget(key);
        expectations.forget(key);
        return done; // The garbage collector deletes the slices.
      }
      if (!isSelecting(service)) return done;
      if (!(await expectations.met(key, clock.monotonic()))) return requeueAfter(recheckAfterMs);
      const existing = managedSlices(caches.cache('endpointslices.discovery.k8s.io'), service, controllerName);
      const pods = podsBehind(service, caches, true);
      const { groups, missingNode } = groupEndpoints(service, pods, caches.cache('nodes'));
      hintByZone(service, groups, existing);
      const trigger = triggers.next(service, pods);
      const ownSlices = existing.filter(
        ({ metadata }) => metadata.ownerReferences?.some(({ uid }) => uid === service.metadata.uid) === true,
      );
      const plan = packSlices(ownSlices, groups, {
        maxPerSlice,
        template: sliceTemplate(service, trigger),
        placeholders: addressTypes(service),
      });
      plan.remove.push(...existing.filter((slice) => !ownSlices.includes(slice)));
      try {
        await carryOutSlices(plan, service, expectations, deps);
      } catch (error) {
        const message = errorText(error);
        // A conflict means that the cache was behind. No event is recorded; the key is retried with a newer cache.
        if (!isConflict(error))
          events.event(
            service,
            'Warning',
            'FailedToUpdateEndpointSlices',
            `Error updating Endpoint Slices for Service ${key}: ${message}`,
          );
        throw error;
      }
      return missingNode ? requeueAfter(missingNodeRetryMs) : done;
    },
  };

  /** Sets the zone hints of a Service with topology aware routing, and records events when hints are added or removed. */
  function hintByZone(service: Service, groups: readonly EndpointGroup[], existing: readonly EndpointSlice[]): void {
    const hadHints = existing.some(({ endpoints }) => (endpoints ?? []).some(({ hints }) => hints !== undefined));
    if (!wantsZoneHints(service)) return;
    const ratios = zoneRatios(caches.cache('nodes').list());
    for (const [addressType, ofType] of Map.groupBy(groups, (group) => group.addressType)) {
      const hints = zoneHints(
        ofType.flatMap(({ endpoints }) => endpoints),
        ratios,
      );
      for (const group of ofType)
        group.endpoints = group.endpoints.map((endpoint) => {
          const zone = hints.kind === 'hints' ? hints.zones.get(endpoint) : undefined;
          return { ...endpoint, hints: zone === undefined ? undefined : { forZones: [{ name: zone }] } };
        });
      if (hints.kind === 'none')
        events.event(service, 'Warning', 'TopologyAwareHintsDisabled', `${hints.why}, addressType: ${addressType}`);
      else if (!hadHints)
        events.event(
          service,
          'Normal',
          'TopologyAwareHintsEnabled',
          `Topology Aware Hints has been enabled, addressType: ${addressType}`,
        );
    }
  }
};

/** Whether a change of a node does not affect the shares of zones. */
const sharesAlike = (a: Node, b: Node): boolean =>
  a.metadata.labels?.[zoneLabel] === b.metadata.labels?.[zoneLabel] &&
  a.status?.allocatable?.['cpu'] === b.status?.allocatable?.['cpu'] &&
  readyCondition(a)?.status === readyCondition(b)?.status;

/** Maps a slice of this manager to the key of its Service. */
export function sliceKeys({ metadata }: KubeObject, manager: string): string[] {
  const name = metadata.labels?.[serviceNameLabel];
  return name === undefined || metadata.labels?.[managedByLabel] !== manager
    ? []
    : [nameToKey({ namespace: metadata.namespace, name })];
}

/** The slices of a Service (or Endpoints) that this manager has made. */
export function managedSlices(cache: Cache<EndpointSlice>, { metadata }: KubeObject, manager: string): EndpointSlice[] {
  return cache
    .list(metadata.namespace)
    .filter(
      (slice) =>
        slice.metadata.labels?.[serviceNameLabel] === metadata.name &&
        slice.metadata.labels[managedByLabel] === manager &&
        slice.metadata.deletionTimestamp === undefined,
    );
}

function addressTypes({ spec }: Service): string[] {
  if (spec.ipFamilies !== undefined && spec.ipFamilies.length > 0) return spec.ipFamilies;
  if (spec.clusterIP !== undefined && spec.clusterIP !== '' && spec.clusterIP !== 'None') return [familyOf(spec.clusterIP)];
  return ['IPv4', 'IPv6'];
}

/** The endpoints of the Service, grouped by their ports. Pure. */
export function groupEndpoints(
  service: Service,
  pods: readonly Pod[],
  nodes: Pick<Cache<Node>, 'get'>,
): { groups: EndpointGroup[]; missingNode: boolean } {
  const groups = new Map<string, EndpointGroup>();
  let missingNode = false;
  for (const pod of pods) {
    const node = nodes.get(pod.spec.nodeName ?? '');
    if (node === undefined && service.spec.publishNotReadyAddresses !== true) {
      missingNode = true;
      continue;
    }
    const ports = portsOf(service, pod);
    for (const addressType of addressTypes(service)) {
      const addresses = podIPs(pod).filter((ip) => familyOf(ip) === addressType);
      if (addresses.length === 0) continue;
      const key = JSON.stringify([addressType, ports]);
      const group = groups.get(key) ?? { addressType, ports, endpoints: [] };
      group.endpoints.push(endpointOf(service, pod, node, addresses));
      groups.set(key, group);
    }
  }
  return { groups: [...groups.values()], missingNode };
}

function portsOf(service: Service, pod: Pod): EndpointGroup['ports'] {
  return (service.spec.ports ?? []).flatMap((port) => {
    const number = findPort(pod, port);
    return number === undefined
      ? []
      : [{ name: port.name ?? '', port: number, protocol: port.protocol ?? 'TCP', appProtocol: port.appProtocol }];
  });
}

function endpointOf(service: Service, pod: Pod, node: Node | undefined, addresses: string[]): Endpoint {
  const serving = isPodReady(pod);
  const terminating = pod.metadata.deletionTimestamp !== undefined;
  const ready = service.spec.publishNotReadyAddresses === true || (serving && !terminating);
  const { name, namespace, uid } = pod.metadata;
  const zone = node?.metadata.labels?.[zoneLabel];
  return {
    addresses,
    conditions: { ready, serving, terminating },
    targetRef: { kind: 'Pod', namespace, name, uid },
    nodeName: pod.spec.nodeName,
    hostname: endpointHostname(pod, service),
    zone: zone === '' ? undefined : zone,
    // An endpoint that is not ready gets no traffic, and so no hint.
    hints: ready ? hintsFor(service.spec.trafficDistribution, pod.spec.nodeName, zone) : undefined,
  };
}

/** The topology hints of an endpoint: the zones or nodes whose traffic it should get. Source: KEP-4444, KEP-3015. */
function hintsFor(distribution: string | undefined, nodeName: string | undefined, zone: string | undefined): Endpoint['hints'] {
  const forZones = zone === undefined || zone === '' ? {} : { forZones: [{ name: zone }] };
  const forNodes = nodeName === undefined || distribution !== 'PreferSameNode' ? {} : { forNodes: [{ name: nodeName }] };
  const isSet = ['PreferClose', 'PreferSameZone', 'PreferSameNode'].includes(distribution ?? '');
  const hints = { ...forZones, ...forNodes };
  return isSet && Object.keys(hints).length > 0 ? hints : undefined;
}

function sliceTemplate(service: Service, trigger: string | undefined): New<EndpointSlice> {
  const { name, namespace, labels } = service.metadata;
  const { [headlessLabel]: _headless, ...serviceLabels } = labels ?? {};
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      generateName: `${name}-`,
      namespace,
      labels: {
        ...serviceLabels,
        ...(isHeadless(service) ? { [headlessLabel]: '' } : {}),
        [serviceNameLabel]: name,
        [managedByLabel]: controllerName,
      },
      ...(trigger === undefined ? {} : { annotations: { [triggerTimeAnnotation]: trigger } }),
      ownerReferences: [controllerReference(service)],
    },
    addressType: 'IPv4',
  };
}

/**
 * Creates, updates and deletes slices. Slices are created first, so that an endpoint that moves between slices is never missing.
 * @param source the owner of the slices; while it is being deleted, no slice is created, because the garbage collector deletes
 * them
 */
export async function carryOutSlices(
  plan: SlicePlan,
  source: KubeObject,
  expectations: Expectations,
  { client, clock }: ControllerDeps,
): Promise<void> {
  const slices = client.resource('endpointslices.discovery.k8s.io');
  for (const slice of source.metadata.deletionTimestamp === undefined ? plan.create : []) {
    try {
      expectations.created(keyOf(source), await slices.create(slice), clock.monotonic());
    } catch (error) {
      if (isNamespaceTerminating(error)) return; // Nothing can be created in the namespace any more.
      throw error;
    }
  }
  for (const slice of plan.update) await slices.update(slice);
  for (const slice of plan.remove) {
    const { namespace, name, uid } = slice.metadata;
    try {
      await slices.delete({ namespace, name }, { preconditions: { uid } });
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }
}
