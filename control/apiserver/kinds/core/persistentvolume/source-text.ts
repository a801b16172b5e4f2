/**
 * The source of a PersistentVolume as upstream's error prints it: in Go's names, every field of it.
 *
 * Source: upstream `pkg/apis/core/types.go` (PersistentVolumeSource).
 */
import type { JsonObject } from '#api/json.ts';
import { typeFacts } from '#api/schema/facts.ts';
import type { PersistentVolumeSpec } from '#api/types.generated.ts';
import { type GoNames, goValue } from '../../../validation/go-value.ts';

type SourceName = keyof PersistentVolumeSpec;

/** Wire name and Go's name of each source, in Go's order. */
const sources: readonly (readonly [SourceName, string])[] = [
  ['gcePersistentDisk', 'GCEPersistentDisk'],
  ['awsElasticBlockStore', 'AWSElasticBlockStore'],
  ['hostPath', 'HostPath'],
  ['glusterfs', 'Glusterfs'],
  ['nfs', 'NFS'],
  ['rbd', 'RBD'],
  ['quobyte', 'Quobyte'],
  ['iscsi', 'ISCSI'],
  ['flexVolume', 'FlexVolume'],
  ['cinder', 'Cinder'],
  ['cephfs', 'CephFS'],
  ['fc', 'FC'],
  ['flocker', 'Flocker'],
  ['azureFile', 'AzureFile'],
  ['vsphereVolume', 'VsphereVolume'],
  ['azureDisk', 'AzureDisk'],
  ['photonPersistentDisk', 'PhotonPersistentDisk'],
  ['portworxVolume', 'PortworxVolume'],
  ['scaleIO', 'ScaleIO'],
  ['local', 'Local'],
  ['storageos', 'StorageOS'],
  ['csi', 'CSI'],
];

const goNames: GoNames = {
  apiVersion: 'APIVersion',
  chapAuthDiscovery: 'DiscoveryCHAPAuth',
  chapAuthSession: 'SessionCHAPAuth',
  diskURI: 'DataDiskURI',
  endpoints: 'EndpointsName',
  fsType: 'FSType',
  iqn: 'IQN',
  iscsiInterface: 'ISCSIInterface',
  pdName: 'PDName',
  sslEnabled: 'SSLEnabled',
  uid: 'UID',
  wwids: 'WWIDs',
};

const rbdNames: GoNames = { ...goNames, image: 'RBDImage', monitors: 'CephMonitors', pool: 'RBDPool', user: 'RadosUser' };

/** All fields of Go's PersistentVolumeSource; null for those that the spec does not set. */
export function goSource(spec: PersistentVolumeSpec): JsonObject {
  const facts = typeFacts('core/v1.PersistentVolumeSpec');
  return Object.fromEntries(
    sources.map(([name, goName]) => {
      const type = facts.byName.get(name)?.type;
      const value = spec[name];
      if (type?.kind !== 'ref' || typeof value !== 'object') return [goName, null];
      return [goName, goValue(type.name, value, name === 'rbd' ? rbdNames : goNames)];
    }),
  );
}
