/** Volumes of each type, for the contract of plugins. */
import type { VolumeSpec } from '../plugin.ts';

/** A volume, and the plugin that must support it. */
export interface VolumeExample {
  plugin: string;
  what: string;
  /** @param hostPath a folder of the node, with data in it */
  volume(hostPath: string): Omit<VolumeSpec, 'name'>;
}

const annotation = [{ path: 'key', fieldRef: { fieldPath: "metadata.annotations['value']" } }];

export const examples: readonly VolumeExample[] = [
  { plugin: 'kubernetes.io/empty-dir', what: 'an emptyDir on disk', volume: () => ({ emptyDir: {} }) },
  { plugin: 'kubernetes.io/empty-dir', what: 'an emptyDir in memory', volume: () => ({ emptyDir: { medium: 'Memory' } }) },
  {
    plugin: 'kubernetes.io/host-path',
    what: 'a hostPath of a type',
    volume: (path) => ({ hostPath: { path, type: 'Directory' } }),
  },
  { plugin: 'kubernetes.io/local-volume', what: 'a local PersistentVolume', volume: (path) => ({ local: { path } }) },
  { plugin: 'kubernetes.io/configmap', what: 'a configMap', volume: () => ({ configMap: { name: 'o' } }) },
  { plugin: 'kubernetes.io/secret', what: 'a secret', volume: () => ({ secret: { secretName: 'o' } }) },
  { plugin: 'kubernetes.io/downward-api', what: 'a downwardAPI', volume: () => ({ downwardAPI: { items: annotation } }) },
  {
    plugin: 'kubernetes.io/projected',
    what: 'a projected volume',
    volume: () => ({ projected: { sources: [{ secret: { name: 'o' } }, { serviceAccountToken: { path: 'token' } }] } }),
  },
  { plugin: 'kubernetes.io/image', what: 'an image', volume: () => ({ image: { reference: 'registry.example/data:1' } }) },
];
