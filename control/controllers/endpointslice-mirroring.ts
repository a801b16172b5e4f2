/**
 * EndpointSlice mirroring controller: copies Endpoints that users write for a Service without selector into EndpointSlices,
 * because proxies read only slices.
 *
 * Owns: EndpointSlice (label managed-by endpointslicemirroring-controller.k8s.io).  Watches: Endpoints, Service, EndpointSlice.
 * Writes: EndpointSlice.
 * Source: kubernetes `pkg/controller/endpointslicemirroring`.
 */

import { familyOf } from '#api/ip.ts';
import { lastAppliedAnnotation } from '#api/last-applied.ts';
import type { New } from '#api/meta.ts';
import { controllerReference } from '#api/meta.ts';
import { managedByLabel, serviceNameLabel, triggerTimeAnnotation } from '#api/service-labels.ts';
import type { Endpoint, EndpointAddress, EndpointSlice, EndpointSubset, Endpoints, Service } from '#api/types.generated.ts';
import type { Controller, ControllerDeps } from '#client/controller.ts';
import { done, requeueAfter } from '#client/controller.ts';
import { own } from '#client/controller-runner.ts';
import { carryOutSlices, managedSlices, sliceKeys } from './endpointslice.ts';
import { createExpectations, recheckAfterMs } from './expectations.ts';
import { endpointAddress } from './service-pods.ts';
import type { EndpointGroup } from './slice-packing.ts';
import { packSlices } from './slice-packing.ts';

const controllerName = 'endpointslicemirroring-controller.k8s.io';
const skipLabel = 'endpointslice.kubernetes.io/skip-mirror';
const leaderAnnotation = 'control-plane.alpha.kubernetes.io/leader';
const maxPerSubset = 1000;

/** Makes the EndpointSlice mirroring controller. */
export const endpointSliceMirroringController = (deps: ControllerDeps): Controller => {
  const { client, caches, clock, events } = deps;
  const expectations = createExpectations(client, caches, 'endpointslices.discovery.k8s.io');
  return {
    name: 'endpointslice-mirroring',
    watches: [
      own('endpoints'),
      own('services'),
      { resource: 'endpointslices.discovery.k8s.io', keys: (slice) => sliceKeys(slice, controllerName) },
    ],

    async reconcile(key) {
      const endpoints = caches.cache('endpoints').get(key);
      if (endpoints === undefined) {
        expectations.forget(key);
        return done; // The garbage collector deletes the slices.
      }
      if (!(await expectations.met(key, clock.monotonic()))) return requeueAfter(recheckAfterMs);
      const service = caches.cache('services').get(key);
      const groups = isMirrored(endpoints, service) ? mirrorGroups(endpoints) : [];
      const skipped = groups.length === 0 ? 0 : skippedAddresses(endpoints);
      if (skipped > 0)
        events.event(
          endpoints,
          'Warning',
          'TooManyAddressesToMirror',
          `A max of ${maxPerSubset} addresses can be mirrored to EndpointSlices per Endpoints subset. ${skipped} addresses were skipped`,
        );
      const existing = managedSlices(caches.cache('endpointslices.discovery.k8s.io'), endpoints, controllerName);
      const plan = packSlices(existing, groups, {
        maxPerSlice: maxPerSubset,
        template: mirrorTemplate(endpoints),
        placeholders: [],
        exactMeta: true,
      });
      await carryOutSlices(plan, endpoints, expectations, deps);
      return done;
    },
  };
};

/** Whether these Endpoints must be mirrored: no other controller makes slices for them. */
export function isMirrored({ metadata }: Endpoints, service: Service | undefined): boolean {
  if (metadata.labels?.[skipLabel] === 'true' || metadata.annotations?.[leaderAnnotation] !== undefined) return false;
  return service !== undefined && service.spec.selector === undefined;
}

/** The endpoints by address type and ports. Each subset gives at most {@link maxPerSubset}, ready ones first. Pure. */
export function mirrorGroups({ subsets = [] }: Endpoints): EndpointGroup[] {
  return subsets.flatMap((subset) => {
    const endpoints = addressesOf(subset)
      .slice(0, maxPerSubset)
      .flatMap(({ address, ready }) => endpointOf(address, ready));
    const ports = (subset.ports ?? []).map(({ name = '', port, protocol = 'TCP', appProtocol }) => ({
      name,
      port,
      protocol,
      appProtocol,
    }));
    return ['IPv4', 'IPv6']
      .map((addressType) => ({
        addressType,
        ports,
        endpoints: endpoints.filter(({ addresses: [ip = ''] }) => familyOf(ip) === addressType),
      }))
      .filter((group) => group.endpoints.length > 0);
  });
}

function addressesOf({ addresses = [], notReadyAddresses = [] }: EndpointSubset): { address: EndpointAddress; ready: boolean }[] {
  return [
    ...addresses.map((address) => ({ address, ready: true })),
    ...notReadyAddresses.map((address) => ({ address, ready: false })),
  ];
}

const skippedAddresses = ({ subsets = [] }: Endpoints): number =>
  subsets.reduce((sum, subset) => sum + Math.max(0, addressesOf(subset).length - maxPerSubset), 0);

function endpointOf({ ip, hostname, nodeName, targetRef }: EndpointAddress, ready: boolean): Endpoint[] {
  const address = endpointAddress(ip);
  if (address === undefined) return [];
  return [{ addresses: [address], conditions: { ready }, targetRef, nodeName, hostname: hostname === '' ? undefined : hostname }];
}

function mirrorTemplate(endpoints: Endpoints): New<EndpointSlice> {
  const { name, namespace, labels, annotations = {} } = endpoints.metadata;
  const { [triggerTimeAnnotation]: _trigger, [lastAppliedAnnotation]: _applied, ...copied } = annotations;
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      generateName: `${name}-`,
      namespace,
      labels: { ...labels, [serviceNameLabel]: name, [managedByLabel]: controllerName },
      annotations: copied,
      ownerReferences: [controllerReference(endpoints)],
    },
    addressType: 'IPv4',
  };
}
