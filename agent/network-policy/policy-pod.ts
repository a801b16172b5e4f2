/** What policies see of a pod. Pure. */

import { type IpFamily, parseIpSloppy } from '#api/ip.ts';
import { isPodTerminal } from '#api/pod/conditions.ts';
import { initContainers, isSidecar } from '#api/pod/containers.ts';
import type { Pod } from '#api/types.generated.ts';
import { isPortNumber, type PolicyProtocol, protocolOf } from './compiled-policy.ts';

/** One address of a pod. */
export interface PodAddress {
  family: IpFamily;
  /** In canonical form. */
  text: string;
}

/** A named port of a container. */
export interface NamedPort {
  name: string;
  protocol: PolicyProtocol;
  port: number;
}

/** A pod as policies see it. */
export interface PolicyPod {
  /** `namespace/name`. */
  key: string;
  namespace: string;
  uid: string;
  labels: Readonly<Record<string, string>>;
  /** None for a pod that has not got one yet, has ended, or is on its node's network: policies do not see such a pod. */
  addresses: readonly PodAddress[];
  ports: readonly NamedPort[];
  nodeName: string;
  /** ms since the epoch. */
  createdMs: number;
}

/** @param ips the addresses of the pod's sandbox, where they are known better than from its status */
export function policyPod(pod: Pod, ips?: readonly string[]): PolicyPod {
  const { namespace = '', name, uid, labels = {}, creationTimestamp } = pod.metadata;
  const seen = hasOwnNetwork(pod) && !isPodTerminal(pod);
  return {
    key: `${namespace}/${name}`,
    namespace,
    uid,
    labels,
    addresses: seen ? addressesOf(ips ?? statusIps(pod)) : [],
    ports: seen ? portsOf(pod) : [],
    nodeName: pod.spec.nodeName ?? '',
    createdMs: Date.parse(creationTimestamp) || 0,
  };
}

/** Whether the pod has a network of its own. What policies mean for pods on their node's network is left open by the API. */
export const hasOwnNetwork = (pod: Pod): boolean => pod.spec.hostNetwork !== true;

function statusIps({ status }: Pod): string[] {
  const ips = (status?.podIPs ?? []).flatMap(({ ip }) => (ip === undefined ? [] : [ip]));
  return ips.length > 0 || status?.podIP === undefined || status.podIP === '' ? ips : [status.podIP];
}

function addressesOf(ips: readonly string[]): PodAddress[] {
  return ips.flatMap((text) => {
    const ip = parseIpSloppy(text);
    return ip === undefined ? [] : [{ family: ip.family, text: ip.text }];
  });
}

function portsOf(pod: Pod): NamedPort[] {
  const containers = [...(pod.spec.containers ?? []), ...initContainers(pod).filter(isSidecar)];
  return containers.flatMap(({ ports = [] }) =>
    ports.flatMap(({ name, containerPort, protocol }) => {
      if (name === undefined || name === '' || !isPortNumber(containerPort)) return [];
      return [{ name, protocol: protocolOf(protocol), port: containerPort }];
    }),
  );
}
