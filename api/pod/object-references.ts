/**
 * Which other objects of its namespace a pod uses: what its kubelet has to be able to read.
 *
 * Source: kubernetes `pkg/api/v1/pod/util.go` (VisitPodSecretNames, VisitPodConfigmapNames), `plugin/pkg/auth/authorizer/node/graph.go`.
 */
import type { Pod, Volume } from '../types.generated.ts';
import { allContainers } from './containers.ts';

/** Names in the pod's namespace, each once. */
export interface PodReferences {
  secrets: ReadonlySet<string>;
  configMaps: ReadonlySet<string>;
  persistentVolumeClaims: ReadonlySet<string>;
  resourceClaims: ReadonlySet<string>;
}

/** The names of all objects that the pod uses, each once. Pure. */
export function podReferences(pod: Pod): PodReferences {
  const { volumes = [], imagePullSecrets = [] } = pod.spec;
  const containers = Array.from(allContainers(pod), ({ container }) => container);
  return {
    secrets: named([
      ...imagePullSecrets.map(({ name }) => name),
      ...containers.flatMap(({ env = [], envFrom = [] }) => [
        ...envFrom.map(({ secretRef }) => secretRef?.name),
        ...env.map(({ valueFrom }) => valueFrom?.secretKeyRef?.name),
      ]),
      ...volumes.flatMap(volumeSecrets),
    ]),
    configMaps: named([
      ...containers.flatMap(({ env = [], envFrom = [] }) => [
        ...envFrom.map(({ configMapRef }) => configMapRef?.name),
        ...env.map(({ valueFrom }) => valueFrom?.configMapKeyRef?.name),
      ]),
      ...volumes.flatMap(({ configMap, projected }) => [
        configMap?.name,
        ...(projected?.sources ?? []).map((source) => source.configMap?.name),
      ]),
    ]),
    persistentVolumeClaims: named(volumes.map((volume) => volumeClaimName(pod, volume))),
    resourceClaims: named([
      ...(pod.spec.resourceClaims ?? []).map(({ name, resourceClaimName }) => resourceClaimName ?? generatedClaim(pod, name)),
      pod.status?.extendedResourceClaimStatus?.resourceClaimName,
    ]),
  };
}

function volumeSecrets(volume: Volume): (string | undefined)[] {
  const { azureFile, cephfs, cinder, flexVolume, projected, rbd, secret, scaleIO, iscsi, storageos, csi } = volume;
  return [
    azureFile?.secretName,
    secret?.secretName,
    ...[cephfs, cinder, flexVolume, rbd, scaleIO, iscsi, storageos].map((source) => source?.secretRef?.name),
    csi?.nodePublishSecretRef?.name,
    ...(projected?.sources ?? []).map((source) => source.secret?.name),
  ];
}

/** The claim of a volume: the one that it names, or the pod's own of an ephemeral volume. */
export function volumeClaimName(pod: Pod, { name, persistentVolumeClaim, ephemeral }: Volume): string | undefined {
  if (persistentVolumeClaim !== undefined) return persistentVolumeClaim.claimName;
  return ephemeral === undefined ? undefined : `${pod.metadata.name}-${name}`;
}

/** The claim's name. For a template, it is absent until a controller has created the claim. */
const generatedClaim = (pod: Pod, claim: string): string | undefined =>
  pod.status?.resourceClaimStatuses?.find(({ name }) => name === claim)?.resourceClaimName;

const named = (names: readonly (string | undefined)[]): ReadonlySet<string> =>
  new Set(names.filter((name) => name !== undefined && name !== '') as string[]);
