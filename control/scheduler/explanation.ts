/** The decision record as it is served: `/debug/scheduler/pods/<namespace>/<name>`. */
import { rfc3339 } from '#api/meta.ts';
import type { Decision, Outcome } from './decision-log.ts';
import type { Explanation, Scheduler } from './scheduler.ts';

/** The path under which {@link podRecord} is served. Who may read it is a matter of RBAC (nonResourceURLs). */
export const podRecordPath = '/debug/scheduler/pods/';

/** A pod's record, as JSON shows it. */
export interface PodRecord {
  pod: string;
  waits?: string;
  attempts: {
    attempt: number;
    at: string;
    outcome: Outcome;
    nodes: {
      node: string;
      /** Absent: the node fits. */
      rejectedBy?: string;
      reasons?: readonly string[];
      scores?: { plugin: string; raw: number; score: number; weight: number; weighted: number }[];
      total?: number;
    }[];
  }[];
  remedies: Explanation['remedies'];
}

/** The record for a decoded path below {@link podRecordPath}. Undefined when the path names no pod that the scheduler knows. */
export function podRecord(scheduler: Pick<Scheduler, 'explain'>, path: string): PodRecord | undefined {
  const [namespace, name, ...rest] = path.slice(podRecordPath.length).split('/');
  if (!path.startsWith(podRecordPath) || !namespace || !name || rest.length > 0) return undefined;
  const pod = `${namespace}/${name}`;
  const { decisions, waits, remedies } = scheduler.explain(pod);
  if (decisions.length === 0 && waits === undefined) return undefined;
  return { pod, ...(waits === undefined ? {} : { waits }), attempts: decisions.map(attemptOf), remedies };
}

function attemptOf({ attempt, atMs, outcome, nodes }: Decision): PodRecord['attempts'][number] {
  return {
    attempt,
    at: rfc3339(atMs),
    outcome,
    nodes: nodes.map(({ node, rejection, scores, total }) => ({
      node,
      ...(rejection === undefined ? {} : { rejectedBy: rejection.plugin, reasons: rejection.reasons }),
      ...(scores === undefined ? {} : { scores: scores.map((one) => ({ ...one, weighted: one.score * one.weight })) }),
      ...(total === undefined ? {} : { total }),
    })),
  };
}
