/** The message for a pod that fits no node, in upstream's exact words. Pure. */
import type { Rejection } from './framework.ts';

/** Maximum length of a note of events.k8s.io (upstream's NoteLengthLimit). */
const maxNoteLength = 1024;

/** The message when the cluster has no nodes. */
export const noNodesMessage = 'no nodes available to schedule pods';

/** The rejections of all nodes, and the results of the attempts to free resources. */
export interface FitFailure {
  nodeCount: number;
  /** The refusal of a filter that refused all nodes at once. Its reasons are printed once. */
  refusal?: Rejection | undefined;
  rejections: Iterable<Rejection>;
  /** The messages of the post-filter plugins, which try to free resources, in their order. */
  afterwards?: readonly string[] | undefined;
}

/** The whole message: `0/2 nodes are available: 1 Insufficient cpu, 1 node(s) had untolerated taint(s). preemption: …`. */
export function fitErrorMessage({ nodeCount, refusal, rejections, afterwards = [] }: FitFailure): string {
  const reasons = refusal === undefined ? histogram(rejections) : refusal.reasons.join(', ');
  return [`0/${nodeCount} nodes are available:`, reasons === '' ? '' : `${reasons}.`, afterwards.join(', ')]
    .filter((part) => part !== '')
    .join(' ');
}

/** Counts the reasons: `1 Insufficient cpu, 2 node(s) were unschedulable`, sorted as text like upstream. */
function histogram(rejections: Iterable<Rejection>): string {
  const counts = new Map<string, number>();
  for (const { reasons } of rejections) for (const reason of reasons) counts.set(reason, (counts.get(reason) ?? 0) + 1);
  return [...counts]
    .map(([reason, count]) => `${count} ${reason}`)
    .sort()
    .join(', ');
}

/** Cuts a message to the maximum length of an event's note. */
export function truncateNote(message: string): string {
  return message.length <= maxNoteLength ? message : `${message.slice(0, maxNoteLength - 4)} ...`;
}
