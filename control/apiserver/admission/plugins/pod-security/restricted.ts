/** The checks that the level `restricted` adds. Source: as `baseline.ts`. Pure. */
import type { Volume } from '#api/types.generated.ts';
import { procMount, seccompProfile } from './baseline.ts';
import {
  allContainers,
  type Check,
  type CheckPod,
  containersText,
  containersWith,
  fieldValues,
  hasUserNamespace,
  isForWindows,
  plural,
  quoted,
  settersText,
  sorted,
} from './check.ts';

const allowPrivilegeEscalation: CheckPod = (pod) => {
  const bad = containersWith(pod, (context) => context?.allowPrivilegeEscalation !== false);
  if (bad.length === 0) return undefined;
  const detail = `${containersText(bad)} must set securityContext.allowPrivilegeEscalation=false`;
  return { reason: 'allowPrivilegeEscalation != false', detail };
};

const capabilities: CheckPod = (pod) => {
  const badOf = (added: readonly string[] = []): string[] => added.filter((one) => one !== 'NET_BIND_SERVICE');
  const keeping = containersWith(pod, (context) => context?.capabilities?.drop?.includes('ALL') !== true);
  const adding = containersWith(pod, (context) => badOf(context?.capabilities?.add).length > 0);
  const details: string[] = [];
  if (keeping.length > 0) details.push(`${containersText(keeping)} must set securityContext.capabilities.drop=["ALL"]`);
  if (adding.length > 0) {
    const names = sorted(allContainers(pod).flatMap(({ securityContext }) => badOf(securityContext?.capabilities?.add)));
    details.push(`${containersText(adding)} must not include ${quoted(names)} in securityContext.capabilities.add`);
  }
  return details.length === 0 ? undefined : { reason: 'unrestricted capabilities', detail: details.join('; ') };
};

const allowedVolumes = [
  'configMap',
  'csi',
  'downwardAPI',
  'emptyDir',
  'ephemeral',
  'image',
  'persistentVolumeClaim',
  'projected',
  'secret',
] as const;
const restrictedVolumes = [
  'hostPath',
  'gcePersistentDisk',
  'awsElasticBlockStore',
  'gitRepo',
  'nfs',
  'iscsi',
  'glusterfs',
  'rbd',
  'flexVolume',
  'cinder',
  'cephfs',
  'flocker',
  'fc',
  'azureFile',
  'vsphereVolume',
  'quobyte',
  'azureDisk',
  'photonPersistentDisk',
  'portworxVolume',
  'scaleIO',
  'storageos',
] as const;

const volumes: CheckPod = ({ spec }) => {
  const bad = (spec.volumes ?? []).filter((volume) => allowedVolumes.every((type) => volume[type] === undefined));
  if (bad.length === 0) return undefined;
  const typeOf = (volume: Volume): string => restrictedVolumes.find((type) => volume[type] !== undefined) ?? 'unknown';
  const types = sorted(bad.map(typeOf));
  const names = `${plural(bad.length, 'volume')} ${quoted(bad.map(({ name }) => name))}`;
  const uses = `${plural(bad.length, 'uses', 'use')} ${plural(types.length, 'restricted volume type')}`;
  return { reason: 'restricted volume types', detail: `${names} ${uses} ${quoted(types)}` };
};

const runAsNonRoot: CheckPod = (pod) => {
  const reason = 'runAsNonRoot != true';
  const { ofPod, ofContainers } = fieldValues(pod, 'runAsNonRoot');
  const bad = ofContainers.filter(({ value }) => !value).map(({ name }) => name);
  const setters = settersText(ofPod === false, bad);
  if (setters !== '') return { reason, detail: `${setters} must not set securityContext.runAsNonRoot=false` };
  const silent = ofPod === true ? [] : containersWith(pod, (context) => context?.runAsNonRoot === undefined);
  if (silent.length === 0) return undefined;
  return { reason, detail: `pod or ${containersText(silent)} must set securityContext.runAsNonRoot=true` };
};

const runAsUser: CheckPod = (pod) => {
  const { ofPod, ofContainers } = fieldValues(pod, 'runAsUser');
  const bad = ofContainers.filter(({ value }) => value === 0).map(({ name }) => name);
  const setters = settersText(ofPod === 0, bad);
  return setters === '' ? undefined : { reason: 'runAsUser=0', detail: `${setters} must not set runAsUser=0` };
};

const seccomp: CheckPod = (pod) => {
  const bad = seccompProfile(pod);
  if (bad !== undefined || pod.spec.securityContext?.seccompProfile !== undefined) return bad;
  const silent = containersWith(pod, (context) => context?.seccompProfile === undefined);
  if (silent.length === 0) return undefined;
  const must = 'must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"';
  return { reason: 'seccompProfile', detail: `pod or ${containersText(silent)} ${must}` };
};

/** The same check, except for pods that satisfy the condition. */
const unless =
  (isExempt: (pod: Parameters<CheckPod>[0]) => boolean, check: CheckPod): CheckPod =>
  (pod) =>
    isExempt(pod) ? undefined : check(pod);

const ofCapabilities = { overrides: ['capabilities_baseline'] };
const ofSeccomp = { overrides: ['seccompProfile_baseline'] };

/** The checks of this level in addition to baseline. */
export const restrictedChecks: readonly Check[] = [
  {
    id: 'allowPrivilegeEscalation',
    level: 'restricted',
    versions: [
      { since: 8, check: allowPrivilegeEscalation },
      { since: 25, check: unless(isForWindows, allowPrivilegeEscalation) },
    ],
  },
  {
    id: 'capabilities_restricted',
    level: 'restricted',
    versions: [
      { since: 22, check: capabilities, ...ofCapabilities },
      { since: 25, check: unless(isForWindows, capabilities), ...ofCapabilities },
    ],
  },
  { id: 'procMount_restricted', level: 'restricted', versions: [{ since: 35, check: procMount, overrides: ['procMount'] }] },
  { id: 'restrictedVolumes', level: 'restricted', versions: [{ since: 0, check: volumes, overrides: ['hostPathVolumes'] }] },
  {
    id: 'runAsNonRoot',
    level: 'restricted',
    versions: [
      { since: 0, check: runAsNonRoot },
      { since: 35, check: unless(hasUserNamespace, runAsNonRoot) },
    ],
  },
  {
    id: 'runAsUser',
    level: 'restricted',
    versions: [
      { since: 23, check: runAsUser },
      { since: 35, check: unless(hasUserNamespace, runAsUser) },
    ],
  },
  {
    id: 'seccompProfile_restricted',
    level: 'restricted',
    versions: [
      { since: 19, check: seccomp, ...ofSeccomp },
      { since: 25, check: unless(isForWindows, seccomp), ...ofSeccomp },
    ],
  },
];
