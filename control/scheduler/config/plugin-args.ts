/** The arguments of plugins: their fields, defaults and checks. Pure. Source: upstream `apis/config/validation/validation_pluginargs.go`. */

import type { Shape } from '#api/config-shape.ts';
import { duplicate, type FieldError, forbiddenField, invalidValue, notSupported, required } from '#api/field-error.ts';
import type { JsonValue } from '#api/json.ts';
import type { NodeAffinity, TopologySpreadConstraint } from '#api/types.generated.ts';
import type { ResourceWeight, ShapePoint } from '../score/node-resources-fit.ts';

/** The arguments as they are written. Each plugin completes its own. */
export interface PluginArgs {
  /** Durations as Go writes them. */
  DynamicResources: { filterTimeout?: string; bindingTimeout?: string };
  DefaultPreemption: { minCandidateNodesPercentage?: number; minCandidateNodesAbsolute?: number };
  InterPodAffinity: { hardPodAffinityWeight?: number; ignorePreferredTermsOfExistingPods?: boolean };
  NodeAffinity: { addedAffinity?: NodeAffinity };
  NodeResourcesFit: {
    ignoredResources?: string[];
    ignoredResourceGroups?: string[];
    scoringStrategy?: {
      type?: string;
      resources?: Partial<ResourceWeight>[];
      requestedToCapacityRatio?: { shape?: Partial<ShapePoint>[] };
    };
  };
  NodeResourcesBalancedAllocation: { resources?: Partial<ResourceWeight>[] };
  PodTopologySpread: { defaultConstraints?: TopologySpreadConstraint[]; defaultingType?: string };
  VolumeBinding: { bindTimeoutSeconds?: number; shape?: Partial<ShapePoint>[] };
}

const header = { apiVersion: 'string', kind: 'string' } as const;
const resources: Shape = { list: { fields: { name: 'string', weight: 'number' } } };

/** The fields of the arguments, by plugin. */
export const pluginArgsShapes: Readonly<Record<string, Shape>> = {
  DynamicResources: { fields: { ...header, filterTimeout: 'string', bindingTimeout: 'string' } },
  DefaultPreemption: { fields: { ...header, minCandidateNodesPercentage: 'number', minCandidateNodesAbsolute: 'number' } },
  InterPodAffinity: { fields: { ...header, hardPodAffinityWeight: 'number', ignorePreferredTermsOfExistingPods: 'boolean' } },
  NodeAffinity: { fields: { ...header, addedAffinity: 'any' } },
  NodeResourcesFit: {
    fields: {
      ...header,
      ignoredResources: { list: 'string' },
      ignoredResourceGroups: { list: 'string' },
      scoringStrategy: {
        fields: {
          type: 'string',
          resources,
          requestedToCapacityRatio: { fields: { shape: { list: { fields: { utilization: 'number', score: 'number' } } } } },
        },
      },
    },
  },
  NodeResourcesBalancedAllocation: { fields: { ...header, resources } },
  PodTopologySpread: {
    fields: {
      ...header,
      defaultConstraints: {
        list: {
          fields: {
            maxSkew: 'number',
            topologyKey: 'string',
            whenUnsatisfiable: 'string',
            labelSelector: 'any',
            minDomains: 'number',
            nodeAffinityPolicy: 'string',
            nodeTaintsPolicy: 'string',
            matchLabelKeys: { list: 'string' },
          },
        },
      },
      defaultingType: 'string',
    },
  },
  VolumeBinding: {
    fields: { ...header, bindTimeoutSeconds: 'number', shape: { list: { fields: { utilization: 'number', score: 'number' } } } },
  },
};

type Check<Args> = (args: Args, path: string) => FieldError[];

const checks: { readonly [Name in keyof PluginArgs]?: Check<PluginArgs[Name]> } = {
  DefaultPreemption({ minCandidateNodesPercentage: percentage = 10, minCandidateNodesAbsolute: absolute = 100 }, path) {
    const [percentagePath, absolutePath] = [`${path}.minCandidateNodesPercentage`, `${path}.minCandidateNodesAbsolute`];
    const errors: FieldError[] = [];
    if (percentage < 0 || percentage > 100) errors.push(invalidValue(percentagePath, percentage, 'not in valid range [0, 100]'));
    if (absolute < 0) errors.push(invalidValue(absolutePath, absolute, 'not in valid range [0, inf)'));
    if (percentage === 0 && absolute === 0) {
      errors.push(invalidValue(percentagePath, percentage, 'cannot be zero at the same time as minCandidateNodesAbsolute'));
      errors.push(invalidValue(absolutePath, absolute, 'cannot be zero at the same time as minCandidateNodesPercentage'));
    }
    return errors;
  },
  InterPodAffinity: ({ hardPodAffinityWeight: weight = 1 }, path) =>
    weight < 0 || weight > 100 ? [invalidValue(`${path}.hardPodAffinityWeight`, weight, 'not in valid range [0, 100]')] : [],
  NodeResourcesFit({ ignoredResourceGroups = [], scoringStrategy = {} }, path) {
    const { type = 'LeastAllocated', resources: weighed = [], requestedToCapacityRatio: ratio } = scoringStrategy;
    const at = `${path}.scoringStrategy`;
    const errors = ignoredResourceGroups.flatMap((group, index) =>
      group.includes('/')
        ? [invalidValue(`${path}.ignoredResourceGroups[${index}]`, group, "resource group name can't contain '/'")]
        : [],
    );
    if (!scoringStrategies.includes(type)) errors.push(notSupported(`${at}.type`, type, scoringStrategies));
    for (const [index, { name = '', weight }] of weighed.entries())
      if ((weight || 1) < 0 || (weight || 1) > 100)
        errors.push(
          invalidValue(`${at}.resources[${index}].weight`, weight, `resource weight of ${name} not in valid range (0, 100]`),
        );
    if (type !== 'RequestedToCapacityRatio')
      return ratio === undefined
        ? errors
        : [...errors, forbiddenField(`${at}.requestedToCapacityRatio`, 'must be nil when type is not RequestedToCapacityRatio')];
    if (ratio !== undefined) return [...errors, ...functionProblems(ratio.shape ?? [], `${at}.requestedToCapacityRatio.shape`)];
    return [...errors, required(`${at}.requestedToCapacityRatio`, 'must be specified when type is RequestedToCapacityRatio')];
  },
  NodeResourcesBalancedAllocation: ({ resources: named = [] }, path) =>
    named.flatMap(({ name, weight }, index) => [
      ...(named.findIndex((other) => other.name === name) < index ? [duplicate(`${path}.resources[${index}].name`, name)] : []),
      ...((weight || 1) === 1 ? [] : [invalidValue(`${path}.resources[${index}].weight`, weight, 'must be 1')]),
    ]),
  PodTopologySpread({ defaultConstraints = [], defaultingType: type = 'System' }, path) {
    const errors: FieldError[] = [];
    if (type !== 'System' && type !== 'List') errors.push(notSupported(`${path}.defaultingType`, type, ['System', 'List']));
    if (type === 'System' && defaultConstraints.length > 0)
      errors.push(invalidValue(`${path}.defaultingType`, type, 'when .defaultConstraints are not empty'));
    for (const [index, constraint] of defaultConstraints.entries()) {
      const at = `${path}.defaultConstraints[${index}]`;
      const {
        maxSkew = 0,
        topologyKey = '',
        whenUnsatisfiable = '',
        labelSelector,
      } = constraint as Partial<TopologySpreadConstraint>;
      if (maxSkew <= 0) errors.push(invalidValue(`${at}.maxSkew`, maxSkew, 'not in valid range (0, inf)'));
      if (topologyKey === '') errors.push(required(`${at}.topologyKey`, 'can not be empty'));
      if (whenUnsatisfiable === '') errors.push(required(`${at}.whenUnsatisfiable`, 'can not be empty'));
      else if (!actions.includes(whenUnsatisfiable))
        errors.push(notSupported(`${at}.whenUnsatisfiable`, whenUnsatisfiable, actions));
      if (labelSelector !== undefined)
        errors.push(forbiddenField(`${at}.labelSelector`, 'constraint must not define a selector, as they deduced for each pod'));
      const isAgain = defaultConstraints
        .slice(0, index)
        .some((other) => other.topologyKey === topologyKey && other.whenUnsatisfiable === whenUnsatisfiable);
      if (isAgain) errors.push(duplicate(at, `{${topologyKey}, ${whenUnsatisfiable}}`));
    }
    return errors;
  },
  VolumeBinding({ bindTimeoutSeconds = 600, shape }, path) {
    const errors: FieldError[] = [];
    if (bindTimeoutSeconds < 0)
      errors.push(
        invalidValue(
          `${path}.bindTimeoutSeconds`,
          bindTimeoutSeconds,
          'invalid BindTimeoutSeconds, should not be a negative value',
        ),
      );
    if (shape !== undefined) {
      const unexpected = 'unexpected field `shape`, remove it or turn on the feature gate StorageCapacityScoring';
      errors.push(invalidValue(`${path}.shape`, shape, unexpected));
    }
    return errors;
  },
};

const scoringStrategies = ['LeastAllocated', 'MostAllocated', 'RequestedToCapacityRatio'];
const actions = ['DoNotSchedule', 'ScheduleAnyway'];

/** The problems of a plugin's arguments. A plugin without checks has none. */
export function pluginArgsProblems(name: string, args: JsonValue | undefined, path: string): FieldError[] {
  const check = (checks as Record<string, Check<object> | undefined>)[name];
  return check === undefined || typeof args !== 'object' || args === null ? [] : check(args, path);
}

function functionProblems(points: readonly Partial<ShapePoint>[], path: string): FieldError[] {
  if (points.length === 0) return [required(path, 'at least one point must be specified')];
  const utilization = points.map((point) => point.utilization ?? 0);
  const errors: FieldError[] = [];
  const unsorted = utilization.findIndex((value, index) => index > 0 && (utilization[index - 1] ?? 0) >= value);
  if (unsorted > 0)
    errors.push(
      invalidValue(`${path}[${unsorted}].utilization`, utilization[unsorted], 'values must be sorted in increasing order'),
    );
  for (const [index, { utilization: at = 0, score = 0 }] of points.entries()) {
    if (at < 0 || at > 100) errors.push(invalidValue(`${path}[${index}].utilization`, at, 'not in valid range [0, 100]'));
    if (score < 0 || score > 10) errors.push(invalidValue(`${path}[${index}].score`, score, 'not in valid range [0, 10]'));
  }
  return errors;
}
