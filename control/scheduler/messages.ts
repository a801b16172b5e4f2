/** What a pod that fits nowhere is told, word for word as upstream tells it. Pure. */
import type { Rejection } from './framework.ts';

/** Upstream's NoteLengthLimit: events.k8s.io takes no longer note. */
const maxNoteLength = 1024;

export const noNodesMessage = 'no nodes available to schedule pods';

/** The verdicts on all nodes, and what came of the attempts to make room. */
export interface FitFailure {
  nodeCount: number;
  /** A filter refused all nodes at once: its reasons, told once. */
  refusal?: Rejection | undefined;
  rejections: Iterable<Rejection>;
  /** From the plugins that try to make room, in their order. */
  afterwards?: readonly string[] | undefined;
}

/** `0/2 nodes are available: 1 Insufficient cpu, 1 node(s) had untolerated taint(s). preemption: …` */
export function fitErrorMessage({ nodeCount, refusal, rejections, afterwards = [] }: FitFailure): string {
  const told = refusal === undefined ? histogram(rejections) : refusal.reasons.join(', ');
  return [`0/${nodeCount} nodes are available:`, told === '' ? '' : `${told}.`, afterwards.join(', ')]
    .filter((part) => part !== '')
    .join(' ');
}

/** `1 Insufficient cpu, 2 node(s) were unschedulable`: sorted as text, as upstream sorts it. */
function histogram(rejections: Iterable<Rejection>): string {
  const counts = new Map<string, number>();
  for (const { reasons } of rejections) for (const reason of reasons) counts.set(reason, (counts.get(reason) ?? 0) + 1);
  return [...counts]
    .map(([reason, count]) => `${count} ${reason}`)
    .sort()
    .join(', ');
}

/** Cuts a message to what an event can hold. */
export function truncateNote(message: string): string {
  return message.length <= maxNoteLength ? message : `${message.slice(0, maxNoteLength - 4)} ...`;
}
