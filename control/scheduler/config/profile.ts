/**
 * The plugins of a profile: upstream's defaults, changed as its configuration says. Pure. Source: upstream
 * `apis/config/v1/default_plugins.go` (mergePluginSet), `framework/runtime/framework.go` (expandMultiPointPlugins).
 */
import { parseDuration } from '#api/duration.ts';
import type { Plugins } from '../decide.ts';
import { dynamicResourcesFilter } from '../filter/dynamic-resources.ts';
import { interPodAffinity } from '../filter/inter-pod-affinity.ts';
import { nodeAffinityFilter } from '../filter/node-affinity.ts';
import { nodeName } from '../filter/node-name.ts';
import { nodePorts } from '../filter/node-ports.ts';
import { nodeResourcesFitFilter } from '../filter/node-resources-fit.ts';
import { nodeUnschedulable } from '../filter/node-unschedulable.ts';
import { nodeVolumeLimits } from '../filter/node-volume-limits.ts';
import { podTopologySpreadFilter } from '../filter/pod-topology-spread.ts';
import { taintToleration } from '../filter/taint-toleration.ts';
import { volumeBinding } from '../filter/volume-binding.ts';
import { volumeRestrictions } from '../filter/volume-restrictions.ts';
import { volumeZone } from '../filter/volume-zone.ts';
import type { FilterPlugin, ScorePlugin } from '../framework.ts';
import { balancedAllocationScore } from '../score/balanced-allocation.ts';
import { dynamicResourcesScore } from '../score/dynamic-resources.ts';
import { freeSpaceScore } from '../score/free-space.ts';
import { imageLocalityScore } from '../score/image-locality.ts';
import { interPodAffinityScorer } from '../score/inter-pod-affinity.ts';
import { nodeAffinityScorer } from '../score/node-affinity.ts';
import { cpuAndMemory, nodeResourcesFitScore, type ResourceWeight, type ScoringStrategy } from '../score/node-resources-fit.ts';
import { type DefaultConstraints, podTopologySpreadScorer, systemConstraints } from '../score/pod-topology-spread.ts';
import { taintTolerationScorer } from '../score/taint-toleration.ts';
import { ConfigurationError, type PluginEntry, type PluginSet, type ProfileConfiguration } from './configuration.ts';
import type { PluginArgs } from './plugin-args.ts';

/** What a scheduler needs of a profile. */
export interface Profile extends Plugins {
  readonly schedulerName: string;
  /** Of this profile; absent: that of the scheduler. */
  readonly percentageOfNodesToScore: number | undefined;
  /** Whether pods of the profile evict others, and among how many nodes is looked for victims. */
  readonly preemption: { readonly minPercentage: number; readonly minAbsolute: number } | undefined;
  /** Whether the volumes of pods are bound before they are, and how long that may take. */
  readonly volumeBinding: { readonly timeoutMs: number } | undefined;
  /** Whether devices are chosen for the claims of pods, and how long their preparation may take. */
  readonly dynamicResources: { readonly timeoutMs: number } | undefined;
}

const bindingTimeoutMs = ({ bindingTimeout = '600s' }: PluginArgs['DynamicResources']): number => parseDuration(bindingTimeout);

type ArgsOf = <Name extends keyof PluginArgs>(name: Name) => PluginArgs[Name];

/** Upstream's default plugins, in order. Those without a filter, score or preemption of ours do their work elsewhere. */
const defaults: readonly PluginEntry[] = [
  { name: 'SchedulingGates' },
  { name: 'PrioritySort' },
  { name: 'NodeUnschedulable' },
  { name: 'NodeName' },
  { name: 'TaintToleration', weight: 3 },
  { name: 'NodeAffinity', weight: 2 },
  { name: 'NodePorts' },
  { name: 'NodeResourcesFit', weight: 1 },
  { name: 'VolumeRestrictions' },
  { name: 'NodeVolumeLimits' },
  { name: 'VolumeBinding' },
  { name: 'VolumeZone' },
  { name: 'PodTopologySpread', weight: 2 },
  { name: 'InterPodAffinity', weight: 2 },
  { name: 'DynamicResources', weight: 2 },
  { name: 'DefaultPreemption' },
  { name: 'NodeResourcesBalancedAllocation', weight: 1 },
  { name: 'ImageLocality', weight: 1 },
  { name: 'DefaultBinder' },
];

const filters: Readonly<Record<string, (args: ArgsOf) => FilterPlugin>> = {
  NodeUnschedulable: () => nodeUnschedulable,
  NodeName: () => nodeName,
  TaintToleration: () => taintToleration,
  NodeAffinity: (args) => nodeAffinityFilter(args('NodeAffinity').addedAffinity?.requiredDuringSchedulingIgnoredDuringExecution),
  NodePorts: () => nodePorts,
  NodeResourcesFit: (args) => nodeResourcesFitFilter(args('NodeResourcesFit')),
  VolumeRestrictions: () => volumeRestrictions,
  NodeVolumeLimits: () => nodeVolumeLimits,
  VolumeBinding: () => volumeBinding,
  VolumeZone: () => volumeZone,
  PodTopologySpread: (args) => podTopologySpreadFilter(args('PodTopologySpread').defaultConstraints),
  InterPodAffinity: () => interPodAffinity,
  DynamicResources: (args) => dynamicResourcesFilter(bindingTimeoutMs(args('DynamicResources'))),
};

const scores: Readonly<Record<string, (args: ArgsOf, weight: number) => ScorePlugin>> = {
  TaintToleration: (_, weight) => taintTolerationScorer(weight),
  NodeAffinity: (args, weight) =>
    nodeAffinityScorer(weight, args('NodeAffinity').addedAffinity?.preferredDuringSchedulingIgnoredDuringExecution),
  NodeResourcesFit: (args, weight) => nodeResourcesFitScore(strategyOf(args('NodeResourcesFit')), weight),
  PodTopologySpread: (args, weight) => podTopologySpreadScorer(spreadOf(args('PodTopologySpread')), weight),
  InterPodAffinity(args, weight) {
    const { hardPodAffinityWeight = 1, ignorePreferredTermsOfExistingPods = false } = args('InterPodAffinity');
    return interPodAffinityScorer({ hardPodAffinityWeight, ignorePreferredTermsOfExistingPods }, weight);
  },
  NodeResourcesBalancedAllocation(args, weight) {
    const { resources = [] } = args('NodeResourcesBalancedAllocation');
    return balancedAllocationScore(
      (resources.length === 0 ? cpuAndMemory : resources).map(({ name = '' }) => name),
      weight,
    );
  },
  DynamicResources: (_, weight) => dynamicResourcesScore(weight),
  ImageLocality: (_, weight) => imageLocalityScore(weight),
  FreeSpace: (_, weight) => freeSpaceScore(weight),
};

function strategyOf({ scoringStrategy = {} }: PluginArgs['NodeResourcesFit']): ScoringStrategy {
  const { type = 'LeastAllocated', resources: written = [], requestedToCapacityRatio } = scoringStrategy;
  const named = written.map(({ name = '', weight }): ResourceWeight => ({ name, weight: weight || 1 }));
  const resources = named.length === 0 ? cpuAndMemory : named;
  if (type !== 'RequestedToCapacityRatio') return { type: type === 'MostAllocated' ? type : 'LeastAllocated', resources };
  const points = requestedToCapacityRatio?.shape ?? [];
  return { type, resources, shape: points.map(({ utilization = 0, score = 0 }) => ({ utilization, score })) };
}

function spreadOf({ defaultConstraints = [], defaultingType = 'System' }: PluginArgs['PodTopologySpread']): DefaultConstraints {
  return defaultingType === 'List' ? { constraints: defaultConstraints, isSystem: false } : systemConstraints;
}

/** What has to be done before a pod is bound. */
const bindingPlugins: ReadonlySet<string> = new Set(['VolumeBinding', 'DynamicResources']);

/** Makes the plugins of a profile. @throws ConfigurationError when it names a plugin that there is not */
export function createProfile({ schedulerName, percentageOfNodesToScore, plugins, pluginArgs }: ProfileConfiguration): Profile {
  const args: ArgsOf = (name) => (pluginArgs.get(name) ?? {}) as never;
  const multiPoint = merge(defaults, plugins['multiPoint'] ?? {});
  const at = (point: string, has: (name: string) => boolean): PluginEntry[] =>
    expand(multiPoint, plugins[point] ?? {}, point, has);
  for (const { name } of multiPoint)
    if (!isKnown(name)) throw new ConfigurationError(`profile "${schedulerName}": plugin "${name}" does not exist`);
  const preemption = at('postFilter', (name) => name === 'DefaultPreemption').length > 0;
  const isBefore = (plugin: string): boolean =>
    ['reserve', 'preBind'].every((point) => at(point, (name) => bindingPlugins.has(name)).some(({ name }) => name === plugin));
  const { bindTimeoutSeconds = 600 } = args('VolumeBinding');
  const { minCandidateNodesPercentage = 10, minCandidateNodesAbsolute = 100 } = args('DefaultPreemption');
  return {
    schedulerName,
    percentageOfNodesToScore,
    filters: at('filter', (name) => Object.hasOwn(filters, name)).flatMap(({ name }) => filters[name]?.(args) ?? []),
    scores: at('score', (name) => Object.hasOwn(scores, name)).flatMap(
      ({ name, weight }) => scores[name]?.(args, weight || 1) ?? [],
    ),
    volumeBinding: isBefore('VolumeBinding') ? { timeoutMs: bindTimeoutSeconds * 1000 } : undefined,
    dynamicResources: isBefore('DynamicResources') ? { timeoutMs: bindingTimeoutMs(args('DynamicResources')) } : undefined,
    preemption: preemption ? { minPercentage: minCandidateNodesPercentage, minAbsolute: minCandidateNodesAbsolute } : undefined,
  };
}

const isKnown = (name: string): boolean =>
  Object.hasOwn(filters, name) || Object.hasOwn(scores, name) || defaults.some((known) => known.name === name);

/** The defaults without what is disabled, and with what is enabled: in its place where it is a default, otherwise at the end. */
function merge(base: readonly PluginEntry[], { enabled = [], disabled = [] }: PluginSet): PluginEntry[] {
  const off = new Set(disabled.map(({ name }) => name));
  const own = new Map(enabled.map((entry) => [entry.name, entry]));
  const kept = off.has('*') ? [] : base.filter(({ name }) => !off.has(name)).map((entry) => own.get(entry.name) ?? entry);
  const replaced = new Set(kept.map(({ name }) => name));
  return [...kept, ...enabled.filter(({ name }) => !replaced.has(name))];
}

/**
 * The plugins of one extension point: first those that are enabled there and override one of multiPoint, then the rest of
 * multiPoint, then the others that are enabled there.
 */
function expand(
  multiPoint: readonly PluginEntry[],
  { enabled = [], disabled = [] }: PluginSet,
  point: string,
  has: (name: string) => boolean,
): PluginEntry[] {
  for (const { name } of enabled)
    if (!has(name)) throw new ConfigurationError(`${point}: plugin "${name}" does not exist, or does not extend this point`);
  const off = new Set(disabled.map(({ name }) => name));
  const own = new Set(enabled.map(({ name }) => name));
  const general = multiPoint.filter(({ name }) => has(name));
  const overriding = enabled.filter(({ name }) => general.some((entry) => entry.name === name));
  const rest = general.filter(({ name }) => !own.has(name) && !off.has(name) && !off.has('*'));
  return [...overriding, ...rest, ...enabled.filter((entry) => !overriding.includes(entry))];
}

/** The profile of a scheduler without a configuration. */
export const defaultProfile = (schedulerName = 'default-scheduler'): Profile =>
  createProfile({ schedulerName, plugins: {}, pluginArgs: new Map() });
