/** For tests only: volumes, claims and classes with what a test does not say filled in. */
import type {
  PersistentVolume,
  PersistentVolumeClaim,
  PersistentVolumeClaimSpec,
  PersistentVolumeSpec,
} from '../types.generated.ts';

/** An available volume of 1Gi. */
export function volumeOf(
  name: string,
  spec: Partial<PersistentVolumeSpec> & { size?: string } = {},
  rest: {
    phase?: string;
    annotations?: Record<string, string>;
    labels?: Record<string, string>;
    deletionTimestamp?: string;
  } = {},
): PersistentVolume {
  const { size = '1Gi', ...fields } = spec;
  const { phase = 'Available', ...metadata } = rest;
  return {
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    metadata: { name, uid: `uid-of-${name}`, resourceVersion: '1', ...metadata } as PersistentVolume['metadata'],
    spec: {
      capacity: { storage: size },
      accessModes: ['ReadWriteOnce'],
      hostPath: { path: '/tmp/x' },
      volumeMode: 'Filesystem',
      ...fields,
    },
    status: { phase },
  };
}

/** A claim of 1Gi in the namespace `ns`. */
export function claimOf(
  name: string,
  spec: Partial<PersistentVolumeClaimSpec> & { size?: string } = {},
  rest: { phase?: string; annotations?: Record<string, string>; uid?: string } = {},
): PersistentVolumeClaim {
  const { size = '1Gi', ...fields } = spec;
  const { phase = 'Pending', ...metadata } = rest;
  return {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: {
      name,
      namespace: 'ns',
      uid: `uid-of-${name}`,
      resourceVersion: '1',
      ...metadata,
    } as PersistentVolumeClaim['metadata'],
    spec: { resources: { requests: { storage: size } }, accessModes: ['ReadWriteOnce'], volumeMode: 'Filesystem', ...fields },
    status: { phase },
  };
}
