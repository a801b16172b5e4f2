/**
 * The last two answers of each kubelet, and the use of CPU between them. What a kubelet says of a pod counts only for pods that are bound to its
 * node: a caller asks with the node that the pod's spec names.
 *
 * Source: metrics-server `pkg/storage/{node,pod,types}.go`.
 */
import { formatDuration } from '#api/duration.ts';
import { rfc3339 } from '#api/meta.ts';
import { formatQuantity, wholeQuantity } from '#api/quantity.ts';
import type { NodeUsage, UsagePoint } from './exposition.ts';

/** `cpu` in cores, `memory` in bytes, as quantities. */
export type Usage = Readonly<Record<'cpu' | 'memory', string>>;

/** When it was measured, and for how long before. */
export interface Measured {
  timestamp: string;
  window: string;
}

/** The use of a pod's containers, by name. */
export interface PodUsage extends Measured {
  containers: { name: string; usage: Usage }[];
}

interface Pair {
  last: UsagePoint;
  previous: UsagePoint | undefined;
}

interface KnownNode {
  node: Pair | undefined;
  pods: ReadonlyMap<string, ReadonlyMap<string, Pair>>;
}

/** A container that is younger than this has no use worth a number yet. */
const minAgeMs = 10_000;

/** The last two measurements of each node and container, from which usage is computed. */
export class UsageStore {
  readonly #resolutionMs: number;
  readonly #nodes = new Map<string, KnownNode>();

  /** @param resolutionMs the time between two scrapes */
  constructor(resolutionMs: number) {
    this.#resolutionMs = resolutionMs;
  }

  /** Takes one answer of the node's kubelet. */
  add(nodeName: string, { node, pods }: NodeUsage): void {
    const known = this.#nodes.get(nodeName);
    const next = new Map<string, ReadonlyMap<string, Pair>>();
    for (const [key, points] of pods) {
      const before = known?.pods.get(key);
      const pairs = new Map<string, Pair>();
      for (const [name, point] of points) pairs.set(name, this.#containerPair(point, before?.get(name)));
      // A container without a number (it does not run any more, or the runtime does not tell) makes the sum of its pod wrong.
      if ([...points.values()].every(({ cpuNs, memoryBytes }) => cpuNs > 0 && memoryBytes > 0)) next.set(key, pairs);
    }
    const isWhole = node !== undefined && node.cpuNs > 0 && node.memoryBytes > 0;
    this.#nodes.set(nodeName, { node: isWhole ? pairOf(node, known?.node) : undefined, pods: next });
  }

  /** Forgets nodes that are not among these. */
  keepOnly(nodeNames: ReadonlySet<string>): void {
    for (const name of this.#nodes.keys()) if (!nodeNames.has(name)) this.#nodes.delete(name);
  }

  /** Undefined: nothing is known, or not yet for long enough. */
  node(name: string): (Measured & { usage: Usage }) | undefined {
    const pair = this.#nodes.get(name)?.node;
    const rate = pair === undefined ? undefined : rateOf(pair);
    return rate === undefined ? undefined : { ...measured(rate), usage: rate.usage };
  }

  /** Undefined: nothing is known of one of its containers, or not yet for long enough. */
  pod(nodeName: string, namespace: string, name: string): PodUsage | undefined {
    const pairs = this.#nodes.get(nodeName)?.pods.get(`${namespace}/${name}`);
    if (pairs === undefined || pairs.size === 0) return undefined;
    const containers: PodUsage['containers'] = [];
    let earliest: Rate | undefined;
    for (const [container, pair] of pairs) {
      const rate = rateOf(pair);
      if (rate === undefined) return undefined;
      containers.push({ name: container, usage: rate.usage });
      if (earliest === undefined || rate.timeMs < earliest.timeMs) earliest = rate;
    }
    if (earliest === undefined) return undefined;
    containers.sort((a, b) => (a.name < b.name ? -1 : 1));
    return { ...measured(earliest), containers };
  }

  #containerPair(point: UsagePoint, before: Pair | undefined): Pair {
    const { startedMs = 0, timeMs } = point;
    const ageMs = timeMs - startedMs;
    // It has started since the last scrape: then it has used nothing before.
    if (ageMs >= minAgeMs && ageMs < this.#resolutionMs)
      return { last: point, previous: { ...point, timeMs: startedMs, cpuNs: 0 } };
    // What it used before it was started again does not count.
    if (before === undefined || startedMs >= before.last.timeMs) return { last: point, previous: undefined };
    return pairOf(point, before);
  }
}

/** An answer that is no newer (the kubelet read no new values) keeps the one before. */
function pairOf(last: UsagePoint, before: Pair | undefined): Pair {
  if (before === undefined) return { last, previous: undefined };
  return { last, previous: last.timeMs > before.last.timeMs ? before.last : before.previous };
}

interface Rate {
  usage: Usage;
  timeMs: number;
  windowMs: number;
}

function rateOf({ last, previous }: Pair): Rate | undefined {
  if (previous === undefined || last.cpuNs < previous.cpuNs) return undefined;
  const windowMs = last.timeMs - previous.timeMs;
  if (windowMs <= 0) return undefined;
  const nanoCores = Math.trunc((last.cpuNs - previous.cpuNs) / (windowMs / 1000));
  if (!Number.isFinite(nanoCores)) return undefined;
  const cpu = formatQuantity({ unscaled: BigInt(nanoCores), scale: -9, format: 'DecimalSI' });
  const memory = formatQuantity(wholeQuantity(BigInt(Math.trunc(last.memoryBytes)), 'BinarySI'));
  return { usage: { cpu, memory }, timeMs: last.timeMs, windowMs };
}

const measured = ({ timeMs, windowMs }: Rate): Measured => ({
  timestamp: rfc3339(timeMs),
  window: formatDuration(windowMs),
});
