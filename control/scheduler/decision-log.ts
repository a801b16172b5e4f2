/** Keeps the last scheduling decisions, so that users can ask why a pod is on its node or waits. */
import type { NodeVerdict } from './decide.ts';

/** The outcome of one attempt. */
export type Outcome =
  | { kind: 'scheduled'; node: string }
  /** `message` is that of the event. `nominatedNode` is set when preemption frees resources there. */
  | { kind: 'unschedulable'; message: string; nominatedNode?: string; victims?: readonly string[] }
  | { kind: 'error'; message: string };

/** One scheduling decision. */
export interface Decision {
  pod: { namespace: string; name: string; uid: string };
  atMs: number;
  /** Number of the attempt to place this pod, from 1. */
  attempt: number;
  outcome: Outcome;
  /** The result for each node, sorted by name: the rejection or the scores. */
  nodes: readonly NodeVerdict[];
}

/** The last decisions. */
export interface DecisionLog {
  add(decision: Decision): void;
  /** The decisions, oldest first. With `namespace/name`, only those of one pod. */
  list(key?: string): Decision[];
}

/** Makes a log that keeps the last `capacity` decisions. */
export function createDecisionLog(capacity: number): DecisionLog {
  let ring: Decision[] = [];
  let oldest = 0;
  return {
    add(decision) {
      if (ring.length < capacity) ring.push(decision);
      else {
        ring[oldest] = decision;
        oldest = (oldest + 1) % capacity;
      }
    },
    list(key) {
      ring = [...ring.slice(oldest), ...ring.slice(0, oldest)];
      oldest = 0;
      return ring.filter(({ pod }) => key === undefined || key === `${pod.namespace}/${pod.name}`);
    },
  };
}
