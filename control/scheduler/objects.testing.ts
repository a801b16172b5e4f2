/** Pods and nodes for the tests of this folder, with the fields that the API server and the kubelet would set. */

import { deepFreeze } from '#api/deep-freeze.ts';
import type { Node, NodeStatus, Pod, PodSpec, PodStatus, Taint } from '#api/types.generated.ts';
import { noDevices } from './devices/device-view.ts';
import { type NodeInfo, nodeInfo } from './node-info.ts';
import { createSnapshot, type Snapshot, type SnapshotLookups } from './snapshot.ts';
import { noStorage } from './volumes/storage-view.ts';

export interface NodeFixture {
  labels?: Record<string, string>;
  taints?: Taint[];
  unschedulable?: boolean;
  allocatable?: Record<string, string>;
  images?: NodeStatus['images'];
}

/** A node with 4 cores, 8 GiB and 110 pods by default. Its hostname label is its name, as upstream's kubelet sets it. */
export function node(name: string, { labels, taints, unschedulable, allocatable, images }: NodeFixture = {}): Node {
  return deepFreeze({
    apiVersion: 'v1',
    kind: 'Node',
    metadata: metadata(name, { labels: { 'kubernetes.io/hostname': name, ...labels } }),
    spec: { ...(taints === undefined ? {} : { taints }), ...(unschedulable === undefined ? {} : { unschedulable }) },
    status: { allocatable: { cpu: '4', memory: '8Gi', pods: '110', ...allocatable }, images: images ?? [] },
  });
}

export interface PodFixture extends Partial<Omit<PodSpec, 'containers'>> {
  cpu?: string;
  memory?: string;
  labels?: Record<string, string>;
  namespace?: string;
  image?: string;
  hostPort?: number;
  status?: PodStatus;
  deleting?: boolean;
  owner?: { kind: string; name: string };
}

/** A pod with one container in namespace `default`. */
export function pod(name: string, fixture: PodFixture = {}): Pod {
  const { cpu, memory, labels, namespace, image, hostPort, status, deleting, owner, ...spec } = fixture;
  const requests = { ...(cpu === undefined ? {} : { cpu }), ...(memory === undefined ? {} : { memory }) };
  const ports = hostPort === undefined ? [] : [{ containerPort: hostPort, hostPort, protocol: 'TCP' }];
  return deepFreeze({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: metadata(name, {
      namespace: namespace ?? 'default',
      labels: labels ?? {},
      ...(deleting === true ? { deletionTimestamp: '2026-01-01T00:00:00Z' } : {}),
      ...(owner === undefined
        ? {}
        : { ownerReferences: [{ ...owner, apiVersion: 'apps/v1', uid: `uid-${owner.name}`, controller: true }] }),
    }),
    spec: {
      schedulerName: 'default-scheduler',
      ...spec,
      containers: [{ name: 'main', image: image ?? 'web', ports, resources: { requests } }],
    },
    status: { phase: 'Pending', ...status },
  });
}

const metadata = (name: string, more: Partial<Pod['metadata']>): Pod['metadata'] => ({
  name,
  uid: `uid-${name}`,
  resourceVersion: '1',
  creationTimestamp: '2026-01-01T00:00:00Z',
  ...more,
});

/** A snapshot of nodes, each alone or with its pods. */
export function snapshotOf(nodes: readonly (Node | [Node, ...Pod[]])[], lookups: Partial<SnapshotLookups> = {}): Snapshot {
  const infos: NodeInfo[] = nodes.map((entry) => {
    const [one, ...pods] = Array.isArray(entry) ? entry : [entry];
    return nodeInfo(one, pods);
  });
  return createSnapshot(infos, {
    namespaceLabels: () => ({}),
    services: () => [],
    ownerSelector: () => undefined,
    storage: noStorage,
    devices: noDevices,
    ...lookups,
  });
}
