/**
 * Priority: sets a pod's priority and preemption policy from its priority class, and allows only one default class.
 *
 * Source: upstream `plugin/pkg/admission/priority`.
 */
import type { Pod, PriorityClass } from '#api/types.generated.ts';
import {
  type AdmissionAttributes,
  type AdmissionContext,
  type AdmissionPlugin,
  admissionForbidden,
  concerns,
} from '../plugin.ts';

const classes = 'priorityclasses.scheduling.k8s.io';

/** @throws (when asked) ApiError 403 for an unknown class, a priority or policy that differs from the class, or a second default class */
export const priority = (): AdmissionPlugin => ({
  name: 'Priority',
  handles: (operation) => operation === 'create' || operation === 'update',

  async mutate(attributes, context) {
    if (!concerns(attributes, '', 'pods')) return;
    const pod = attributes.object as Pod;
    if (attributes.operation === 'create') return setPriority(pod, await classOf(pod, attributes, context), attributes);
    const old = attributes.oldObject as Pod;
    pod.spec.priority ??= old.spec.priority;
    pod.spec.preemptionPolicy ??= old.spec.preemptionPolicy;
  },

  async validate(attributes, context) {
    if (!concerns(attributes, 'scheduling.k8s.io', 'priorityclasses')) return;
    const { globalDefault, metadata } = attributes.object as PriorityClass;
    if (globalDefault !== true) return;
    const other = await defaultClass(context);
    if (other === undefined || (attributes.operation === 'update' && other.metadata.name === metadata.name)) return;
    const why = `PriorityClass ${other.metadata.name} is already marked as default. Only one default can exist`;
    throw admissionForbidden(attributes, why);
  },
});

/** Concurrent creates can lead to two default classes: then the one with the lower value is used. */
async function defaultClass({ list }: AdmissionContext): Promise<PriorityClass | undefined> {
  const defaults = ((await list(classes)) as PriorityClass[]).filter(({ globalDefault }) => globalDefault === true);
  return defaults.reduce<PriorityClass | undefined>(
    (lowest, one) => (lowest === undefined || (lowest.value ?? 0) > (one.value ?? 0) ? one : lowest),
    undefined,
  );
}

/** The pod's class; by default the default class, if there is one. */
async function classOf(
  { spec }: Pod,
  attributes: AdmissionAttributes,
  context: AdmissionContext,
): Promise<PriorityClass | undefined> {
  const name = spec.priorityClassName ?? '';
  if (name === '') return await defaultClass(context);
  const named = (await context.read(classes, undefined, name)) as PriorityClass | undefined;
  if (named === undefined) throw admissionForbidden(attributes, `no PriorityClass with name ${name} was found`);
  return named;
}

function setPriority({ spec }: Pod, found: PriorityClass | undefined, attributes: AdmissionAttributes): void {
  const { value = 0, preemptionPolicy = 'PreemptLowerPriority' } = found ?? {};
  if (found !== undefined) spec.priorityClassName = found.metadata.name;
  const computed = (it: unknown): string => `priority admission controller computed ${it} from the given PriorityClass name`;
  if (spec.priority !== undefined && spec.priority !== value) {
    const why = `the integer value of priority (${spec.priority}) must not be provided in pod spec; ${computed(value)}`;
    throw admissionForbidden(attributes, why);
  }
  spec.priority = value;
  if (spec.preemptionPolicy !== undefined && spec.preemptionPolicy !== preemptionPolicy) {
    const why = `the string value of PreemptionPolicy (${spec.preemptionPolicy}) must not be provided in pod spec; ${computed(preemptionPolicy)}`;
    throw admissionForbidden(attributes, why);
  }
  spec.preemptionPolicy = preemptionPolicy;
}
