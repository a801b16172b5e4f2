/** The pods that a Job creates. Source: kubernetes `pkg/controller/job/{job_controller,indexed_job_utils}.go`. */
import type { New } from '#api/meta.ts';
import type { Container, Job, Pod } from '#api/types.generated.ts';
import { podFromTemplate } from '../pod-control.ts';
import { judgeFailure } from './failure-policy.ts';
import {
  failureCountAnnotation,
  failuresBefore,
  ignoredBefore,
  ignoredFailureCountAnnotation,
  indexAnnotation,
  trackingFinalizer,
} from './pod-facts.ts';

const indexVariable = 'JOB_COMPLETION_INDEX';
/** The server cuts a longer generateName prefix, which would remove the index at its end. */
const maxPrefixLength = 58;

/**
 * Makes a pod for a Job. @param index undefined in a Job without indexes
 * @param replaced the failed pod whose count of failures the new one takes over
 */
export function podForJob(job: Job, index: number | undefined, replaced: Pod | undefined): New<Pod> {
  const pod = podFromTemplate(job, job.spec.template);
  const { metadata, spec } = pod;
  metadata.finalizers = [...new Set([...(metadata.finalizers ?? []), trackingFinalizer])];
  if (index === undefined) return pod;
  const suffix = `-${index}-`;
  const annotations = { ...metadata.annotations, [indexAnnotation]: String(index), ...failureCounts(job, replaced) };
  return {
    ...pod,
    metadata: {
      ...metadata,
      generateName: `${job.metadata.name.slice(0, maxPrefixLength - suffix.length)}${suffix}`,
      labels: { ...metadata.labels, [indexAnnotation]: String(index) },
      annotations,
    },
    spec: {
      ...spec,
      hostname: `${job.metadata.name}-${index}`,
      containers: spec.containers.map(withIndexVariable),
      ...(spec.initContainers === undefined ? {} : { initContainers: spec.initContainers.map(withIndexVariable) }),
    },
  };
}

function failureCounts({ spec }: Job, replaced: Pod | undefined): Record<string, string> {
  if (spec.backoffLimitPerIndex === undefined) return {};
  if (replaced === undefined) return { [failureCountAnnotation]: '0' };
  const { counts } = judgeFailure(spec.podFailurePolicy, replaced);
  const ignored = ignoredBefore(replaced) + (counts ? 0 : 1);
  return {
    [failureCountAnnotation]: String(failuresBefore(replaced) + (counts ? 1 : 0)),
    ...(ignored === 0 ? {} : { [ignoredFailureCountAnnotation]: String(ignored) }),
  };
}

function withIndexVariable(container: Container): Container {
  const { env = [] } = container;
  if (env.some(({ name }) => name === indexVariable)) return container;
  const fieldRef = { fieldPath: `metadata.labels['${indexAnnotation}']` };
  return { ...container, env: [...env, { name: indexVariable, valueFrom: { fieldRef } }] };
}
