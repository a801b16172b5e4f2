/**
 * Applies a Job's podFailurePolicy to a failed pod.
 *
 * Source: kubernetes `pkg/controller/job/pod_failure_policy.go`; KEP-3329.
 */
import type {
  ContainerStatus,
  Pod,
  PodCondition,
  PodFailurePolicy,
  PodFailurePolicyOnExitCodesRequirement,
  PodFailurePolicyRule,
} from '#api/types.generated.ts';

/** The result for one failed pod. */
export interface FailureVerdict {
  /** Action of the first matching rule. */
  action?: string;
  /** Whether the failure counts towards the limits. */
  counts: boolean;
  /** Why the whole Job fails. */
  failJobMessage?: string;
}

/** The first rule that matches decides. Without one, the failure counts. */
export function judgeFailure(policy: PodFailurePolicy | undefined, pod: Pod): FailureVerdict {
  for (const [index, rule] of (policy?.rules ?? []).entries()) {
    const match = matchOf(rule, pod);
    if (match === undefined) continue;
    const { action } = rule;
    if (action === 'Ignore') return { action, counts: false };
    if (action === 'FailIndex' || action === 'Count') return { action, counts: true };
    if (action === 'FailJob')
      return { action, counts: true, failJobMessage: `${match} matching ${action} rule at index ${index}` };
  }
  return { counts: true };
}

/** The text for the Job's message that describes what the rule matched. */
function matchOf({ onExitCodes, onPodConditions }: PodFailurePolicyRule, { metadata, status }: Pod): string | undefined {
  const name = `${metadata.namespace}/${metadata.name}`;
  if (onExitCodes !== undefined) {
    const container =
      matchingContainer(status?.containerStatuses, onExitCodes) ?? matchingContainer(status?.initContainerStatuses, onExitCodes);
    if (container === undefined) return undefined;
    return `Container ${container.name} for pod ${name} failed with exit code ${container.state?.terminated?.exitCode}`;
  }
  const isMatch = (condition: PodCondition): boolean =>
    (onPodConditions ?? []).some((pattern) => pattern.type === condition.type && pattern.status === condition.status);
  const condition = status?.conditions?.find(isMatch);
  return condition === undefined ? undefined : `Pod ${name} has condition ${condition.type}`;
}

function matchingContainer(
  statuses: readonly ContainerStatus[] | undefined,
  { containerName, operator, values }: PodFailurePolicyOnExitCodesRequirement,
): ContainerStatus | undefined {
  return statuses?.find(({ name, state }) => {
    const code = state?.terminated?.exitCode ?? 0;
    if (code === 0 || (containerName !== undefined && containerName !== name)) return false;
    return operator === 'In' ? values.includes(code) : operator === 'NotIn' && !values.includes(code);
  });
}
