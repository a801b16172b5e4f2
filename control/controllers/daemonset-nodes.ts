/**
 * On which nodes the pods of a DaemonSet run, and how the pod for a node looks. Pure.
 *
 * Source: kubernetes `pkg/controller/daemon/daemon_controller.go` (NodeShouldRunDaemonPod), `pkg/controller/daemon/util`.
 */
import {
  diskPressureTaint,
  memoryPressureTaint,
  networkUnavailableTaint,
  notReadyTaint,
  pidPressureTaint,
  unreachableTaint,
  unschedulableTaint,
} from '#api/node-taints.ts';
import { requiredNodeAffinity } from '#api/pod/node-selector.ts';
import { executionEffects, schedulingEffects, untoleratedTaint } from '#api/pod/tolerations.ts';
import type { Affinity, DaemonSet, Node, Pod, PodSpec, PodTemplateSpec, Toleration } from '#api/types.generated.ts';
import { revisionLabel } from './controller-revisions.ts';

/** The label with the number of the template, for clients of older versions. */
export const generationLabel = 'pod-template-generation';
/** The annotation of the DaemonSet with the same number. */
const generationAnnotation = 'deprecated.daemonset.template.generation';

const nodeTolerations: readonly Toleration[] = [
  // These pods stay on a node that has problems.
  { key: notReadyTaint, operator: 'Exists', effect: 'NoExecute' },
  { key: unreachableTaint, operator: 'Exists', effect: 'NoExecute' },
  { key: diskPressureTaint, operator: 'Exists', effect: 'NoSchedule' },
  { key: memoryPressureTaint, operator: 'Exists', effect: 'NoSchedule' },
  { key: pidPressureTaint, operator: 'Exists', effect: 'NoSchedule' },
  { key: unschedulableTaint, operator: 'Exists', effect: 'NoSchedule' },
];
const hostNetworkToleration: Toleration = {
  key: networkUnavailableTaint,
  operator: 'Exists',
  effect: 'NoSchedule',
};

/** The tolerations of the pods: those of the template and those that every DaemonSet has. */
export function daemonTolerations({ tolerations = [], hostNetwork }: PodSpec): Toleration[] {
  const all = [...tolerations];
  for (const toleration of hostNetwork === true ? [...nodeTolerations, hostNetworkToleration] : nodeTolerations) {
    // One for the same taints is replaced, whatever its seconds are.
    const index = all.findIndex(
      ({ key, effect, operator = 'Equal', value = '' }) =>
        key === toleration.key && effect === toleration.effect && operator === toleration.operator && value === '',
    );
    if (index < 0) all.push(toleration);
    else all[index] = toleration;
  }
  return all;
}

/** What a DaemonSet wants of a node: that new pods start there, and that running ones stay. */
export interface Eligibility {
  shouldRun: boolean;
  mayStay: boolean;
}

/** A function that decides about nodes. Make it once for a DaemonSet: it parses the selectors. */
export function eligibilityOf({ spec }: DaemonSet): (node: Node) => Eligibility {
  const podSpec = spec.template.spec ?? { containers: [] };
  const tolerations = daemonTolerations(podSpec);
  const matches = requiredNodeAffinity({ spec: podSpec });
  const { nodeName = '' } = podSpec;
  return ({ metadata: { name, labels = {} }, spec: { taints } }) => {
    if ((nodeName !== '' && nodeName !== name) || !matches({ name, labels })) return { shouldRun: false, mayStay: false };
    const shouldRun = untoleratedTaint(taints, tolerations, schedulingEffects) === undefined;
    return { shouldRun, mayStay: shouldRun || untoleratedTaint(taints, tolerations, executionEffects) === undefined };
  };
}

/** The template for the pod on a node. The scheduler binds it to that node, because the required node affinity names it. */
export function templateForNode({ spec, metadata }: DaemonSet, nodeName: string, hash: string): PodTemplateSpec {
  const { template } = spec;
  const podSpec = template.spec ?? { containers: [] };
  const generation = metadata.annotations?.[generationAnnotation];
  return {
    metadata: {
      ...template.metadata,
      labels: {
        ...template.metadata?.labels,
        ...(generation === undefined ? {} : { [generationLabel]: generation }),
        [revisionLabel]: hash,
      },
    },
    spec: { ...podSpec, tolerations: daemonTolerations(podSpec), affinity: onNode(podSpec.affinity, nodeName) },
  };
}

function onNode(affinity: Affinity | undefined, nodeName: string): Affinity {
  const matchFields = [{ key: 'metadata.name', operator: 'In', values: [nodeName] }];
  return {
    ...affinity,
    nodeAffinity: {
      ...affinity?.nodeAffinity,
      requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [{ matchFields }] },
    },
  };
}

/** The node that a pod is on or waits for. Undefined when it names none. */
export function targetNode({ spec }: Pod): string | undefined {
  if ((spec.nodeName ?? '') !== '') return spec.nodeName;
  const terms = spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms ?? [];
  const named = terms
    .flatMap(({ matchFields = [] }) => matchFields)
    .find(({ key, operator }) => key === 'metadata.name' && operator === 'In');
  return named?.values?.length === 1 ? named.values[0] : undefined;
}

/** Whether the pod is made from the current template. */
export function isPodUpdated(pod: Pod, { metadata }: DaemonSet, hash: string): boolean {
  const labels = pod.metadata.labels ?? {};
  const generation = metadata.annotations?.[generationAnnotation];
  return labels[revisionLabel] === hash || (generation !== undefined && labels[generationLabel] === generation);
}
