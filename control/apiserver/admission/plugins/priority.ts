/**
 * Priority: turns a pod's priority class into a number and a preemption policy, and lets one class at most be the default.
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

/** @throws (when asked) ApiError 403 for an unknown class, a number or policy that is not the class's, or a second default class */
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

/** Two concurrent creates can make two defaults: then the lower one counts. */
async function defaultClass({ list }: AdmissionContext): Promise<PriorityClass | undefined> {
  const defaults = ((await list(classes)) as PriorityClass[]).filter(({ globalDefault }) => globalDefault === true);
  return defaults.reduce<PriorityClass | undefined>(
    (lowest, one) => (lowest === undefined || (lowest.value ?? 0) > (one.value ?? 0) ? one : lowest),
    undefined,
  );
}

/** The class that the pod names; without a name the default class, which may be absent. */
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
