/**
 * The pod conditions that the kubelet owns. Pure.
 *
 * Source: upstream `pkg/kubelet/status/generate.go` (reasons and messages).
 */

import { rfc3339 } from '#api/meta.ts';
import { initContainers, isSidecar } from '#api/pod/containers.ts';
import type { Container, ContainerStatus, Pod, PodCondition, PodStatus } from '#api/types.generated.ts';

type Verdict = Pick<PodCondition, 'status' | 'reason' | 'message'>;

const isTrue: Verdict = { status: 'True' };
const isFalse = (reason?: string, message?: string): Verdict => ({
  status: 'False',
  ...(reason === undefined ? {} : { reason }),
  ...(message === undefined ? {} : { message }),
});

const owned = new Set([
  'PodScheduled',
  'Ready',
  'Initialized',
  'ContainersReady',
  'PodReadyToStartContainers',
  'PodResizePending',
  'PodResizeInProgress',
]);

/** The names of the containers that match, as Go prints a slice: `[a b]`. */
const named = (containers: readonly Container[], matches: (container: Container) => boolean): string | undefined => {
  const names = containers.filter(matches).map(({ name }) => name);
  return names.length === 0 ? undefined : `[${names.join(' ')}]`;
};

const joined = (...parts: readonly (string | undefined)[]): string => parts.filter((part) => part !== undefined).join(', ');
const labelled = (label: string, names: string | undefined): string | undefined =>
  names === undefined ? undefined : `${label}: ${names}`;

function containersReady(pod: Pod, statuses: ReadonlyMap<string, ContainerStatus>, phase: string): Verdict {
  const counted = [...initContainers(pod).filter(isSidecar), ...pod.spec.containers];
  const unknown = named(counted, ({ name }) => !statuses.has(name));
  const unready = named(counted, ({ name }) => statuses.get(name)?.ready === false);
  if (phase === 'Succeeded' && unknown === undefined) return isFalse('PodCompleted');
  if (phase === 'Failed') return isFalse('PodFailed');
  const message = joined(
    labelled('containers with unknown status', unknown),
    labelled('containers with unready status', unready),
  );
  return message === '' ? isTrue : isFalse('ContainersNotReady', message);
}

function ready(pod: Pod, containers: Verdict, conditions: readonly PodCondition[]): Verdict {
  if (containers.status !== 'True') return containers;
  const missing = (pod.spec.readinessGates ?? []).flatMap(({ conditionType }) => {
    const condition = conditions.find(({ type }) => type === conditionType);
    if (condition === undefined) return [`corresponding condition of pod readiness gate "${conditionType}" does not exist.`];
    return condition.status === 'True'
      ? []
      : [`the status of pod readiness gate "${conditionType}" is not "True", but ${condition.status}`];
  });
  return missing.length === 0 ? isTrue : isFalse('ReadinessGatesNotReady', missing.join(', '));
}

function initialized(pod: Pod, statuses: ReadonlyMap<string, ContainerStatus>, phase: string): Verdict {
  const containers = initContainers(pod);
  const unknown = named(containers, ({ name }) => !statuses.has(name));
  if (phase === 'Succeeded' && unknown === undefined) return { ...isTrue, reason: 'PodCompleted' };
  const anyStarted = pod.spec.containers.some(({ name }) => {
    const status = statuses.get(name);
    return (
      status?.started === true ||
      status?.state?.running !== undefined ||
      status?.state?.terminated !== undefined ||
      status?.lastState?.terminated !== undefined
    );
  });
  if (anyStarted) return isTrue;
  const incomplete = named(containers, (container) => {
    const status = statuses.get(container.name);
    return status !== undefined && !(isSidecar(container) ? status.started === true : status.ready);
  });
  const message = joined(
    labelled('containers with unknown status', unknown),
    labelled('containers with incomplete status', incomplete),
  );
  return message === '' ? isTrue : isFalse('ContainersNotInitialized', message);
}

/** The inputs of a pod's conditions. `nowMs`: since the epoch. */
export interface ConditionInputs {
  pod: Pod;
  previous: PodStatus;
  phase: string;
  /** The statuses of init containers and containers, by name. */
  statuses: ReadonlyMap<string, ContainerStatus>;
  hasSandbox: boolean;
  /** The conditions of a resize, if any. */
  resize: readonly PodCondition[];
  nowMs: number;
}

/** All conditions: first those of other components, then the kubelet's. An unchanged status keeps its transition time. Pure. */
export function podConditions({ pod, previous, phase, statuses, hasSandbox, resize, nowMs }: ConditionInputs): PodCondition[] {
  const foreign = (pod.status?.conditions ?? []).filter(({ type }) => !owned.has(type));
  const containers = containersReady(pod, statuses, phase);
  const own: [string, Verdict][] = [
    ['PodReadyToStartContainers', hasSandbox ? isTrue : isFalse()],
    ['Initialized', initialized(pod, statuses, phase)],
    ['Ready', ready(pod, containers, foreign)],
    ['ContainersReady', containers],
    ['PodScheduled', isTrue],
  ];
  const { generation } = pod.metadata;
  const made = own.map(([type, verdict]): PodCondition => {
    const before = (previous.conditions ?? []).find((condition) => condition.type === type);
    const lastTransitionTime = before?.status === verdict.status ? before.lastTransitionTime : undefined;
    return {
      type,
      ...verdict,
      ...(generation === undefined ? {} : { observedGeneration: generation }),
      lastTransitionTime: lastTransitionTime ?? rfc3339(nowMs),
    };
  });
  return [...foreign, ...resize, ...made];
}
