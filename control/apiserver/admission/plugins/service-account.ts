/**
 * ServiceAccount: a pod must use an existing service account, and gets its token volume and image pull secrets.
 *
 * Source: upstream `plugin/pkg/admission/serviceaccount`.
 */
import { mirrorAnnotation } from '#api/pod/annotations.ts';
import { notFound } from '#api/status.ts';
import type { Pod, PodSpec, ProjectedVolumeSource, ServiceAccount, VolumeMount } from '#api/types.generated.ts';
import { sleep } from '#client/clock.ts';
import { generateName } from '../../registry/object-keys.ts';
import {
  type AdmissionAttributes,
  type AdmissionContext,
  type AdmissionPlugin,
  admissionForbidden,
  concerns,
} from '../plugin.ts';

const TOKEN_MOUNT_PATH = '/var/run/secrets/kubernetes.io/serviceaccount';
const TOKEN_VOLUME_PREFIX = 'kube-api-access-';
/** An hour and seven seconds: by this value upstream recognizes token volumes that it has added itself. */
const TOKEN_EXPIRATION_SECONDS = 3607;
/** A controller creates the account `default` shortly after a new namespace. */
const DEFAULT_ACCOUNT_TRIES = 10;

/**
 * @param deps.random a number in [0, 1), for the volume's name and the delay between two reads of the account
 * @throws (when asked) ApiError 403 if the account is missing or a mirror pod uses forbidden fields
 */
export const serviceAccount = ({ random }: { random: () => number }): AdmissionPlugin => ({
  name: 'ServiceAccount',
  handles: (operation) => operation === 'create' || operation === 'update',

  async mutate(attributes, context) {
    if (attributes.operation !== 'create' || !concerns(attributes, '', 'pods')) return;
    const pod = attributes.object as Pod;
    // Nothing is added to a mirror pod: the kubelet would treat a mirror pod that differs from its file as another pod.
    if (isMirror(pod)) return checkMirrorPod(pod, attributes);
    const { spec } = pod;
    spec.serviceAccountName ||= 'default';
    spec.serviceAccount = spec.serviceAccountName;
    const account = await findAccount(attributes, spec.serviceAccountName, context, random);
    if (spec.automountServiceAccountToken ?? account.automountServiceAccountToken ?? true) mountToken(spec, random);
    const pullSecrets = account.imagePullSecrets ?? [];
    if ((spec.imagePullSecrets ?? []).length === 0 && pullSecrets.length > 0) {
      spec.imagePullSecrets = pullSecrets.map(({ name }) => ({ name }));
    }
  },

  /** Another plugin may have changed the account since. */
  async validate(attributes, context) {
    if (attributes.operation !== 'create' || !concerns(attributes, '', 'pods')) return;
    const pod = attributes.object as Pod;
    if (isMirror(pod)) return checkMirrorPod(pod, attributes);
    const name = pod.spec.serviceAccountName ?? '';
    if (name === '') {
      const why = `no service account specified for pod ${attributes.namespace}/${pod.metadata.name}`;
      throw admissionForbidden(attributes, why);
    }
    await findAccount(attributes, name, context, random);
  },
});

const isMirror = ({ metadata }: Pod): boolean => metadata.annotations?.[mirrorAnnotation] !== undefined;

function checkMirrorPod(pod: Pod, attributes: AdmissionAttributes): void {
  if (pod.spec.serviceAccountName) throw admissionForbidden(attributes, 'a mirror pod may not reference service accounts');
  const volumes = pod.spec.volumes ?? [];
  const containers = [...(pod.spec.initContainers ?? []), ...(pod.spec.containers ?? [])];
  const inVolumes = volumes.some(
    ({ secret, projected }) => secret !== undefined || projected?.sources?.some((source) => source.secret !== undefined),
  );
  const inEnv = containers.some(
    ({ env = [], envFrom = [] }) =>
      env.some(({ valueFrom }) => valueFrom?.secretKeyRef !== undefined) ||
      envFrom.some(({ secretRef }) => secretRef !== undefined),
  );
  if (inVolumes || inEnv || (pod.spec.imagePullSecrets ?? []).length > 0)
    throw admissionForbidden(attributes, 'a mirror pod may not reference secrets');
  if (volumes.some(({ projected }) => projected?.sources?.some((source) => source.serviceAccountToken !== undefined))) {
    throw admissionForbidden(attributes, 'a mirror pod may not use ServiceAccountToken volume projections');
  }
}

async function findAccount(
  attributes: AdmissionAttributes,
  name: string,
  context: AdmissionContext,
  random: () => number,
): Promise<ServiceAccount> {
  const { namespace } = attributes;
  const tries = name === 'default' ? DEFAULT_ACCOUNT_TRIES : 1;
  const intervalMs = 100 + Math.floor(random() * 100);
  for (let attempt = 1; attempt <= tries; attempt++) {
    if (attempt > 1) await sleep(context.clock, intervalMs);
    const found = await context.read('serviceaccounts', namespace, name);
    if (found !== undefined) return found as ServiceAccount;
  }
  const missing = notFound({ group: '', name: 'serviceaccount' }, name);
  throw admissionForbidden(attributes, `error looking up service account ${namespace}/${name}: ${missing.message}`);
}

/** Mounts a token volume into each container without another mount at the token's path. */
function mountToken(spec: PodSpec, random: () => number): void {
  const existing = spec.volumes?.find(({ name }) => name?.startsWith(TOKEN_VOLUME_PREFIX) === true)?.name;
  const name = existing ?? generateName(TOKEN_VOLUME_PREFIX, random);
  let mounted = false;
  for (const container of [...(spec.initContainers ?? []), ...(spec.containers ?? [])]) {
    const mounts = container.volumeMounts ?? [];
    if (mounts.some(({ mountPath }) => mountPath === TOKEN_MOUNT_PATH)) continue;
    const mount: VolumeMount = { name, readOnly: true, mountPath: TOKEN_MOUNT_PATH };
    container.volumeMounts = [...mounts, mount];
    mounted = true;
  }
  if (mounted && existing === undefined) spec.volumes = [...(spec.volumes ?? []), { name, projected: tokenVolume() }];
}

function tokenVolume(): ProjectedVolumeSource {
  return {
    defaultMode: 0o644,
    sources: [
      { serviceAccountToken: { expirationSeconds: TOKEN_EXPIRATION_SECONDS, path: 'token' } },
      { configMap: { name: 'kube-root-ca.crt', items: [{ key: 'ca.crt', path: 'ca.crt' }] } },
      { downwardAPI: { items: [{ path: 'namespace', fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.namespace' } }] } },
    ],
  };
}
