/**
 * KubeSchedulerConfiguration (kubescheduler.config.k8s.io/v1): read strictly, completed and checked as upstream does. Pure.
 * Source: upstream `pkg/scheduler/apis/config` (v1/defaults.go, validation).
 */
import { readFileSync } from 'node:fs';
import { type ConfigFileKind, readConfigFile } from '#api/config-file.ts';
import { type Shape, shapeProblems } from '#api/config-shape.ts';
import { duplicate, type FieldError, invalidValue, required } from '#api/field-error.ts';
import { isJsonObject, type JsonValue } from '#api/json.ts';
import {
  completeExtender,
  type ExtenderConfiguration,
  extenderProblems,
  extenderShape,
  leftToExtenders,
  type WrittenExtender,
} from './extenders.ts';
import { pluginArgsProblems, pluginArgsShapes } from './plugin-args.ts';

/** A plugin of an extension point. */
export interface PluginEntry {
  name: string;
  weight?: number;
}

/** Plugins of one extension point. `disabled` may have `*`, for all defaults. */
export interface PluginSet {
  enabled?: PluginEntry[];
  disabled?: PluginEntry[];
}

/** One profile: how pods with this `schedulerName` are scheduled. */
export interface ProfileConfiguration {
  schedulerName: string;
  percentageOfNodesToScore?: number;
  plugins: Readonly<Record<string, PluginSet>>;
  /** By plugin, as they are written. */
  pluginArgs: ReadonlyMap<string, JsonValue>;
}

/** A whole configuration. */
export interface SchedulerConfiguration {
  profiles: readonly ProfileConfiguration[];
  percentageOfNodesToScore: number;
  podInitialBackoffMs: number;
  podMaxBackoffMs: number;
  extenders: readonly ExtenderConfiguration[];
  /** As it is written: for the process that runs the scheduler. */
  leaderElection: LeaderElectionConfiguration;
  clientConnection: { kubeconfig?: string };
}

/** Upstream's `LeaderElectionConfiguration`; durations in Go's form. */
export interface LeaderElectionConfiguration {
  leaderElect?: boolean;
  leaseDuration?: string;
  renewDeadline?: string;
  retryPeriod?: string;
  resourceLock?: string;
  resourceName?: string;
  resourceNamespace?: string;
}

/** The configuration cannot be used. */
export class ConfigurationError extends Error {
  override name = 'ConfigurationError';
}

const apiVersion = 'kubescheduler.config.k8s.io/v1';
const pluginSet: Shape = {
  fields: {
    enabled: { list: { fields: { name: 'string', weight: 'number' } } },
    disabled: { list: { fields: { name: 'string', weight: 'number' } } },
  },
};
const extensionPoints = [
  'preEnqueue',
  'queueSort',
  'preFilter',
  'filter',
  'postFilter',
  'preScore',
  'score',
  'reserve',
  'permit',
  'preBind',
  'bind',
  'postBind',
  'multiPoint',
];
const shape: Shape = {
  fields: {
    apiVersion: 'string',
    kind: 'string',
    parallelism: 'number',
    leaderElection: {
      fields: {
        leaderElect: 'boolean',
        leaseDuration: 'string',
        renewDeadline: 'string',
        retryPeriod: 'string',
        resourceLock: 'string',
        resourceName: 'string',
        resourceNamespace: 'string',
      },
    },
    clientConnection: {
      fields: { kubeconfig: 'string', acceptContentTypes: 'string', contentType: 'string', qps: 'number', burst: 'number' },
    },
    enableProfiling: 'boolean',
    enableContentionProfiling: 'boolean',
    percentageOfNodesToScore: 'number',
    podInitialBackoffSeconds: 'number',
    podMaxBackoffSeconds: 'number',
    delayCacheUntilActive: 'boolean',
    extenders: { list: extenderShape },
    profiles: {
      list: {
        fields: {
          schedulerName: 'string',
          percentageOfNodesToScore: 'number',
          plugins: { fields: Object.fromEntries(extensionPoints.map((point) => [point, pluginSet])) },
          pluginConfig: { list: { fields: { name: 'string', args: 'any' } } },
        },
      },
    },
  },
};

interface Written {
  apiVersion?: string;
  kind?: string;
  parallelism?: number;
  leaderElection?: LeaderElectionConfiguration;
  clientConnection?: SchedulerConfiguration['clientConnection'];
  percentageOfNodesToScore?: number;
  podInitialBackoffSeconds?: number;
  podMaxBackoffSeconds?: number;
  extenders?: WrittenExtender[];
  profiles?: WrittenProfile[];
}

interface WrittenProfile {
  schedulerName?: string;
  percentageOfNodesToScore?: number;
  plugins?: Record<string, PluginSet>;
  pluginConfig?: { name?: string; args?: JsonValue }[];
}

const fileKind: ConfigFileKind = {
  kind: 'KubeSchedulerConfiguration',
  apiVersions: [apiVersion],
  shape,
  problem: ConfigurationError,
};

/** Each plugin's arguments have a shape of their own. */
const argsProblems = ({ profiles = [] }: Written): string[] =>
  profiles.flatMap(({ pluginConfig = [] }, index) =>
    pluginConfig.flatMap(({ name = '', args }, position) => {
      const ofArgs = pluginArgsShapes[name];
      return ofArgs === undefined ? [] : shapeProblems(args, ofArgs, `profiles[${index}].pluginConfig[${position}].args`);
    }),
  );

/** Reads a configuration file. @param readFile reads the files that it names @throws ConfigurationError with all that is wrong with it */
export function parseConfiguration(
  text: string,
  readFile: (path: string) => string = (path) => readFileSync(path, 'utf8'),
): SchedulerConfiguration {
  const written = readConfigFile(text, fileKind, argsProblems) as Written;
  const profiles = written.profiles ?? [{}];
  const problems = [...problemsOf(written), ...profilesProblems(profiles)];
  if (problems.length > 0) throw new ConfigurationError(problems.map(({ field, message }) => `${field}: ${message}`).join(', '));
  const { extenders = [] } = written;
  const ignored = leftToExtenders(extenders);
  return {
    leaderElection: written.leaderElection ?? {},
    clientConnection: written.clientConnection ?? {},
    extenders: extenders.map((one) => completeExtender(one, readFile)),
    profiles: profiles.map((profile) => leaveOut(ignored, complete(profile))),
    percentageOfNodesToScore: written.percentageOfNodesToScore ?? 0,
    podInitialBackoffMs: (written.podInitialBackoffSeconds ?? 1) * 1000,
    podMaxBackoffMs: (written.podMaxBackoffSeconds ?? 10) * 1000,
  };
}

const defaultName = 'default-scheduler';

function complete({ schedulerName, percentageOfNodesToScore, plugins, pluginConfig = [] }: WrittenProfile): ProfileConfiguration {
  return {
    schedulerName: schedulerName ?? defaultName,
    ...(percentageOfNodesToScore === undefined ? {} : { percentageOfNodesToScore }),
    plugins: plugins ?? {},
    pluginArgs: new Map(pluginConfig.map(({ name = '', args = {} }) => [name, args])),
  };
}

/** Has the filter NodeResourcesFit ignore these resources. */
function leaveOut(ignoredResources: readonly string[], profile: ProfileConfiguration): ProfileConfiguration {
  if (ignoredResources.length === 0) return profile;
  const fit = 'NodeResourcesFit';
  const args = profile.pluginArgs.get(fit);
  const own = isJsonObject(args) ? args : {};
  return {
    ...profile,
    pluginArgs: new Map([...profile.pluginArgs, [fit, { ...own, ignoredResources: [...ignoredResources] }]]),
  };
}

function problemsOf(written: Written): FieldError[] {
  const { parallelism = 16, podInitialBackoffSeconds: initial = 1, podMaxBackoffSeconds: max = 10, extenders = [] } = written;
  const errors: FieldError[] = [];
  if (parallelism <= 0) errors.push(invalidValue('parallelism', parallelism, 'should be an integer value greater than zero'));
  errors.push(...percentageProblems('percentageOfNodesToScore', written.percentageOfNodesToScore));
  if (initial <= 0) errors.push(invalidValue('podInitialBackoffSeconds', initial, 'must be greater than 0'));
  if (max < initial)
    errors.push(invalidValue('podMaxBackoffSeconds', max, 'must be greater than or equal to PodInitialBackoffSeconds'));
  return [...errors, ...extenderProblems(extenders)];
}

const percentageProblems = (field: string, value: number | undefined): FieldError[] =>
  value === undefined || (value >= 0 && value <= 100) ? [] : [invalidValue(field, value, 'not in valid range [0-100]')];

/** Plugins of earlier versions. */
const removedPlugins = ['AzureDiskLimits', 'CinderLimits', 'EBSLimits', 'GCEPDLimits'];
const wasRemoved = `was invalid in version "${apiVersion}" (KubeSchedulerConfiguration is version "${apiVersion}")`;

function profilesProblems(profiles: readonly WrittenProfile[]): FieldError[] {
  if (profiles.length === 0) return [];
  const errors: FieldError[] = [];
  const known = new Map<string, number>();
  for (const [index, profile] of profiles.entries()) {
    const path = `profiles[${index}]`;
    // Only a single profile has a default name.
    const name = profile.schedulerName ?? (profiles.length === 1 ? defaultName : '');
    if (name === '') errors.push(required(`${path}.schedulerName`));
    errors.push(...percentageProblems(`${path}.percentageOfNodesToScore`, profile.percentageOfNodesToScore));
    errors.push(...profileProblems(path, profile));
    const earlier = known.get(name);
    if (earlier !== undefined) errors.push(duplicate(`${path}.schedulerName`, `profiles[${earlier}].schedulerName`));
    known.set(name, index);
  }
  return errors;
}

function profileProblems(path: string, { plugins = {}, pluginConfig = [] }: WrittenProfile): FieldError[] {
  const errors: FieldError[] = [];
  for (const [point, { enabled = [] }] of Object.entries(plugins))
    for (const [index, { name }] of enabled.entries())
      if (point !== 'multiPoint' && removedPlugins.includes(name))
        errors.push(invalidValue(`${path}.plugins.${point}.enabled[${index}]`, name, wasRemoved));
  const seen = new Set<string>();
  for (const [index, { name = '', args }] of pluginConfig.entries()) {
    const at = `${path}.pluginConfig[${index}]`;
    if (seen.has(name)) errors.push(duplicate(at, name));
    seen.add(name);
    if (removedPlugins.includes(name)) errors.push(invalidValue(at, name, wasRemoved));
    else errors.push(...pluginArgsProblems(name, args, `${at}.args`));
  }
  return errors;
}
