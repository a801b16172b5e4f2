/** Volumes on a real file system, for tests. */
import { join } from 'node:path';
import { createMounts, type Mounts } from '#agent/host/mount.ts';
import type { ConfigMap, Pod, Secret } from '#api/types.generated.ts';
import { systemClock } from '#client/clock.ts';
import type { PodFacts } from '../container/field-ref.ts';
import { kubeletPaths } from '../paths.ts';
import type { ClaimSources } from './claims.ts';
import { createPathGate } from './path-gate.ts';
import type { PluginDeps, VolumePlugin } from './plugin.ts';
import { createVolumes, type Volumes } from './volumes.ts';

export const facts: PodFacts = { nodeName: 'n1', hostIps: [], podIps: [], allocatable: {} };
const aSecret: Secret = {
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: { name: 's', uid: 's', resourceVersion: '1', creationTimestamp: '2026-01-01T00:00:00Z' },
  data: { k: 'dg==' },
};
const aConfigMap: ConfigMap = {
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: aSecret.metadata,
  data: { k: 'v', 'other.txt': 'w' },
};

/** Reads the kernel's list, and fails to mount. */
export const noMounts = createMounts(() => Promise.reject(new Error('nothing is mounted here')));

/** The dependencies of plugins for a kubelet with all of its files in `folder`. */
export const depsIn = (folder: string, mounts: Mounts): PluginDeps => ({
  paths: kubeletPaths(join(folder, 'data'), join(folder, 'logs')),
  mounts,
  gate: createPathGate(systemClock),
  sources: {
    objects: { configMap: async () => aConfigMap, secret: async () => aSecret },
    tokens: { token: async () => 'token', forget: () => undefined },
  },
});

/** There are no claims. */
export const noClaims: ClaimSources = {
  claim: () => Promise.reject(new Error('there are no claims')),
  volume: () => Promise.reject(new Error('there are no volumes')),
  nodeLabels: () => ({}),
};

/** The volumes of a kubelet that has just started. */
export const volumesIn = (
  folder: string,
  mounts: Mounts,
  plugins?: readonly VolumePlugin[],
  claims: ClaimSources = noClaims,
): Volumes => createVolumes({ ...depsIn(folder, mounts), claims }, plugins);

/** The path of the volume `v`. */
export async function setUp(volumes: Volumes, pod: Pod): Promise<string> {
  const path = (await volumes.setUp(pod, facts)).get('v')?.hostPath;
  if (path === undefined) throw new Error('the pod has no volume v');
  return path;
}
