/**
 * What the built-in admission plugins do to a new pod: its service account and token volume, its priority, and how long it
 * stays on a node that fails.
 *
 * Source: upstream `plugin/pkg/admission/{serviceaccount,priority,defaulttolerationseconds}`.
 */
import { ownValue } from '#api/own-value.ts';
import { forbidden, notFound } from '#api/status.ts';
import type { Pod, PodSpec, ProjectedVolumeSource, ServiceAccount, Toleration, VolumeMount } from '#api/types.generated.ts';
import { sleep } from '#client/clock.ts';
import { generateName } from '../../../registry/object-keys.ts';
import type { RequestContext } from '../../../registry/strategy.ts';
import type { StrategyDeps } from '../../deps.ts';
import { mirrorAnnotation } from './validation.ts';

const TOKEN_MOUNT_PATH = '/var/run/secrets/kubernetes.io/serviceaccount';
const TOKEN_VOLUME_PREFIX = 'kube-api-access-';
/** An hour and seven seconds: the number by which upstream tells tokens that it injected itself. */
const TOKEN_EXPIRATION_SECONDS = 3607;
/** A new namespace's `default` account is made by a controller a moment after the namespace. */
const DEFAULT_ACCOUNT_TRIES = 10;

type Random = Pick<StrategyDeps, 'random'>;

const podsForbidden = (pod: Pod, why: string): Error => forbidden({ group: '', name: 'pods' }, pod.metadata.name ?? '', why);

/** @throws ApiError 403 when the account is missing or the pod asks for what it may not */
export async function admitServiceAccount(pod: Pod, context: RequestContext, { random }: Random): Promise<void> {
  if (pod.metadata.annotations?.[mirrorAnnotation] !== undefined) {
    checkMirrorPod(pod);
    return;
  }
  const { spec } = pod;
  spec.serviceAccountName ||= 'default';
  spec.serviceAccount = spec.serviceAccountName;
  const account = await findAccount(pod, spec.serviceAccountName, context, random);
  if (spec.automountServiceAccountToken ?? account.automountServiceAccountToken ?? true) mountToken(spec, random);
  const pullSecrets = account.imagePullSecrets ?? [];
  if ((spec.imagePullSecrets ?? []).length === 0 && pullSecrets.length > 0) {
    spec.imagePullSecrets = pullSecrets.map(({ name }) => ({ name }));
  }
}

function checkMirrorPod(pod: Pod): void {
  if (pod.spec.serviceAccountName) throw podsForbidden(pod, 'a mirror pod may not reference service accounts');
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
    throw podsForbidden(pod, 'a mirror pod may not reference secrets');
  if (volumes.some(({ projected }) => projected?.sources?.some((source) => source.serviceAccountToken !== undefined))) {
    throw podsForbidden(pod, 'a mirror pod may not use ServiceAccountToken volume projections');
  }
}

async function findAccount(pod: Pod, name: string, context: RequestContext, random: () => number): Promise<ServiceAccount> {
  const namespace = pod.metadata.namespace ?? '';
  const tries = name === 'default' ? DEFAULT_ACCOUNT_TRIES : 1;
  const intervalMs = 100 + Math.floor(random() * 100);
  for (let attempt = 1; attempt <= tries; attempt++) {
    if (attempt > 1) await sleep(context.clock, intervalMs);
    const found = await context.read('serviceaccounts', namespace, name);
    if (found !== undefined) return found as ServiceAccount;
  }
  const missing = notFound({ group: '', name: 'serviceaccount' }, name);
  throw podsForbidden(pod, `error looking up service account ${namespace}/${name}: ${missing.message}`);
}

/** Mounts a token volume into each container that mounts nothing else at the token's path. */
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

/** The classes that every cluster has; others come with the PriorityClass kind. */
const builtInPriorities: Readonly<Record<string, number>> = {
  'system-cluster-critical': 2_000_000_000,
  'system-node-critical': 2_000_001_000,
};

/** @throws ApiError 403 for an unknown class or a number that is not the class's */
export function admitPriority(pod: Pod, old: Pod | undefined): void {
  const { spec } = pod;
  if (old !== undefined) {
    spec.priority ??= old.spec.priority;
    spec.preemptionPolicy ??= old.spec.preemptionPolicy;
    return;
  }
  const name = spec.priorityClassName ?? '';
  const priority = name === '' ? 0 : ownValue(builtInPriorities, name);
  if (priority === undefined) throw podsForbidden(pod, `no PriorityClass with name ${name} was found`);
  if (spec.priority !== undefined && spec.priority !== priority) {
    const why = `the integer value of priority (${spec.priority}) must not be provided in pod spec`;
    throw podsForbidden(pod, `${why}; priority admission controller computed ${priority} from the given PriorityClass name`);
  }
  spec.priority = priority;
  const policy = 'PreemptLowerPriority';
  if (spec.preemptionPolicy !== undefined && spec.preemptionPolicy !== policy) {
    const why = `the string value of PreemptionPolicy (${spec.preemptionPolicy}) must not be provided in pod spec`;
    throw podsForbidden(pod, `${why}; priority admission controller computed ${policy} from the given PriorityClass name`);
  }
  spec.preemptionPolicy = policy;
}

/** A pod stays 300 s (or as the server's flags say) on a node that is not ready or unreachable, unless it says otherwise. */
export function admitTolerationSeconds(pod: Pod, { tolerationSeconds }: Pick<StrategyDeps, 'tolerationSeconds'>): void {
  const tolerations = pod.spec.tolerations ?? [];
  const defaults: [taint: string, seconds: number][] = [
    ['node.kubernetes.io/not-ready', tolerationSeconds?.notReady ?? 300],
    ['node.kubernetes.io/unreachable', tolerationSeconds?.unreachable ?? 300],
  ];
  const missing = defaults.filter(
    ([taint]) => !tolerations.some(({ key, effect }) => (!key || key === taint) && (!effect || effect === 'NoExecute')),
  );
  if (missing.length === 0) return;
  const added = missing.map(
    ([key, seconds]): Toleration => ({ key, operator: 'Exists', effect: 'NoExecute', tolerationSeconds: seconds }),
  );
  pod.spec.tolerations = [...tolerations, ...added];
}
