/**
 * `dataSource` and `dataSourceRef` say the same thing, and either is enough.
 *
 * Source: upstream `pkg/api/persistentvolumeclaim/util.go`; KEP-1495.
 */
import type { PersistentVolumeClaimSpec } from '#api/types.generated.ts';

/**
 * Makes `dataSource` and `dataSourceRef` agree, in place. A `dataSource` alone must be a claim or a snapshot; others are dropped
 * silently, as in all versions of Kubernetes.
 * @param old the stored spec; undefined on create
 */
export function completeDataSources(spec: PersistentVolumeClaimSpec, old: PersistentVolumeClaimSpec | undefined): void {
  // Sources in other namespaces are an alpha feature, off by default.
  if (spec.dataSourceRef?.namespace && old?.dataSourceRef === undefined) delete spec.dataSourceRef;
  const hadSource = old?.dataSource !== undefined || old?.dataSourceRef !== undefined;
  if (!hadSource && spec.dataSourceRef === undefined && !isClaimOrSnapshot(spec)) delete spec.dataSource;
  mirror(spec);
}

function isClaimOrSnapshot({ dataSource }: PersistentVolumeClaimSpec): boolean {
  const { kind, apiGroup = '' } = dataSource ?? {};
  return (
    (kind === 'PersistentVolumeClaim' && apiGroup === '') || (kind === 'VolumeSnapshot' && apiGroup === 'snapshot.storage.k8s.io')
  );
}

function mirror(spec: PersistentVolumeClaimSpec): void {
  const { dataSource, dataSourceRef } = spec;
  if (dataSource !== undefined && dataSourceRef === undefined) spec.dataSourceRef = { ...dataSource };
  else if (dataSourceRef !== undefined && dataSource === undefined && !dataSourceRef.namespace) {
    const { namespace: _, ...local } = dataSourceRef;
    spec.dataSource = local;
  }
}
