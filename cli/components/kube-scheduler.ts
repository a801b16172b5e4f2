/**
 * The command kube-scheduler: the scheduler as a process of its own.
 *
 * Source: kubernetes `cmd/kube-scheduler/app` (options, server).
 */
import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { parseDuration } from '#api/duration.ts';
import { errorText } from '#api/error-text.ts';
import { createClient } from '#client/rest-client.ts';
import { DebugPages } from '#control/apiserver/serving/debug-pages.ts';
import { defaultLeadership, type LeadershipOptions, leadershipProblem } from '#control/leadership.ts';
import { SchedulerTerms, schedulerOptions } from '#control/run-scheduler.ts';
import { parseConfiguration, type SchedulerConfiguration } from '#control/scheduler/config/configuration.ts';
import { createProfile } from '#control/scheduler/config/profile.ts';
import { checkFile } from '../checks.ts';
import { addComponentLeadershipFlags, type ComponentLeadershipFlags, leadershipOptions } from '../leadership-flags.ts';
import { clientConfig } from './client-config.ts';
import { type ComponentContext, defineComponent } from './component.ts';
import { FlagSet, type ParsedFlags } from './flag-set.ts';
import { type LedComponent, runLed } from './leading.ts';
import { type SecureServing, type SecureServingFlags, secureServing, secureServingSections } from './secure-serving.ts';
import { withoutEffectAnywhere, withoutEffectInClients } from './without-effect.ts';

interface SchedulerFlags extends SecureServingFlags, ComponentLeadershipFlags {
  config: string | undefined;
  kubeconfig: string | undefined;
  master: string;
}

const long =
  'The Kubernetes scheduler is a control plane process which assigns Pods to Nodes: of the nodes that a Pod fits on, it takes the one with the best score, and binds the Pod to it.';

const flags = new FlagSet<SchedulerFlags>(
  'kube-scheduler',
  long,
  [
    {
      title: 'Misc',
      add: (command: Command) =>
        command
          .option('--config <file>', 'a KubeSchedulerConfiguration (kubescheduler.config.k8s.io/v1)')
          .option('--master <url>', "the API server, in place of the kubeconfig's", ''),
    },
    ...secureServingSections(10_259),
    {
      title: 'Deprecated',
      add: (command: Command) =>
        command.option('--kubeconfig <file>', "how the API server is reached; without effect where --config's file names one"),
    },
    { title: 'Leader election', add: (command: Command) => addComponentLeadershipFlags(command, 'kube-scheduler') },
  ],
  {
    ...withoutEffectAnywhere,
    ...withoutEffectInClients,
    'pod-max-in-unschedulable-pods-duration': { why: 'pods that fit nowhere are tried again every five minutes' },
  },
);

interface Settings {
  flags: SchedulerFlags;
  serving: SecureServing;
  leadership: LeadershipOptions;
  leaseName: string;
  configuration: SchedulerConfiguration | undefined;
}

function settle({ flags: given, given: names }: ParsedFlags<SchedulerFlags>): Settings {
  const configuration = given.config === undefined ? undefined : readConfiguration(given.config);
  const fromFlags = leadershipOptions(given);
  const { options, leaseName } =
    configuration === undefined
      ? { options: fromFlags, leaseName: given.leaderElectResourceName }
      : configuredLeadership(configuration, given, names);
  return { flags: given, serving: secureServing('kube-scheduler', given), leadership: options, leaseName, configuration };
}

/** @throws Error that names the flag */
function readConfiguration(path: string): SchedulerConfiguration {
  checkFile('--config', path);
  try {
    const configuration = parseConfiguration(readFileSync(path, 'utf8'));
    configuration.profiles.forEach(createProfile);
    return configuration;
  } catch (error) {
    throw new Error(`--config ${path}: ${errorText(error)}`, { cause: error });
  }
}

/** Flags that are given win over the file, as upstream's leader election flags do. @throws Error that names the field */
function configuredLeadership(
  { leaderElection: file }: SchedulerConfiguration,
  given: SchedulerFlags,
  names: ReadonlySet<string>,
): { options: LeadershipOptions; leaseName: string } {
  const duration = (field: string, text: string | undefined, flag: string, ofFlag: number, byDefault: number): number => {
    if (names.has(flag)) return ofFlag;
    if (text === undefined) return byDefault;
    try {
      return parseDuration(text);
    } catch (error) {
      throw new Error(`--config: leaderElection.${field}: ${errorText(error)}`, { cause: error });
    }
  };
  const { leaseDurationMs, renewDeadlineMs, retryPeriodMs, namespace } = defaultLeadership;
  const options: LeadershipOptions = {
    isElected: names.has('leader-elect') ? given.leaderElect : (file.leaderElect ?? true),
    leaseDurationMs: duration(
      'leaseDuration',
      file.leaseDuration,
      'leader-elect-lease-duration',
      given.leaderElectLeaseDuration,
      leaseDurationMs,
    ),
    renewDeadlineMs: duration(
      'renewDeadline',
      file.renewDeadline,
      'leader-elect-renew-deadline',
      given.leaderElectRenewDeadline,
      renewDeadlineMs,
    ),
    retryPeriodMs: duration(
      'retryPeriod',
      file.retryPeriod,
      'leader-elect-retry-period',
      given.leaderElectRetryPeriod,
      retryPeriodMs,
    ),
    namespace: names.has('leader-elect-resource-namespace')
      ? given.leaderElectResourceNamespace
      : (file.resourceNamespace ?? namespace),
  };
  const problem = leadershipProblem(options);
  if (problem !== undefined) throw new Error(problem);
  const leaseName = names.has('leader-elect-resource-name')
    ? given.leaderElectResourceName
    : (file.resourceName ?? 'kube-scheduler');
  return { options, leaseName };
}

async function run({ flags: given, configuration, ...settings }: Settings, context: ComponentContext): Promise<void> {
  const debug = new DebugPages();
  const component: LedComponent = {
    ...settings,
    name: 'kube-scheduler',
    eventSource: 'default-scheduler',
    config: clientConfig('--kubeconfig', configuration?.clientConnection.kubeconfig || given.kubeconfig, given.master),
    configuration: {},
    debug,
  };
  await runLed(component, context, ({ transport, clock, log, registry, informers, leftOut }) => {
    const clientUntil = (term: AbortSignal) => createClient(transport, { userAgent: 'kube-scheduler', clock, signal: term });
    const terms = new SchedulerTerms(clientUntil, registry, debug);
    return { term: (term) => terms.run({ informers, clock, log, leftOut }, schedulerOptions(configuration), term) };
  });
}

/** The scheduler as a process of its own. */
export const kubeScheduler = defineComponent({ name: 'kube-scheduler', flags, settle, run });
