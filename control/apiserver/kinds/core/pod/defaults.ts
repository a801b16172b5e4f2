/**
 * What the API promises for absent fields of a pod: the parts that pods and pod templates share, and the parts that only
 * a pod gets.
 *
 * Source: upstream `pkg/apis/core/v1/defaults.go`, `zz_generated.defaults.go`.
 */
import type {
  Container,
  DownwardAPIVolumeFile,
  EphemeralContainer,
  LifecycleHandler,
  PersistentVolumeSpec,
  Pod,
  PodSpec,
  Probe,
  ProjectedVolumeSource,
  Volume,
} from '#api/types.generated.ts';
import { defaultPodLevelRequests, roundUpResources } from './resources.ts';

type AnyContainer = Container | EphemeralContainer;

const VOLUME_FILE_MODE = 0o644;
const TOKEN_EXPIRATION_SECONDS = 3600;

/** Defaults of a pod spec, alone or inside a template. In place. */
export function setPodSpecDefaults(spec: PodSpec): void {
  spec.containers ??= [];
  spec.dnsPolicy ||= 'ClusterFirst';
  spec.restartPolicy ||= 'Always';
  spec.securityContext ??= {};
  spec.terminationGracePeriodSeconds ??= 30;
  spec.schedulerName ||= 'default-scheduler';
  mirrorServiceAccount(spec);
  spec.volumes?.forEach(setVolumeDefaults);
  for (const container of allContainers(spec)) setContainerDefaults(container);
}

/** Defaults that only a pod gets, so that templates stay as their authors wrote them. In place; includes {@link setPodSpecDefaults}. */
export function setPodDefaults(pod: Pod): void {
  // A pod without a spec gets the same errors as one with an empty spec.
  pod.spec ??= { containers: [] };
  const { spec } = pod;
  setPodSpecDefaults(spec);
  // Upstream does this when it converts a pod. It does not convert templates, which stay as written.
  if ((spec.terminationGracePeriodSeconds ?? 0) < 0) spec.terminationGracePeriodSeconds = 1;
  for (const container of [...(spec.containers ?? []), ...(spec.initContainers ?? [])]) defaultRequestsToLimits(container);
  defaultPodLevelRequests(spec);
  spec.enableServiceLinks ??= true;
  if (spec.hostNetwork === true) defaultHostPorts(spec);
  mirrorPodIp(pod);
}

/**
 * Copies between `podIP`, the old field, and the first of `podIPs`. If both are set and differ, `podIP` wins, as in upstream's
 * conversion.
 */
function mirrorPodIp(pod: Pod): void {
  // A new object, not a change in place: on an update the status is the very object of the stored pod.
  const { status } = pod;
  if (status === undefined) return;
  const first = status.podIPs?.[0]?.ip;
  if (status.podIP && status.podIP !== first) pod.status = { ...status, podIPs: [{ ip: status.podIP }] };
  else if (first !== undefined && status.podIP !== first) pod.status = { ...status, podIP: first };
}

/** Every container of a pod: regular, init and ephemeral. */
function allContainers(spec: PodSpec): AnyContainer[] {
  return [...(spec.containers ?? []), ...(spec.initContainers ?? []), ...(spec.ephemeralContainers ?? [])];
}

/** `serviceAccount` is the deprecated spelling of `serviceAccountName`; upstream's conversion keeps both equal. */
function mirrorServiceAccount(spec: PodSpec): void {
  const name = spec.serviceAccountName || spec.serviceAccount;
  if (name === undefined || name === '') return;
  spec.serviceAccountName = name;
  spec.serviceAccount = name;
}

function setContainerDefaults(container: AnyContainer): void {
  container.imagePullPolicy ||= isLatest(container.image ?? '') ? 'Always' : 'IfNotPresent';
  container.terminationMessagePath ||= '/dev/termination-log';
  container.terminationMessagePolicy ||= 'File';
  container.resources ??= {};
  roundUpResources(container.resources);
  for (const port of container.ports ?? []) port.protocol ||= 'TCP';
  for (const { valueFrom } of container.env ?? []) {
    if (valueFrom?.fieldRef !== undefined) valueFrom.fieldRef.apiVersion ||= 'v1';
    if (valueFrom?.fileKeyRef !== undefined) valueFrom.fileKeyRef.optional ??= false;
  }
  for (const probe of [container.livenessProbe, container.readinessProbe, container.startupProbe]) {
    if (probe !== undefined) setProbeDefaults(probe);
  }
  setHandlerDefaults(container.lifecycle?.postStart);
  setHandlerDefaults(container.lifecycle?.preStop);
}

/** Whether the image's tag is `latest`: written so, or because there is neither tag nor digest. */
function isLatest(image: string): boolean {
  const [name = '', digest] = image.split('@');
  const lastPart = name.slice(name.lastIndexOf('/') + 1);
  const colon = lastPart.indexOf(':');
  if (colon >= 0) return lastPart.slice(colon + 1) === 'latest';
  return digest === undefined && image !== '';
}

function setProbeDefaults(probe: Probe): void {
  probe.timeoutSeconds ||= 1;
  probe.periodSeconds ||= 10;
  probe.successThreshold ||= 1;
  probe.failureThreshold ||= 3;
  if (probe.grpc !== undefined) probe.grpc.service ??= '';
  setHandlerDefaults(probe);
}

function setHandlerDefaults(handler: Pick<LifecycleHandler, 'httpGet'> | undefined): void {
  if (handler?.httpGet === undefined) return;
  handler.httpGet.path ||= '/';
  handler.httpGet.scheme ||= 'HTTP';
}

function setVolumeDefaults(volume: Volume): void {
  const { hostPath, secret, configMap, downwardAPI, projected, image } = volume;
  if (Object.entries(volume).every(([key, value]) => key === 'name' || value === undefined)) volume.emptyDir = {};
  if (hostPath !== undefined) hostPath.type ??= '';
  if (secret !== undefined) secret.defaultMode ??= VOLUME_FILE_MODE;
  if (configMap !== undefined) configMap.defaultMode ??= VOLUME_FILE_MODE;
  if (downwardAPI !== undefined) {
    downwardAPI.defaultMode ??= VOLUME_FILE_MODE;
    downwardAPI.items?.forEach(setDownwardFileDefaults);
  }
  if (projected !== undefined) setProjectedDefaults(projected);
  if (image !== undefined) image.pullPolicy ||= isLatest(image.reference ?? '') ? 'Always' : 'IfNotPresent';
  if (volume.ephemeral?.volumeClaimTemplate !== undefined) volume.ephemeral.volumeClaimTemplate.spec.volumeMode ??= 'Filesystem';
  setLegacyVolumeDefaults(volume);
}

function setDownwardFileDefaults(file: DownwardAPIVolumeFile): void {
  if (file.fieldRef !== undefined) file.fieldRef.apiVersion ||= 'v1';
}

function setProjectedDefaults(projected: ProjectedVolumeSource): void {
  projected.defaultMode ??= VOLUME_FILE_MODE;
  for (const source of projected.sources ?? []) {
    source.downwardAPI?.items?.forEach(setDownwardFileDefaults);
    if (source.serviceAccountToken !== undefined) source.serviceAccountToken.expirationSeconds ??= TOKEN_EXPIRATION_SECONDS;
  }
}

/** Volume types from before CSI, which the API still carries, in pods and in PersistentVolumes. */
type LegacyVolumes =
  | Pick<Volume, 'iscsi' | 'rbd' | 'scaleIO' | 'azureDisk'>
  | Pick<PersistentVolumeSpec, 'iscsi' | 'rbd' | 'scaleIO' | 'azureDisk'>;

/** Sets the defaults of these volumes, in place. */
export function setLegacyVolumeDefaults({ iscsi, rbd, scaleIO, azureDisk }: LegacyVolumes): void {
  if (iscsi !== undefined) iscsi.iscsiInterface ||= 'default';
  if (rbd !== undefined) {
    rbd.pool ||= 'rbd';
    rbd.user ||= 'admin';
    rbd.keyring ||= '/etc/ceph/keyring';
  }
  if (scaleIO !== undefined) {
    scaleIO.storageMode ||= 'ThinProvisioned';
    scaleIO.fsType ||= 'xfs';
  }
  if (azureDisk !== undefined) {
    azureDisk.cachingMode ??= 'ReadWrite';
    azureDisk.kind ??= 'Shared';
    azureDisk.fsType ??= 'ext4';
    azureDisk.readOnly ??= false;
  }
}

function defaultRequestsToLimits({ resources }: Container): void {
  if (resources?.limits === undefined) return;
  resources.requests = { ...resources.limits, ...resources.requests };
}

function defaultHostPorts(spec: PodSpec): void {
  for (const container of [...(spec.containers ?? []), ...(spec.initContainers ?? [])]) {
    for (const port of container.ports ?? []) port.hostPort ||= port.containerPort;
  }
}
