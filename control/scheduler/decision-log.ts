/** Keeps the last scheduling decisions of each pod, so that users can ask why a pod is on its node or waits. */
import { type Choice, type NodeVerdict, type PluginScores, verdictsOf } from './decide.ts';
import type { Rejection } from './framework.ts';

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
  /** The result for each node that was looked at, sorted by name: the rejection or the scores. Made when asked for. */
  readonly nodes: readonly NodeVerdict[];
}

/** What is remembered of an attempt. */
export type Attempt = Omit<Decision, 'nodes'> & {
  /** Absent when no node was looked at. */
  choice?: Choice | undefined;
};

/** The last decisions. */
export interface DecisionLog {
  add(attempt: Attempt): void;
  /** The decisions, oldest first. With `namespace/name`, only those of one pod. */
  list(key?: string): Decision[];
}

/** Bounds of a log. */
export interface DecisionLogLimits {
  /** Decisions in all. Default 1000. */
  decisions?: number;
  /** Decisions of one pod. Default 5. */
  perPod?: number;
  /** Verdicts on nodes, in all decisions together: each takes some 16 bytes. Default a million. */
  verdicts?: number;
}

interface Kept extends Decision {
  readonly key: string;
  readonly cost: number;
}

/** Makes a log. The oldest decisions are forgotten first. */
export function createDecisionLog({ decisions = 1000, perPod = 5, verdicts = 1_000_000 }: DecisionLogLimits = {}): DecisionLog {
  const all = new Set<Kept>();
  const byPod = new Map<string, Kept[]>();
  let cost = 0;

  const forget = (one: Kept): void => {
    if (!all.delete(one)) return;
    cost -= one.cost;
    const left = (byPod.get(one.key) ?? []).filter((other) => other !== one);
    if (left.length > 0) byPod.set(one.key, left);
    else byPod.delete(one.key);
  };

  return {
    add(attempt) {
      const kept = keep(attempt);
      all.add(kept);
      cost += kept.cost;
      const ofPod = byPod.get(kept.key) ?? [];
      byPod.set(kept.key, [...ofPod, kept]);
      const [first] = ofPod;
      if (first !== undefined && ofPod.length >= perPod) forget(first);
      for (const oldest of all) {
        if (all.size <= decisions && cost <= verdicts) break;
        forget(oldest);
      }
    },
    list: (key) => (key === undefined ? [...all] : [...(byPod.get(key) ?? [])]),
  };
}

function keep({ pod, atMs, attempt, outcome, choice }: Attempt): Kept {
  // Only names: the infos of nodes would keep all their pods in memory.
  const feasible = (choice?.feasible ?? []).map(({ name }) => name);
  const scores: readonly PluginScores[] = (choice?.scores ?? []).map(packed);
  const rejections: ReadonlyMap<string, Rejection> = choice?.rejections ?? new Map<string, Rejection>();
  return {
    pod,
    atMs,
    attempt,
    outcome,
    key: `${pod.namespace}/${pod.name}`,
    cost: 1 + feasible.length * (1 + scores.length / 4) + 2 * rejections.size,
    get nodes() {
      return verdictsOf(feasible, scores, rejections);
    },
  };
}

/** The same numbers in less memory: most are from 0 to 100, and a byte each is enough. */
function packed({ plugin, weight, raw, scores }: PluginScores): PluginScores {
  const small = inBytes(scores);
  return { plugin, weight, raw: raw === scores ? small : inBytes(raw), scores: small };
}

function inBytes(numbers: ArrayLike<number>): ArrayLike<number> {
  const bytes = new Uint8Array(numbers.length);
  for (let index = 0; index < numbers.length; index++) {
    const number = numbers[index] ?? 0;
    bytes[index] = number;
    if (bytes[index] !== number) return Float64Array.from(numbers);
  }
  return bytes;
}
