/** What is valid in a pod and probably not meant. Source: upstream `pkg/api/pod/warnings.go`. */

import { ownValue } from '#api/own-value.ts';
import { isWhole } from '#api/quantity.ts';
import type {
  Container,
  ContainerPort,
  EnvVar,
  EphemeralContainer,
  ObjectMeta,
  PodAffinity,
  PodSpec,
  Volume,
} from '#api/types.generated.ts';
import { ipWarnings } from '../../../validation/ip.ts';

const renamedLabels: Readonly<Record<string, string>> = {
  'beta.kubernetes.io/arch': 'deprecated since v1.14; use "kubernetes.io/arch" instead',
  'beta.kubernetes.io/os': 'deprecated since v1.14; use "kubernetes.io/os" instead',
  'failure-domain.beta.kubernetes.io/region': 'deprecated since v1.17; use "topology.kubernetes.io/region" instead',
  'failure-domain.beta.kubernetes.io/zone': 'deprecated since v1.17; use "topology.kubernetes.io/zone" instead',
  'beta.kubernetes.io/instance-type': 'deprecated since v1.17; use "node.kubernetes.io/instance-type" instead',
  'app.kubernetes.io/created-by': 'deprecated since v1.9',
  'scheduler.alpha.kubernetes.io/preferAvoidPods': 'deprecated since v1.22; use Taints and Tolerations instead',
  'node-role.kubernetes.io/master': 'use "node-role.kubernetes.io/control-plane" instead',
};
const deadAnnotations: Readonly<Record<string, string>> = {
  'scheduler.alpha.kubernetes.io/critical-pod': 'non-functional in v1.16+; use the "priorityClassName" field instead',
  'security.alpha.kubernetes.io/sysctls': 'non-functional in v1.11+; use the "sysctls" field instead',
  'security.alpha.kubernetes.io/unsafe-sysctls': 'non-functional in v1.11+; use the "sysctls" field instead',
};
const oldVolumes: readonly [keyof Volume, string, string][] = [
  ['photonPersistentDisk', 'photonPersistentDisk', 'deprecated in v1.11, non-functional in v1.16+'],
  ['gitRepo', 'gitRepo', 'deprecated in v1.11, and disabled by default in v1.33+'],
  ['scaleIO', 'scaleIO', 'deprecated in v1.16, non-functional in v1.22+'],
  ['flocker', 'flocker', 'deprecated in v1.22, non-functional in v1.25+'],
  ['storageos', 'storageOS', 'deprecated in v1.22, non-functional in v1.25+'],
  ['quobyte', 'quobyte', 'deprecated in v1.22, non-functional in v1.25+'],
  ['glusterfs', 'glusterfs', 'deprecated in v1.25, non-functional in v1.26+'],
  ['cephfs', 'cephfs', 'deprecated in v1.28, non-functional in v1.31+'],
  ['rbd', 'rbd', 'deprecated in v1.28, non-functional in v1.31+'],
];

/** What to use instead of a deprecated node label; undefined for others. */
export const deprecatedNodeLabel = (key: string): string | undefined => ownValue(renamedLabels, key);

interface Located {
  container: Container | EphemeralContainer;
  path: string;
}

/** `prefix` is empty for a pod, `spec.template.` for a template. */
export function podWarnings(spec: PodSpec, meta: ObjectMeta, prefix: string): string[] {
  const path = `${prefix}spec`;
  const containers = locate(spec, path);
  return [
    ...selectorWarnings(spec, path),
    ...Object.entries(deadAnnotations).flatMap(([key, text]) =>
      meta.annotations?.[key] === undefined ? [] : [`${prefix}metadata.annotations[${key}]: ${text}`],
    ),
    ...(spec.volumes ?? []).flatMap((volume, index) =>
      oldVolumes.flatMap(([key, shown, text]) =>
        volume[key] === undefined ? [] : [`${path}.volumes[${index}].${shown}: ${text}`],
      ),
    ),
    ...listWarnings(spec, path),
    ...containers.flatMap(({ container, path: at }) => [
      ...byteWarnings(container, at),
      ...envWarnings(container.env ?? [], `${at}.env`),
    ]),
    ...portWarnings(containers),
    ...portNameWarnings(containers),
    ...((spec.terminationGracePeriodSeconds ?? 0) < 0
      ? [`${path}.terminationGracePeriodSeconds: must be >= 0; negative values are invalid and will be treated as 1`]
      : []),
    ...affinityWarnings(spec.affinity?.podAffinity, `${path}.affinity.podAffinity`),
    ...affinityWarnings(spec.affinity?.podAntiAffinity, `${path}.affinity.podAntiAffinity`),
    ...(spec.dnsConfig?.nameservers ?? []).flatMap((ip, index) => ipWarnings(ip, `${path}.dnsConfig.nameservers[${index}]`)),
    ...(spec.hostAliases ?? []).flatMap(({ ip }, index) => ipWarnings(ip, `${path}.hostAliases[${index}].ip`)),
  ];
}

function locate(spec: PodSpec, path: string): Located[] {
  return (['initContainers', 'containers', 'ephemeralContainers'] as const).flatMap((list) =>
    (spec[list] ?? []).map((container, index) => ({ container, path: `${path}.${list}[${index}]` })),
  );
}

function selectorWarnings(spec: PodSpec, path: string): string[] {
  const labels = Object.keys(spec.nodeSelector ?? {}).flatMap((key) => {
    const text = deprecatedNodeLabel(key);
    return text === undefined ? [] : [`${path}.nodeSelector[${key}]: ${text}`];
  });
  const spread = (spec.topologySpreadConstraints ?? []).flatMap(({ topologyKey, labelSelector }, index) => {
    const at = `${path}.topologySpreadConstraints[${index}]`;
    const text = deprecatedNodeLabel(topologyKey);
    return [
      ...(text === undefined ? [] : [`${at}.topologyKey: ${topologyKey} is ${text}`]),
      ...(labelSelector === undefined ? [`${at}.labelSelector: a null labelSelector results in matching no pod`] : []),
    ];
  });
  return [...labels, ...spread];
}

function listWarnings(spec: PodSpec, path: string): string[] {
  const { hostAliases = [], imagePullSecrets = [] } = spec;
  const secretNames = imagePullSecrets.map(({ name = '' }) => name);
  return [
    ...repeated(hostAliases.map(({ ip }) => ip)).map(
      ([index, ip]) => `${path}.hostAliases[${index}].ip: duplicate ip ${JSON.stringify(ip)}`,
    ),
    ...repeated(secretNames).map(
      ([index, name]) => `${path}.imagePullSecrets[${index}].name: duplicate name ${JSON.stringify(name)}`,
    ),
    ...secretNames.flatMap((name, index) =>
      name === '' ? [`${path}.imagePullSecrets[${index}].name: invalid empty name ""`] : [],
    ),
  ];
}

/** Index and value of each item that occurs earlier in the list. */
function repeated(values: readonly string[]): [number, string][] {
  const seen = new Set<string>();
  return values.flatMap((value, index): [number, string][] => {
    const isAgain = seen.has(value);
    seen.add(value);
    return isAgain ? [[index, value]] : [];
  });
}

function byteWarnings({ resources }: Container | EphemeralContainer, path: string): string[] {
  return ['memory', 'ephemeral-storage'].flatMap((name) =>
    (['limits', 'requests'] as const).flatMap((which) => {
      const quantity = resources?.[which]?.[name];
      if (quantity === undefined || isWhole(quantity)) return [];
      return [
        `${path}.resources.${which}[${name}]: fractional byte value ${JSON.stringify(String(quantity))} is invalid, must be an integer`,
      ];
    }),
  );
}

/** Warns of variables that are defined twice, unless the second definition extends the first: `PATH=$(PATH):/more`. */
function envWarnings(env: readonly EnvVar[], path: string): string[] {
  const seen = new Set<string>();
  return env.flatMap(({ name, value = '', valueFrom }, index) => {
    const again = seen.has(name);
    seen.add(name);
    const self = `$(${name})`;
    if (!again || (valueFrom === undefined && value !== self && value.includes(self))) return [];
    return [`${path}[${index}]: hides previous definition of ${JSON.stringify(name)}, which may be dropped when using apply`];
  });
}

function portWarnings(containers: readonly Located[]): string[] {
  const seen = new Map<string, { port: ContainerPort; path: string }[]>();
  const warnings: string[] = [];
  for (const { container, path } of containers) {
    container.ports?.forEach((port, index) => {
      const at = `${path}.ports[${index}]`;
      const key = `${port.containerPort}/${port.protocol ?? ''}`;
      const others = seen.get(key) ?? [];
      for (const other of others) {
        const text = overlap(port, other.port);
        if (text !== undefined) warnings.push(`${at}: ${text} port definition with ${other.path}`);
      }
      // Further warnings are left out: nobody reads that many, and the answer's headers have no room for them.
      if (others.length < 100 && warnings.length < 1000) others.push({ port, path: at });
      seen.set(key, others);
    });
  }
  return warnings;
}

function overlap(a: ContainerPort, b: ContainerPort): string | undefined {
  const [aIp, bIp, aPort, bPort] = [a.hostIP ?? '', b.hostIP ?? '', a.hostPort ?? 0, b.hostPort ?? 0];
  if (aIp === bIp && aPort === bPort) return 'duplicate';
  if (aPort === 0 || bPort === 0) return 'overlapping';
  return aPort === bPort && (aIp === '') !== (bIp === '') ? 'dangerously ambiguous' : undefined;
}

function portNameWarnings(containers: readonly Located[]): string[] {
  const seen = new Map<string, string>();
  const warnings: string[] = [];
  for (const { container, path } of containers) {
    container.ports?.forEach(({ name }, index) => {
      if (!name) return;
      const at = `${path}.ports[${index}]`;
      const other = seen.get(name);
      if (other === undefined) seen.set(name, at);
      else {
        const use = `services and probes that select ports by name will use ${other}`;
        warnings.push(`${at}: duplicate port name ${JSON.stringify(name)} with ${other}, ${use}`);
      }
    });
  }
  return warnings;
}

function affinityWarnings(affinity: PodAffinity | undefined, path: string): string[] {
  const text = 'a null labelSelector results in matching no pod';
  const requiredTerms = affinity?.requiredDuringSchedulingIgnoredDuringExecution ?? [];
  const preferredTerms = affinity?.preferredDuringSchedulingIgnoredDuringExecution ?? [];
  return [
    ...requiredTerms.flatMap(({ labelSelector }, index) =>
      labelSelector === undefined
        ? [`${path}.requiredDuringSchedulingIgnoredDuringExecution[${index}].labelSelector: ${text}`]
        : [],
    ),
    ...preferredTerms.flatMap(({ podAffinityTerm }, index) =>
      podAffinityTerm?.labelSelector === undefined
        ? [`${path}.preferredDuringSchedulingIgnoredDuringExecution[${index}].podAffinityTerm.labelSelector: ${text}`]
        : [],
    ),
  ];
}
