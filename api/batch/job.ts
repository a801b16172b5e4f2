/**
 * Names of labels, annotations and conditions of Jobs, shared by the API server and the controllers.
 *
 * Source: kubernetes `staging/src/k8s.io/api/batch/v1/types.go`; `pkg/controller/job/util`.
 */
import type { Job, JobCondition } from '../types.generated.ts';

/** The labels of a Job's pods. Those without a prefix are from the time before there was one. */
export const jobLabels = {
  controllerUid: 'batch.kubernetes.io/controller-uid',
  jobName: 'batch.kubernetes.io/job-name',
  legacyControllerUid: 'controller-uid',
  legacyJobName: 'job-name',
} as const;

/** The types of conditions that the Job controller sets. Source: upstream `staging/src/k8s.io/api/batch/v1/types.go`. */
export type JobConditionType = 'Complete' | 'Failed' | 'FailureTarget' | 'SuccessCriteriaMet' | 'Suspended';

/** The condition if it is True. */
export const trueCondition = (
  conditions: readonly JobCondition[] | undefined,
  type: JobConditionType,
): JobCondition | undefined => conditions?.find((one) => one.type === type && one.status === 'True');

/** Whether the condition is True. */
export const isJobConditionTrue = (conditions: readonly JobCondition[] | undefined, type: JobConditionType): boolean =>
  trueCondition(conditions, type) !== undefined;

/** The condition that says how the Job ended: Complete or Failed. Undefined: it has not ended. */
export const finishedCondition = ({ status }: Pick<Job, 'status'>): JobCondition | undefined =>
  status?.conditions?.find(({ type, status: value }) => (type === 'Complete' || type === 'Failed') && value === 'True');

/** Whether each pod has a completion index of its own. */
export const isIndexed = ({ spec }: Pick<Job, 'spec'>): boolean => spec.completionMode === 'Indexed';
