/**
 * The source of a PersistentVolume as upstream's error prints it: in Go's names, every field of it.
 *
 * Source: upstream `pkg/apis/core/types.go` (PersistentVolumeSource).
 */
import type { JsonObject } from '#api/json.ts';
import { isJsonObject } from '#api/json.ts';
import { typeFacts } from '#api/schema/facts.ts';
import { zeroOf } from '#api/schema/zeros.ts';
import type { PersistentVolumeSpec } from '#api/types.generated.ts';

type SourceName = keyof PersistentVolumeSpec;

/** Wire name, Go's name: in Go's order. */
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

/** Names that are not the wire name with a capital; some of one source only. */
const goNames: Readonly<Record<string, string>> = {
  chapAuthDiscovery: 'DiscoveryCHAPAuth',
  chapAuthSession: 'SessionCHAPAuth',
  diskURI: 'DataDiskURI',
  endpoints: 'EndpointsName',
  fsType: 'FSType',
  iqn: 'IQN',
  iscsiInterface: 'ISCSIInterface',
  pdName: 'PDName',
  'rbd.image': 'RBDImage',
  'rbd.monitors': 'CephMonitors',
  'rbd.pool': 'RBDPool',
  'rbd.user': 'RadosUser',
  sslEnabled: 'SSLEnabled',
  uid: 'UID',
  apiVersion: 'APIVersion',
  wwids: 'WWIDs',
};

/** All sources, null where the spec has none. */
export function goSource(spec: PersistentVolumeSpec): JsonObject {
  const facts = typeFacts('core/v1.PersistentVolumeSpec');
  return Object.fromEntries(
    sources.map(([name, goName]) => {
      const type = facts.byName.get(name)?.type;
      const value = spec[name] as unknown;
      return [goName, type?.kind === 'ref' && isJsonObject(value) ? goFields(type.name, value, name) : null];
    }),
  );
}

function goFields(typeName: string, value: JsonObject, source: string): JsonObject {
  const fields = typeFacts(typeName).fields.toSorted((a, b) => (a.protoPath[0] ?? 0) - (b.protoPath[0] ?? 0));
  return Object.fromEntries(
    fields.map(({ name, type, pointer }) => {
      const goName = goNames[`${source}.${name}`] ?? goNames[name] ?? name.charAt(0).toUpperCase() + name.slice(1);
      const field = value[name];
      if (isJsonObject(field)) return [goName, type.kind === 'ref' ? goFields(type.name, field, source) : field];
      return [goName, field ?? (pointer || type.kind === 'ref' ? null : (zeroOf(type) ?? null))];
    }),
  );
}
