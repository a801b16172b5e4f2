/** Columns of Pods, and the one word that sums up a pod's state. Source: upstream `pkg/printers/internalversion/printers.go`, printPod. */

import { isPodTerminal, podCondition } from '#api/pod/conditions.ts';
import { initContainers, isSidecar } from '#api/pod/containers.ts';
import type { ContainerState, ContainerStatus, Pod } from '#api/types.generated.ts';
import type { TableColumns } from '../../../registry/strategy.ts';
import { ageColumn, ageOf, column, nameColumn, since, wide } from '../../columns.ts';

/** The table of Pods: its columns, and the row of one object at a given time (milliseconds since the epoch). */
export const podColumns: TableColumns<Pod> = {
  columns: [
    nameColumn,
    column('Ready', 'How many of the containers are ready.'),
    column('Status', 'What the pod is doing, or why it does not.'),
    column('Restarts', 'How often containers were restarted, and how long ago the last time was.'),
    ageColumn,
    wide('IP', "The pod's address."),
    wide('Node', 'The node that runs the pod.'),
    wide('Nominated Node', 'The node on which others make room for this pod.'),
    wide('Readiness Gates', 'How many of the further conditions for readiness hold.'),
  ],
  cells(pod, nowMs) {
    const { ready, total, reason, restarts, lastRestart } = summarizePod(pod);
    const { spec, status } = pod;
    return [
      pod.metadata.name,
      `${ready}/${total}`,
      reason,
      restarts === 0 || lastRestart === undefined ? `${restarts}` : `${restarts} (${since(lastRestart, nowMs)} ago)`,
      ageOf(pod, nowMs),
      status?.podIPs?.[0]?.ip || '<none>',
      spec.nodeName || '<none>',
      status?.nominatedNodeName || '<none>',
      readinessGates(pod),
    ];
  },
};

/** What `kubectl get pods` says of a pod in its columns READY, STATUS and RESTARTS. */
export interface PodSummary {
  ready: number;
  total: number;
  /** `Running`, `Init:0/1`, `CrashLoopBackOff`, `Terminating` … */
  reason: string;
  restarts: number;
  /** When the last restarted container had ended; absent when the status does not say. */
  lastRestart: string | undefined;
}

/**
 * Sums up the state of all containers in one word and some counts. Pure. Source: upstream
 * `pkg/printers/internalversion/printers.go`, printPod.
 */
export function summarizePod(pod: Pod): PodSummary {
  const { spec, status = {} } = pod;
  const sidecars = new Set(
    initContainers(pod)
      .filter(isSidecar)
      .map(({ name }) => name),
  );
  const init = summarizeInit(pod, sidecars);
  const summary: PodSummary = {
    ready: init.ready,
    total: (spec.containers ?? []).length + sidecars.size,
    reason: init.reason ?? phaseReason(pod),
    ...restartsOf(status.initContainerStatuses?.slice(0, init.seen) ?? []),
  };
  if (init.reason === undefined || conditionIs(pod, 'Initialized')) summarizeMain(pod, sidecars, init.seen, summary);
  if (pod.metadata.deletionTimestamp !== undefined) {
    if (status.reason === 'NodeLost') summary.reason = 'Unknown';
    else if (!isPodTerminal(pod)) summary.reason = 'Terminating';
  }
  return summary;
}

function phaseReason(pod: Pod): string {
  const { status } = pod;
  const gated = podCondition(pod, 'PodScheduled')?.reason === 'SchedulingGated';
  return gated ? 'SchedulingGated' : status?.reason || status?.phase || '';
}

interface InitSummary {
  ready: number;
  /** Absent when every init container has done its part. */
  reason: string | undefined;
  /** How many statuses were looked at: those after the first unfinished one do not count. */
  seen: number;
}

function summarizeInit({ spec, status }: Pod, sidecars: ReadonlySet<string>): InitSummary {
  const statuses = status?.initContainerStatuses ?? [];
  let ready = 0;
  for (const [index, container] of statuses.entries()) {
    const { terminated, waiting } = container.state ?? {};
    if (terminated !== undefined && (terminated.exitCode ?? 0) === 0) continue;
    if (sidecars.has(container.name) && container.started === true) {
      if (container.ready) ready++;
      continue;
    }
    const progress = `Init:${index}/${(spec.initContainers ?? []).length}`;
    const waits = waiting?.reason && waiting.reason !== 'PodInitializing' ? `Init:${waiting.reason}` : progress;
    return { ready, reason: terminated === undefined ? waits : `Init:${endReason(terminated)}`, seen: index + 1 };
  }
  return { ready, reason: undefined, seen: statuses.length };
}

function endReason({ reason, signal, exitCode }: NonNullable<ContainerState['terminated']>): string {
  if (reason) return reason;
  return signal ? `Signal:${signal}` : `ExitCode:${exitCode ?? 0}`;
}

/** Once initialized, the restarts of init containers that ran to their end no longer count. */
function summarizeMain(pod: Pod, sidecars: ReadonlySet<string>, seen: number, summary: PodSummary): void {
  const statuses = pod.status?.containerStatuses ?? [];
  const restarted = (pod.status?.initContainerStatuses ?? []).slice(0, seen).filter(({ name }) => sidecars.has(name));
  Object.assign(summary, restartsOf([...restarted, ...statuses]));
  let running = false;
  let errorReason = '';
  for (const container of statuses.toReversed()) {
    const { waiting, terminated, running: runs } = container.state ?? {};
    if (waiting?.reason) summary.reason = waiting.reason;
    else if (terminated !== undefined) {
      summary.reason = endReason(terminated);
      if ((terminated.exitCode ?? 0) !== 0) errorReason = summary.reason;
    } else if (container.ready && runs !== undefined) {
      running = true;
      summary.ready++;
    }
  }
  if (summary.reason !== 'Completed') return;
  if (running && conditionIs(pod, 'Ready')) summary.reason = 'Running';
  else if (errorReason !== '') summary.reason = errorReason;
  else if (running) summary.reason = 'NotReady';
}

function restartsOf(statuses: readonly ContainerStatus[]): Pick<PodSummary, 'restarts' | 'lastRestart'> {
  const ends = statuses.flatMap(({ lastState }) => lastState?.terminated?.finishedAt ?? []);
  return {
    restarts: statuses.reduce((sum, { restartCount }) => sum + (restartCount ?? 0), 0),
    lastRestart: ends.sort((a, b) => Date.parse(a) - Date.parse(b)).at(-1),
  };
}

function conditionIs(pod: Pod, type: string): boolean {
  return podCondition(pod, type)?.status === 'True';
}

function readinessGates(pod: Pod): string {
  const gates = pod.spec.readinessGates ?? [];
  if (gates.length === 0) return '<none>';
  return `${gates.filter(({ conditionType }) => conditionIs(pod, conditionType)).length}/${gates.length}`;
}
