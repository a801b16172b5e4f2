/** Why pods went where they went: the last decisions, kept for people who ask. */
import type { NodeVerdict } from './decide.ts';

export type Outcome =
  | { kind: 'scheduled'; node: string }
  /** `message` is the one of the event; `nominatedNode` where room is being made. */
  | { kind: 'unschedulable'; message: string; nominatedNode?: string; victims?: readonly string[] }
  | { kind: 'error'; message: string };

export interface Decision {
  pod: { namespace: string; name: string; uid: string };
  atMs: number;
  /** Counts the attempts to place this pod, from 1. */
  attempt: number;
  outcome: Outcome;
  /** One per node, sorted by name: what rejected it, or how it scored. */
  nodes: readonly NodeVerdict[];
}

export interface DecisionLog {
  add(decision: Decision): void;
  /** Oldest first; of one pod when `namespace/name` is given. */
  list(key?: string): Decision[];
}

/** Keeps the last `capacity` decisions. */
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
