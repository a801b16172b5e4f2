/**
 * Priority: turns a pod's priority class into a number and a preemption policy.
 *
 * Source: upstream `plugin/pkg/admission/priority`.
 */
import { ownValue } from '#api/own-value.ts';
import type { Pod } from '#api/types.generated.ts';
import { type AdmissionAttributes, type AdmissionPlugin, admissionForbidden, concerns } from '../plugin.ts';

/** The classes that every cluster has; others come with the PriorityClass kind. */
const builtInPriorities: Readonly<Record<string, number>> = {
  'system-cluster-critical': 2_000_000_000,
  'system-node-critical': 2_000_001_000,
};
const policy = 'PreemptLowerPriority';

/** @throws (when asked) ApiError 403 for an unknown class, or a number or policy that is not the class's */
export const priority = (): AdmissionPlugin => ({
  name: 'Priority',
  handles: (operation) => operation === 'create' || operation === 'update',

  mutate(attributes) {
    if (!concerns(attributes, '', 'pods')) return;
    const pod = attributes.object as Pod;
    if (attributes.operation === 'create') return setPriority(pod, attributes);
    const old = attributes.oldObject as Pod;
    pod.spec.priority ??= old.spec.priority;
    pod.spec.preemptionPolicy ??= old.spec.preemptionPolicy;
  },
});

function setPriority({ spec }: Pod, attributes: AdmissionAttributes): void {
  const name = spec.priorityClassName ?? '';
  const number = name === '' ? 0 : ownValue(builtInPriorities, name);
  if (number === undefined) throw admissionForbidden(attributes, `no PriorityClass with name ${name} was found`);
  const computed = (value: unknown): string =>
    `priority admission controller computed ${value} from the given PriorityClass name`;
  if (spec.priority !== undefined && spec.priority !== number) {
    const why = `the integer value of priority (${spec.priority}) must not be provided in pod spec; ${computed(number)}`;
    throw admissionForbidden(attributes, why);
  }
  spec.priority = number;
  if (spec.preemptionPolicy !== undefined && spec.preemptionPolicy !== policy) {
    const why = `the string value of PreemptionPolicy (${spec.preemptionPolicy}) must not be provided in pod spec; ${computed(policy)}`;
    throw admissionForbidden(attributes, why);
  }
  spec.preemptionPolicy = policy;
}
