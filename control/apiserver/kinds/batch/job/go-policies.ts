/** Policies of Jobs as upstream's error texts print them: by the field names of its internal types. Source: upstream `pkg/apis/batch/types.go`. */
import type {
  PodFailurePolicy,
  PodFailurePolicyRule,
  SuccessPolicy,
  SuccessPolicyRule,
  UncountedTerminatedPods,
} from '#api/types.generated.ts';
import type { Submitted } from '../../../validation/submitted.ts';

/** `spec.successPolicy` as Go's structs lay it out, for error texts that print the value. */
export const goSuccessPolicy = ({ rules }: Submitted<SuccessPolicy>): object => ({
  Rules:
    rules?.map(({ succeededIndexes, succeededCount }: Submitted<SuccessPolicyRule>) => ({
      SucceededIndexes: succeededIndexes ?? null,
      SucceededCount: succeededCount ?? null,
    })) ?? null,
});

/** `spec.podFailurePolicy` as Go's structs lay it out, for error texts that print the value. */
export const goPodFailurePolicy = ({ rules }: Submitted<PodFailurePolicy>): object => ({
  Rules:
    rules?.map(({ action = '', onExitCodes, onPodConditions }: Submitted<PodFailurePolicyRule>) => ({
      Action: action,
      OnExitCodes:
        onExitCodes === undefined
          ? null
          : {
              ContainerName: onExitCodes.containerName ?? null,
              Operator: onExitCodes.operator,
              Values: onExitCodes.values,
            },
      OnPodConditions: onPodConditions?.map(({ type, status }) => ({ Type: type, Status: status })) ?? null,
    })) ?? null,
});

/** `status.uncountedTerminatedPods` as Go's structs lay it out, for error texts that print the value. */
export const goUncountedPods = ({ succeeded, failed }: UncountedTerminatedPods): object => ({
  Succeeded: succeeded ?? null,
  Failed: failed ?? null,
});
