/** All checks of a level in a version. Source: upstream `k8s.io/pod-security-admission/policy` (registry.go, checks.go). Pure. */
import { baselineChecks } from './baseline.ts';
import type { Check, PodLike, Violation } from './check.ts';
import type { LevelVersion } from './policy.ts';
import { restrictedChecks } from './restricted.ts';

type CheckVersion = Check['versions'][number];

/** The violations of the pod, in upstream's order. */
export function violationsOf(pod: PodLike, { level, version }: LevelVersion): Violation[] {
  if (level === 'privileged') return [];
  const baseline = inVersion(baselineChecks, version);
  const restricted = level === 'restricted' ? inVersion(restrictedChecks, version) : [];
  const overridden = new Set(restricted.flatMap(([, { overrides = [] }]) => overrides));
  const kept = baseline.filter(([id]) => !overridden.has(id));
  return [...kept, ...restricted].flatMap(([, { check }]) => check(pod) ?? []);
}

/** Sorted by name. */
const inVersion = (checks: readonly Check[], version: number): [id: string, CheckVersion][] =>
  checks
    .flatMap(({ id, versions }): [string, CheckVersion][] => {
      const found = versions.findLast(({ since }) => since <= version);
      return found === undefined ? [] : [[id, found]];
    })
    .sort(([a], [b]) => (a < b ? -1 : 1));

/** `privileged (container "a" must not …), host namespaces (hostPID=true)`. */
export const detailsText = (violations: readonly Violation[]): string =>
  violations.map(({ reason, detail }) => (detail === '' ? reason : `${reason} (${detail})`)).join(', ');

/** Only the reasons. */
export const reasonsText = (violations: readonly Violation[]): string => violations.map(({ reason }) => reason).join(', ');
