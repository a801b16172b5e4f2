/**
 * The order of groups and versions in discovery. `kubectl api-resources` shows them in this order, and a client prefers the first
 * version.
 *
 * Source: kubernetes `cmd/kube-apiserver/app/aggregator.go` and `pkg/controlplane/apiserver/aggregator.go` (the numbers);
 * apiserver `pkg/endpoints/discovery/aggregated/handler.go` (the order); apimachinery `pkg/version/helpers.go` (versions).
 */
import type { GroupVersionPriority, Resource } from './resources.ts';

/** The priority of each group, and of each of its versions. */
const priorities: Readonly<Record<string, readonly [group: number, versions: Readonly<Record<string, number>>]>> = {
  'apiregistration.k8s.io': [20_000, { v1: 18 }],
  '': [18_000, { v1: 1 }],
  apps: [17_800, { v1: 15 }],
  'events.k8s.io': [17_750, { v1: 15, v1beta1: 5 }],
  'authentication.k8s.io': [17_700, { v1: 15, v1beta1: 9, v1alpha1: 1 }],
  'authorization.k8s.io': [17_600, { v1: 15 }],
  autoscaling: [17_500, { v1: 15, v2: 30, v2beta1: 9, v2beta2: 1 }],
  batch: [17_400, { v1: 15, v1beta1: 9, v2alpha1: 9 }],
  'certificates.k8s.io': [17_300, { v1: 15, v1beta1: 9, v1alpha1: 1 }],
  'networking.k8s.io': [17_200, { v1: 15, v1beta1: 9 }],
  policy: [17_100, { v1: 15, v1beta1: 9 }],
  'rbac.authorization.k8s.io': [17_000, { v1: 15 }],
  'storage.k8s.io': [16_800, { v1: 15, v1beta1: 9, v1alpha1: 1 }],
  'apiextensions.k8s.io': [16_700, { v1: 15 }],
  'admissionregistration.k8s.io': [16_700, { v1: 15, v1beta1: 12, v1alpha1: 9 }],
  'scheduling.k8s.io': [16_600, { v1: 15, v1alpha2: 2 }],
  'coordination.k8s.io': [16_500, { v1: 15, v1beta1: 13, v1alpha2: 12 }],
  'node.k8s.io': [16_300, { v1: 15, v1alpha1: 1, v1beta1: 9 }],
  'discovery.k8s.io': [16_200, { v1: 15, v1beta1: 12 }],
  'resource.k8s.io': [16_200, { v1: 21, v1beta2: 15, v1beta1: 9, v1alpha3: 1 }],
  'flowcontrol.apiserver.k8s.io': [16_100, { v1: 21, v1beta3: 18, v1beta2: 15, v1beta1: 12, v1alpha1: 9 }],
  'internal.apiserver.k8s.io': [16_000, { v1alpha1: 9 }],
  'storagemigration.k8s.io': [15_800, { v1beta1: 9 }],
};

/** Whether upstream serves the group itself, by default or on demand. */
export function isBuiltInGroup(group: string): boolean {
  return Object.hasOwn(priorities, group);
}

/** Upstream's priority for groups of CustomResourceDefinitions: after all built-in ones, with versions ordered by their names. */
const unlisted: GroupVersionPriority = { group: 1000, version: 100 };

/** The priority of a group and version among all. Pure. */
export function priorityOf({ group, version, priority }: GroupVersion): GroupVersionPriority {
  if (priority !== undefined) return priority;
  const [groupPriority, versions] = Object.hasOwn(priorities, group) ? (priorities[group] ?? []) : [];
  const known = versions !== undefined && Object.hasOwn(versions, version) ? versions[version] : undefined;
  return { group: groupPriority ?? unlisted.group, version: known ?? unlisted.version };
}

type GroupVersion = Pick<Resource, 'group' | 'version'> & Partial<Pick<Resource, 'priority'>>;

/** The groups of these rows, highest priority first, equal ones by name. Pure. */
export function orderedGroups(rows: readonly GroupVersion[]): string[] {
  const highest = new Map<string, number>();
  for (const row of rows) highest.set(row.group, Math.max(highest.get(row.group) ?? 0, priorityOf(row).group));
  return [...highest].sort(([a, first], [b, second]) => second - first || (a < b ? -1 : 1)).map(([group]) => group);
}

/** The versions of a group in these rows, highest priority first. Pure. */
export function orderedVersions(rows: readonly GroupVersion[], group: string): string[] {
  const highest = new Map<string, number>();
  for (const row of rows)
    if (row.group === group) highest.set(row.version, Math.max(highest.get(row.version) ?? 0, priorityOf(row).version));
  return [...highest].sort(([a, first], [b, second]) => second - first || compareVersions(b, a)).map(([version]) => version);
}

const stages = ['alpha', 'beta', ''];

/** The parts `[stage, major, minor]` of a version such as `v1` or `v2beta1`; undefined for other names. */
function parsed(version: string): [stage: number, major: number, minor: number] | undefined {
  const [, major, stage = '', minor = '0'] = /^v([0-9]+)(?:(alpha|beta)([0-9]+))?$/.exec(version) ?? [];
  return major === undefined ? undefined : [stages.indexOf(stage), Number(major), Number(minor)];
}

/**
 * Compares two versions; positive when `a` comes first. Stable comes before beta before alpha, then the higher number first.
 * Versions of any other form come last, by name. Pure.
 */
export function compareVersions(a: string, b: string): number {
  const [first, second] = [parsed(a), parsed(b)];
  if (first === undefined || second === undefined)
    return first === second ? (a < b ? 1 : a > b ? -1 : 0) : first === undefined ? -1 : 1;
  return first[0] - second[0] || first[1] - second[1] || first[2] - second[2];
}
