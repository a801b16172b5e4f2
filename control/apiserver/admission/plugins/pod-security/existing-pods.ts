/**
 * Checks the existing pods of a namespace against its new policy.
 *
 * Source: upstream `k8s.io/pod-security-admission/admission/admission.go` (EvaluatePodsInNamespace). Pure.
 */
import { controllerOf } from '#api/meta.ts';
import type { Pod } from '#api/types.generated.ts';
import { reasonsText, violationsOf } from './evaluate.ts';
import { type LevelVersion, policyText } from './policy.ts';

/** Upstream's limit. */
const maxPods = 3000;

/** Warnings about pods that violate the new policy. One pod of each controller is checked before the others. */
export function existingPodWarnings(namespace: string, pods: readonly Pod[], enforce: LevelVersion): string[] {
  const ordered = oneOfEachFirst(pods);
  const checked = ordered.slice(0, maxPods);
  const byReason = new Map<string, { name: string; count: number }>();
  for (const pod of checked) {
    const violations = violationsOf(pod, enforce);
    if (violations.length === 0) continue;
    const reasons = reasonsText(violations);
    const { name } = pod.metadata;
    const known = byReason.get(reasons);
    if (known === undefined) byReason.set(reasons, { name, count: 1 });
    else byReason.set(reasons, { name: name < known.name ? name : known.name, count: known.count + 1 });
  }
  const warnings: string[] = [];
  if (checked.length < ordered.length) {
    const how = `the first ${checked.length} of ${ordered.length} existing pods`;
    warnings.push(`new PodSecurity enforce level only checked against ${how}`);
  }
  if (byReason.size > 0)
    warnings.push(`existing pods in namespace "${namespace}" violate the new PodSecurity enforce level "${policyText(enforce)}"`);
  return [...warnings, ...Array.from(byReason, podsText).sort()];
}

function podsText([reasons, { name, count }]: [string, { name: string; count: number }]): string {
  const others = count === 1 ? '' : ` (and ${count - 1} other ${count === 2 ? 'pod' : 'pods'})`;
  return `${name}${others}: ${reasons}`;
}

function oneOfEachFirst(pods: readonly Pod[]): Pod[] {
  const seen = new Set<string>();
  const [first, rest]: [Pod[], Pod[]] = [[], []];
  for (const pod of pods) {
    const owner = controllerOf(pod)?.uid;
    (owner === undefined || !seen.has(owner) ? first : rest).push(pod);
    if (owner !== undefined) seen.add(owner);
  }
  return [...first, ...rest];
}
