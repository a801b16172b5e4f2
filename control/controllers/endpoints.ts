/**
 * Endpoints controller: the older form of a Service's endpoints, one object with all addresses.
 *
 * Owns: Endpoints of the Service's name.  Watches: Service, Pod, Endpoints.  Writes: Endpoints.
 * Source: kubernetes `pkg/controller/endpoint`, `pkg/api/v1/endpoints/util.go` (RepackSubsets).
 */

import { errorText } from '#api/error-text.ts';
import { familyOf } from '#api/ip.ts';
import type { New } from '#api/meta.ts';
import { keyToName, sameJson } from '#api/meta.ts';
import { isPodReady } from '#api/pod/conditions.ts';
import { headlessLabel, triggerTimeAnnotation } from '#api/service-labels.ts';
import { isAlreadyExists, isConflict, isNamespaceTerminating, isNotFound } from '#api/status.ts';
import type { EndpointAddress, EndpointPort, EndpointSubset, Endpoints, Pod, Service } from '#api/types.generated.ts';
import type { Controller, ControllerDeps } from '#client/controller.ts';
import { done } from '#client/controller.ts';
import { own } from '#client/controller-runner.ts';
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

const overCapacityAnnotation = 'endpoints.kubernetes.io/over-capacity';
const managedByLabel = 'endpoints.kubernetes.io/managed-by';
/** Limit of addresses in one Endpoints object. Further addresses are left out; EndpointSlices have all of them. */
export const maxAddresses = 1000;

/** Makes the Endpoints controller. */
export const endpointsController = (deps: ControllerDeps): Controller => {
  const { caches } = deps;
  const triggers = createTriggerTimes();
  return {
    name: 'endpoint',
    watches: [own('services'), own('endpoints'), podsOfServices],

    async reconcile(key) {
      const service = caches.cache('services').get(key);
      const present = caches.cache('endpoints').get(key);
      if (service === undefined) {
        triggers.forget(key);
        // Deletes only objects with our label. Endpoints without a Service may be the lock of a leader election.
        if (present?.metadata.labels?.[managedByLabel] !== undefined) await remove(present, deps);
        return done;
      }
      if (!isSelecting(service)) return done;
      const pods = podsBehind(service, caches, service.spec.publishNotReadyAddresses === true);
      const trigger = triggers.next(service, pods);
      const wanted = planEndpoints(service, pods, present, trigger);
      if (wanted === undefined) return done;
      await write(service, wanted, present, deps);
      return done;
    },
  };
};

/** The Endpoints that the Service should have. Undefined when `present` is already right. Pure. */
export function planEndpoints(
  service: Service,
  pods: readonly Pod[],
  present: Endpoints | undefined,
  trigger: string | undefined,
): New<Endpoints> | undefined {
  const all = subsetsOf(service, pods);
  const { subsets, truncated } = truncate(all);
  const { [headlessLabel]: _headless, ...serviceLabels } = service.metadata.labels ?? {};
  const labels = {
    ...serviceLabels,
    ...(isHeadless(service) ? { [headlessLabel]: '' } : {}),
    [managedByLabel]: 'endpoint-controller',
  };
  const isTruncated = present?.metadata.annotations?.[overCapacityAnnotation] === 'truncated';
  if (
    present !== undefined &&
    sameJson(present.subsets ?? [], subsets) &&
    sameJson(present.metadata.labels, labels) &&
    isTruncated === truncated
  )
    return undefined;
  const {
    [triggerTimeAnnotation]: _trigger,
    [overCapacityAnnotation]: _over,
    ...annotations
  } = present?.metadata.annotations ?? {};
  return {
    apiVersion: 'v1',
    kind: 'Endpoints',
    metadata: {
      ...(present?.metadata ?? { name: service.metadata.name, namespace: service.metadata.namespace }),
      labels,
      annotations: {
        ...annotations,
        ...(trigger === undefined ? {} : { [triggerTimeAnnotation]: trigger }),
        ...(truncated ? { [overCapacityAnnotation]: 'truncated' } : {}),
      },
    },
    subsets,
  };
}

interface Entry {
  address: EndpointAddress;
  ready: boolean;
  ports: EndpointPort[];
}

/**
 * Groups addresses into subsets. Addresses with the same ports share a subset, so a port is in more than one subset only when it
 * has different numbers for different addresses. Everything is sorted, so that the same state gives the same object.
 */
function subsetsOf(service: Service, pods: readonly Pod[]): EndpointSubset[] {
  const byPort = new Map<string, { port: EndpointPort | undefined; entries: Entry[] }>();
  for (const entry of pods.flatMap((pod) => entryOf(service, pod))) {
    for (const port of entry.ports.length === 0 ? [undefined] : entry.ports) {
      const key = JSON.stringify(port) ?? '';
      const known = byPort.get(key);
      if (known === undefined) byPort.set(key, { port, entries: [entry] });
      else known.entries.push(entry);
    }
  }
  const byAddresses = new Map<string, { ports: EndpointPort[]; entries: readonly Entry[] }>();
  for (const { port, entries } of byPort.values()) {
    const key = entries
      .map(({ address, ready }) => `${address.ip} ${address.targetRef?.uid} ${ready}`)
      .sort()
      .join();
    const { ports } = byAddresses.get(key) ?? { ports: [] };
    byAddresses.set(key, { ports: port === undefined ? ports : [...ports, port], entries });
  }
  const subsets = [...byAddresses.values()].map(({ ports, entries }) => subset(ports.sort(byNumber), entries));
  return subsets.sort((x, y) => (JSON.stringify(x.ports) < JSON.stringify(y.ports) ? -1 : 1));
}

const byNumber = (a: EndpointPort, b: EndpointPort): number => a.port - b.port || ((a.name ?? '') < (b.name ?? '') ? -1 : 1);

function entryOf(service: Service, pod: Pod): Entry[] {
  const family = service.spec.ipFamilies?.[0] ?? familyOf(service.spec.clusterIP ?? '');
  const ip = podIPs(pod).find((one) => familyOf(one) === family);
  if (ip === undefined) return [];
  const ports = (service.spec.ports ?? []).flatMap((port): EndpointPort[] => {
    const number = findPort(pod, port);
    if (number === undefined) return [];
    return [
      {
        name: port.name === '' ? undefined : port.name,
        port: number,
        protocol: port.protocol ?? 'TCP',
        appProtocol: port.appProtocol,
      },
    ];
  });
  // A headless Service may have no ports at all. Any other Service leaves out a pod that has none of its ports.
  if (ports.length === 0 && !(service.spec.clusterIP === 'None' && (service.spec.ports ?? []).length === 0)) return [];
  const { name, namespace, uid } = pod.metadata;
  const address = {
    ip,
    hostname: endpointHostname(pod, service),
    nodeName: pod.spec.nodeName,
    targetRef: { kind: 'Pod', namespace, name, uid },
  };
  return [{ address, ready: service.spec.publishNotReadyAddresses === true || isPodReady(pod), ports }];
}

function subset(ports: readonly EndpointPort[], entries: readonly Entry[]): EndpointSubset {
  const sorted = [...entries].sort((a, b) => (a.address.ip < b.address.ip ? -1 : 1));
  const addresses = sorted.filter(({ ready }) => ready).map(({ address }) => address);
  const notReadyAddresses = sorted.filter(({ ready }) => !ready).map(({ address }) => address);
  return {
    ...(addresses.length === 0 ? {} : { addresses }),
    ...(notReadyAddresses.length === 0 ? {} : { notReadyAddresses }),
    ...(ports.length === 0 ? {} : { ports: [...ports] }),
  };
}

/** Limits the addresses. Ready ones are kept first. */
function truncate(subsets: EndpointSubset[]): { subsets: EndpointSubset[]; truncated: boolean } {
  const count = (list: EndpointAddress[] | undefined): number => list?.length ?? 0;
  const total = subsets.reduce((sum, { addresses, notReadyAddresses }) => sum + count(addresses) + count(notReadyAddresses), 0);
  if (total <= maxAddresses) return { subsets, truncated: false };
  let room = maxAddresses;
  const take = (list: EndpointAddress[] | undefined): EndpointAddress[] => {
    const taken = (list ?? []).slice(0, room);
    room -= taken.length;
    return taken;
  };
  const ready = subsets.map(({ addresses }) => take(addresses));
  const kept = subsets.map(({ notReadyAddresses, ports }, index): EndpointSubset => {
    const [addresses, notReady] = [ready[index] ?? [], take(notReadyAddresses)];
    return {
      ...(addresses.length === 0 ? {} : { addresses }),
      ...(notReady.length === 0 ? {} : { notReadyAddresses: notReady }),
      ...(ports === undefined ? {} : { ports }),
    };
  });
  return { subsets: kept.filter((one) => count(one.addresses) + count(one.notReadyAddresses) > 0), truncated: true };
}

async function write(
  service: Service,
  wanted: New<Endpoints>,
  present: Endpoints | undefined,
  { client, events }: ControllerDeps,
): Promise<void> {
  const { namespace, name } = service.metadata;
  try {
    if (present === undefined) await client.resource('endpoints').create(wanted);
    else
      await client.resource('endpoints').update({
        ...present,
        ...wanted,
        metadata: { ...present.metadata, labels: wanted.metadata.labels, annotations: wanted.metadata.annotations },
      });
  } catch (error) {
    if (isNamespaceTerminating(error)) return; // Nothing can be created in the namespace any more.
    // This controller has just written the object, and its cache does not show it yet. No event is recorded; the key is retried.
    if (isConflict(error) || isAlreadyExists(error)) throw error;
    const message = errorText(error);
    const reference = { apiVersion: 'v1', kind: 'Endpoints', name, ...(namespace === undefined ? {} : { namespace }) };
    if (present === undefined)
      events.event(
        reference,
        'Warning',
        'FailedToCreateEndpoint',
        `Failed to create endpoint for service ${namespace}/${name}: ${message}`,
      );
    else events.event(present, 'Warning', 'FailedToUpdateEndpoint', `Failed to update endpoint ${namespace}/${name}: ${message}`);
    throw error;
  }
}

async function remove(present: Endpoints, { client }: ControllerDeps): Promise<void> {
  const { namespace, name, uid } = present.metadata;
  try {
    await client.resource('endpoints').delete(keyToName(`${namespace}/${name}`), { preconditions: { uid } });
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
}
