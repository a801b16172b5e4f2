/**
 * What would let a waiting pod run: changes of the pod or of a node, each found by trying it on the state of the cluster, not by
 * guessing from messages. Pure.
 */
import { hostnameLabel } from '#api/node-labels.ts';
import { amountOf } from '#api/pod/requests.ts';
import { schedulingEffects, tolerationOf } from '#api/pod/tolerations.ts';
import type { Node, Pod } from '#api/types.generated.ts';
import { prepareFilters, runFilters } from './feasible-nodes.ts';
import type { FilterPlugin } from './framework.ts';
import { type NodeInfo, nodeInfo, podKey, podPriority, withNodeState, withoutPods } from './node-info.ts';
import { podResources } from './resources.ts';
import type { Snapshot } from './snapshot.ts';

/** Changes that together let the pod run. */
export interface Remedy {
  /** The node on which it would run then. */
  readonly node: string;
  /** As a person is told them. */
  readonly changes: readonly string[];
}

/** Trials per node: a pod that has more obstacles on a node has better places to go. */
const maxChanges = 6;
/** Maximum number of nodes tried. These limits keep the search short, because it must not block the scheduler. */
const maxNodes = 500;
const maxPods = 10;
const maxRemedies = 5;

interface Trial {
  pod: Pod;
  info: NodeInfo;
  changes: readonly string[];
}

/** The remedies with the fewest changes, the best first. Empty when nothing that was tried helps, or the pod fits already. */
export function smallestChanges(pod: Pod, snapshot: Snapshot, filters: readonly FilterPlugin[]): Remedy[] {
  const gates = (pod.spec.schedulingGates ?? []).map(({ name }) => name);
  const prefix = gates.length === 0 ? [] : [`remove the pod's scheduling gates (${gates.join(', ')})`];
  const free = without(pod, 'schedulingGates');
  const tried = snapshot.nodes.slice(0, maxNodes);
  const remedies = tried.flatMap((info) => mend({ pod: free, info, changes: prefix }, snapshot, filters));
  if (remedies.some(({ changes }) => changes.length === 0)) return [];
  const more = tried.slice(0, maxPods).flatMap((info) => oneMoreNode(free, info, prefix, snapshot, filters));
  return [...remedies, ...more].sort((a, b) => a.changes.length - b.changes.length).slice(0, maxRemedies);
}

const without = (pod: Pod, field: keyof Pod['spec']): Pod => {
  const { [field]: _, ...spec } = pod.spec;
  return { ...pod, spec: spec as Pod['spec'] };
};

/** Removes one obstacle after the other, until the pod fits or no remedy for the obstacle is known. */
function mend(start: Trial, snapshot: Snapshot, filters: readonly FilterPlugin[]): Remedy[] {
  let trials: Trial[] = [start];
  for (let round = 0; round <= maxChanges; round++) {
    const next: Trial[] = [];
    for (const trial of trials) {
      const rejection = rejectionOf(trial, snapshot, filters);
      if (rejection === undefined) return [{ node: trial.info.name, changes: trial.changes }];
      next.push(...steps(trial, rejection));
    }
    trials = next;
  }
  return [];
}

/** The name of the plugin that rejects; undefined when the pod fits. */
function rejectionOf({ pod, info }: Trial, snapshot: Snapshot, filters: readonly FilterPlugin[]): string | undefined {
  // Another snapshot object for each pod: filters are prepared once for a snapshot.
  const prepared = prepareFilters(pod, snapshotFor(pod, snapshot), filters);
  if (prepared.refusal !== undefined) return prepared.refusal.plugin;
  const removed = (snapshot.node(info.name)?.pods ?? []).filter((other) => !info.pods.includes(other));
  return runFilters(prepared, info, removed.length === 0 ? undefined : { added: [], removed })?.plugin;
}

const snapshots = new WeakMap<Snapshot, WeakMap<Pod, Snapshot>>();
const snapshotFor = (pod: Pod, snapshot: Snapshot): Snapshot =>
  snapshots.getOrInsertComputed(snapshot, () => new WeakMap()).getOrInsertComputed(pod, () => ({ ...snapshot }));

/** What to try against a plugin's rejection. */
function steps(trial: Trial, plugin: string): Trial[] {
  const { pod, info } = trial;
  const node = `node ${info.name}`;
  const onNode = (change: string, changed: Node): Trial => ({
    ...trial,
    info: withNodeState(info, changed),
    changes: [...trial.changes, change],
  });
  switch (plugin) {
    case 'NodeUnschedulable': {
      const { unschedulable: _, ...spec } = info.node.spec;
      return [onNode(`uncordon ${node}`, { ...info.node, spec })];
    }
    case 'TaintToleration': {
      const taints = info.node.spec.taints ?? [];
      const isObstacle = (taint: (typeof taints)[number]): boolean =>
        schedulingEffects.has(taint.effect) && tolerationOf(pod.spec.tolerations, taint) === undefined;
      const names = taints.filter(isObstacle).map(({ key, value, effect }) => `${key}${value ? `=${value}` : ''}:${effect}`);
      const left = taints.filter((taint) => !isObstacle(taint));
      const change = `take the taint ${names.join(', ')} from ${node}, or let the pod tolerate it`;
      return [onNode(change, { ...info.node, spec: { ...info.node.spec, taints: left } })];
    }
    case 'NodeAffinity': {
      const missing = Object.entries(pod.spec.nodeSelector ?? {}).filter(([key, value]) => info.labels[key] !== value);
      if (missing.length === 0) return [];
      const labels = missing.map(([key, value]) => `${key}=${value}`).join(' ');
      const metadata = { ...info.node.metadata, labels: { ...info.labels, ...Object.fromEntries(missing) } };
      return [onNode(`label ${node} ${labels}`, { ...info.node, metadata })];
    }
    case 'NodeResourcesFit':
      return [...smallerRequests(trial), ...fewerPods(trial)];
    case 'NodePorts':
    case 'InterPodAffinity':
    case 'PodTopologySpread':
      return fewerPods(trial);
    default:
      return [];
  }
}

/** The pod with requests that fit into what is free. */
function smallerRequests(trial: Trial): Trial[] {
  const { pod, info } = trial;
  if (info.pods.length >= info.allowedPods) return [];
  const { requested } = podResources(pod);
  const changes: string[] = [];
  const requests: Record<string, string> = {};
  for (const name of Object.keys(requested)) {
    const wanted = amountOf(requested, name);
    const free = Math.max(0, amountOf(info.allocatable, name) - amountOf(info.requested, name));
    requests[name] = quantity(name, Math.min(wanted, free));
    if (wanted <= free) continue;
    if (free === 0) return [];
    changes.push(`request at most ${quantity(name, free)} ${name} instead of ${quantity(name, wanted)}`);
  }
  if (changes.length === 0) return [];
  const [container] = pod.spec.containers;
  if (container === undefined) return [];
  const bare = without(without(without(pod, 'overhead'), 'resources'), 'initContainers');
  const containers = pod.spec.containers.map((one, index) => ({ ...one, resources: index === 0 ? { requests } : {} }));
  return [{ ...trial, pod: { ...bare, spec: { ...bare.spec, containers } }, changes: [...trial.changes, ...changes] }];
}

const quantity = (name: string, amount: number): string => (name === 'cpu' ? `${amount}m` : String(amount));

/** The node without one of its pods: the least important, and the largest. */
function fewerPods(trial: Trial): Trial[] {
  const { info } = trial;
  // If a second pod had to go as well, another remedy would be better.
  if (trial.changes.some((change) => change.startsWith('delete pod'))) return [];
  const cpu = (pod: Pod): number => amountOf(podResources(pod).requested, 'cpu');
  return info.pods
    .toSorted((a, b) => podPriority(a) - podPriority(b) || cpu(b) - cpu(a))
    .slice(0, maxPods)
    .map((gone) => ({
      ...trial,
      info: withoutPods(info, [gone]),
      changes: [...trial.changes, `delete pod ${podKey(gone)} on node ${info.name}`],
    }));
}

/** An empty copy of a node. */
function oneMoreNode(
  pod: Pod,
  { node, name }: NodeInfo,
  changes: readonly string[],
  snapshot: Snapshot,
  filters: readonly FilterPlugin[],
): Remedy[] {
  const copy = `${name}-copy`;
  const labels = { ...node.metadata.labels, [hostnameLabel]: copy };
  const info = nodeInfo({ ...node, metadata: { ...node.metadata, name: copy, labels } }, []);
  const trial = { pod, info, changes: [...changes, `add a node like ${name}`] };
  return rejectionOf(trial, snapshot, filters) === undefined ? [{ node: copy, changes: trial.changes }] : [];
}
