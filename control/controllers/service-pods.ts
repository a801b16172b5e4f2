/**
 * What the Endpoints and the EndpointSlice controllers share: the pods behind a Service and their ports.
 *
 * Source: kubernetes `staging/src/k8s.io/endpointslice/{utils.go,util}`.
 */

import { parseIpSloppy } from '#api/ip.ts';
import { type IpScope, scopeOf } from '#api/ip-scope.ts';
import type { KubeObject } from '#api/meta.ts';
import { keyOf } from '#api/meta.ts';
import { isDns1123Label } from '#api/names.ts';
import { isPodReady, isPodTerminal, podCondition } from '#api/pod/conditions.ts';
import { initContainers, isSidecar } from '#api/pod/containers.ts';
import { labelMatcherOfMap, matchesLabels } from '#api/selector.ts';
import type { Pod, Service, ServicePort } from '#api/types.generated.ts';
import type { Caches, ControllerWatch } from '#client/controller.ts';

/** Maps a change of a pod to the Services that select it, or selected it before. */
export const podsOfServices: ControllerWatch = {
  resource: 'pods',
  keys(object, previous, caches) {
    const keys = new Set<string>();
    for (const service of caches.cache('services').list(object.metadata.namespace)) {
      if (selects(service, object) || (previous !== undefined && selects(service, previous))) keys.add(keyOf(service));
    }
    return keys;
  },
};

/** Whether the Service selects the object. A Service without selector selects nothing; users write its endpoints. */
export function selects({ spec }: Service, { metadata }: KubeObject): boolean {
  return spec.selector !== undefined && matchesLabels(labelMatcherOfMap(spec.selector), metadata.labels);
}

/** Whether the Service has a selector and is not of type ExternalName. */
export const isSelecting = ({ spec }: Service): boolean => spec.type !== 'ExternalName' && spec.selector !== undefined;

/** Whether the Service has no cluster IP. */
export const isHeadless = ({ spec }: Service): boolean =>
  spec.clusterIP === 'None' || spec.clusterIP === undefined || spec.clusterIP === '';

/** The pods that a Service selects and that have an address. Terminating pods are included if `terminating`. */
export function podsBehind(service: Service, caches: Caches, terminating: boolean): Pod[] {
  return caches
    .cache('pods')
    .list(service.metadata.namespace)
    .filter(
      (pod) =>
        selects(service, pod) &&
        !isPodTerminal(pod) &&
        podIPs(pod).length > 0 &&
        (terminating || pod.metadata.deletionTimestamp === undefined),
    );
}

/**
 * The pod's addresses that endpoints may have. Any other address would make the API refuse the endpoints of all other pods with
 * it.
 */
export function podIPs({ status }: Pod): string[] {
  const ips = (status?.podIPs ?? []).map(({ ip }) => ip);
  const all = ips.length > 0 || status?.podIP === undefined ? ips : [status.podIP];
  return all.flatMap((ip) => endpointAddress(ip) ?? []);
}

/** The scopes that upstream's ValidateEndpointIP refuses. */
const refusedScopes: readonly IpScope[] = ['unspecified', 'loopback', 'link-local', 'link-local multicast'];

/**
 * The address in the canonical form that slices require, also when it was written with leading zeros. Undefined when no endpoint
 * may have it.
 */
export function endpointAddress(text: string): string | undefined {
  const ip = parseIpSloppy(text);
  return ip === undefined || refusedScopes.includes(scopeOf(ip)) ? undefined : ip.text;
}

const isPort = (port: number | undefined): port is number =>
  Number.isInteger(port) && Number(port) >= 1 && Number(port) <= 65_535;

/**
 * The pod's port for a port of the Service: the number, or the number of the container port with that name. Undefined when the
 * pod has no such port.
 */
export function findPort(pod: Pod, servicePort: ServicePort): number | undefined {
  const port = portOf(pod, servicePort);
  return isPort(port) ? port : undefined;
}

function portOf(pod: Pod, { targetPort, port, protocol = 'TCP' }: ServicePort): number | undefined {
  if (typeof targetPort === 'number') return targetPort;
  if (targetPort === undefined || targetPort === '') return port;
  const sidecars = initContainers(pod).filter(isSidecar);
  return [...pod.spec.containers, ...sidecars]
    .flatMap(({ ports = [] }) => ports)
    .find((one) => one.name === targetPort && (one.protocol ?? 'TCP') === protocol)?.containerPort;
}

/** The host name that DNS gives the pod under this Service; undefined when it has none. */
export function endpointHostname(pod: Pod, { metadata }: Service): string | undefined {
  const { hostname, subdomain } = pod.spec;
  return hostname !== undefined && isDns1123Label(hostname).length === 0 && subdomain === metadata.name ? hostname : undefined;
}

/** Remembers when the objects behind a Service last changed, for the annotation with which latency is measured. */
export interface TriggerTimes {
  /** The time of the earliest change since the last call, in RFC 3339. Undefined when nothing with a time has changed. */
  next(service: Service, pods: readonly Pod[]): string | undefined;
  forget(serviceKey: string): void;
}

/** Makes an empty memory of trigger times. */
export function createTriggerTimes(): TriggerTimes {
  const known = new Map<string, { service: string; pods: Map<string, string> }>();
  return {
    next(service, pods) {
      const before = known.get(keyOf(service));
      const now = new Map(
        pods
          .map((pod) => [pod.metadata.name, podTriggerTime(pod)] as const)
          .filter((pair): pair is [string, string] => pair[1] !== undefined),
      );
      const changed = [...now].filter(([name, time]) => time > (before?.pods.get(name) ?? '')).map(([, time]) => time);
      if (before === undefined) changed.push(service.metadata.creationTimestamp);
      known.set(keyOf(service), { service: service.metadata.creationTimestamp, pods: now });
      return changed.sort()[0];
    },
    forget: (serviceKey) => void known.delete(serviceKey),
  };
}

function podTriggerTime(pod: Pod): string | undefined {
  return isPodReady(pod) ? podCondition(pod, 'Ready')?.lastTransitionTime : undefined;
}
