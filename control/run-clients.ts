/** Controllers and scheduler, and what else of this process is a client of its API server. */
import type { Logger } from 'pino';
import type { Metric } from 'prom-client';
import { type Client } from '#client/client.ts';
import { type Clock } from '#client/clock.ts';
import { runControllerSet } from '#client/controller-runner.ts';
import { createEventRecorder, type EventRecorder } from '#client/event-recorder.ts';
import { createInformers, type Informers } from '#client/informers.ts';
import { type LeftOutReporter } from '#client/left-out.ts';
import { createClient } from '#client/rest-client.ts';
import { Aggregation } from './apiserver/aggregation/aggregation.ts';
import { runAggregation } from './apiserver/aggregation/run-aggregation.ts';
import { type ApiServer } from './apiserver/api-server.ts';
import { type ComponentName, componentUser, controllerUser } from './apiserver/authentication/component-users.ts';
import { flowSchemaStatusController } from './apiserver/flowcontrol/status-controller.ts';
import { inProcessTransport } from './apiserver/in-process-transport.ts';
import { type ComponentCheck, ComponentChecks } from './apiserver/kinds/core/componentstatus/component-checks.ts';
import { DebugPages } from './apiserver/serving/debug-pages.ts';
import { begun } from './begun.ts';
import { ensureControllerAccounts } from './controllers/controller-accounts.ts';
import { type ControllerOptions, type RunControllersDeps, runControllers } from './controllers/index.ts';
import { ControllerMonitors } from './controllers/monitors/index.ts';
import { AutoscalerMonitor } from './controllers/podautoscaler/monitor.ts';
import { Leadership, leaderIdentity } from './leadership.ts';
import { type ClusterPki } from './pki/cluster-pki.ts';
import { createRequestSigner } from './pki/request-signer.ts';
import type { SchedulerConfiguration } from './scheduler/config/configuration.ts';
import { createProfile } from './scheduler/config/profile.ts';
import { podRecord, podRecordPath } from './scheduler/explanation.ts';
import { createScheduler, type Scheduler, type SchedulerDeps, type SchedulerOptions } from './scheduler/scheduler.ts';
import type { ServerOptions } from './server-options.ts';

/** A client within the process. @param signal ends its requests; absent: they end with the server */
export function clientOf(server: ApiServer, name: ComponentName, clock: Clock, signal?: AbortSignal): Client {
  const ended = signal === undefined ? {} : { signal };
  return createClient(inProcessTransport(server, componentUser(name)), { userAgent: name, clock, ...ended });
}

/** What controllers and scheduler of this process need. */
export interface RunClientsDeps {
  server: ApiServer;
  options: ServerOptions;
  pki: ClusterPki;
  clock: Clock;
  log: Logger;
  components: ComponentChecks;
  debug: DebugPages;
  aggregation: Aggregation;
  leftOut: { controllers: LeftOutReporter; scheduler: LeftOutReporter };
  events: { controllers: EventRecorder; scheduler: EventRecorder };
  /** What else is begun with them, and waited for. */
  alongside(): readonly Promise<void>[];
}

/**
 * Controllers and scheduler over one set of informers, which are kept current also while another server leads. The leases are given up
 * after `signal` has aborted, so their clients have another end.
 */
export async function runClients(
  { server, options, pki, clock, log, components, debug, aggregation, leftOut, events, alongside }: RunClientsDeps,
  signal: AbortSignal,
): Promise<void> {
  const client = clientOf(server, 'kube-controller-manager', clock, signal);
  const schedulerClient = clientOf(server, 'kube-scheduler', clock, signal);
  const informers: Informers = createInformers({ client, clock, log });
  const leadership = new Leadership({ clock, log, random: Math.random }, options.leadership, leaderIdentity(options.dataDir));
  for (const metric of leadership.metrics) server.metrics.registry.registerMetric(metric);
  const autoscalers = new AutoscalerMonitor();
  for (const metric of autoscalers.metrics) server.metrics.registry.registerMetric(metric);
  const monitors = new ControllerMonitors(options.clusterCidr.split(','));
  for (const metric of monitors.metrics) server.metrics.registry.registerMetric(metric);
  const controllerOptions: ControllerOptions = {
    monitors,
    clusterCidr: options.clusterCidr,
    nodeCidrMaskSize: options.nodeCidrMaskSize,
    nodeMonitorPeriodMs: options.nodeMonitorPeriodMs,
    nodeMonitorGracePeriodMs: options.nodeMonitorGracePeriodMs,
    rootCaPem: pki.ca.certificate,
    legacyTokenCleanUpPeriodMs: options.legacyTokenCleanUpPeriodMs,
    issueServiceAccountToken: issueTokenBy(server),
    certificateSigner: await createRequestSigner(options.clusterSigner ?? pki.ca),
    clusterSigningDurationMs: options.clusterSigningDurationMs,
    loadBalancerPool: options.loadBalancerPool,
    horizontal: { ...options.horizontal, monitor: autoscalers },
  };
  const flowSchemaStatus = flowSchemaStatusController({
    client: clientOf(server, 'apiserver', clock, signal),
    caches: informers,
    clock,
  });
  const controllers = begun(
    leadership.run(
      {
        name: 'kube-controller-manager',
        client: clientOf(server, 'kube-controller-manager', clock),
        events: events.controllers,
        work: (term) =>
          runControllerTerm(server, { client, informers, clock, log, leftOut: leftOut.controllers }, controllerOptions, term),
      },
      signal,
    ),
  );
  const schedulers = new SchedulerTerms(server, debug);
  const scheduling = begun(
    leadership.run(
      {
        name: 'kube-scheduler',
        client: clientOf(server, 'kube-scheduler', clock),
        events: events.scheduler,
        work: (term) =>
          schedulers.run({ informers, clock, log, leftOut: leftOut.scheduler }, schedulerOptions(options.scheduler), term),
      },
      signal,
    ),
  );
  components.add('controller-manager', runningCheck(controllers, informers, client, signal));
  components.add('scheduler', runningCheck(scheduling, informers, schedulerClient, signal));
  await Promise.all([
    ...alongside(),
    informers.run(signal),
    controllers,
    scheduling,
    runControllerSet([flowSchemaStatus], { informers, clock, log }, signal),
    runAggregation({ aggregation, server, client: clientOf(server, 'apiserver', clock, signal), informers, clock, log }, signal),
  ]);
}

/** The controllers, for as long as this process leads. Each is its own account, which is made if it is missing. */
async function runControllerTerm(
  server: ApiServer,
  deps: Omit<RunControllersDeps, 'clientOf' | 'catalog'>,
  options: ControllerOptions,
  signal: AbortSignal,
): Promise<void> {
  const accounts = new Set<string>();
  const controllerClient = (account: string): Client => {
    accounts.add(account);
    return createClient(inProcessTransport(server, controllerUser(account)), {
      userAgent: `kube-controller-manager/${account}`,
      clock: deps.clock,
      signal,
    });
  };
  const running = runControllers({ ...deps, clientOf: controllerClient, catalog: server.resources }, options, signal);
  // After the call above, which has made the controllers.
  await Promise.all([running, ensureControllerAccounts(deps.client, accounts, deps, signal)]);
}

/** The scheduler is made anew for each term; what is served of it is the last one's. */
class SchedulerTerms {
  readonly #server: ApiServer;
  #current: Scheduler | undefined;

  constructor(server: ApiServer, debug: DebugPages) {
    this.#server = server;
    const none: Pick<Scheduler, 'explain'> = { explain: () => ({ decisions: [], remedies: [] }) };
    debug.add(podRecordPath, (path) => podRecord(this.#current ?? none, path));
  }

  async run(
    deps: Pick<SchedulerDeps, 'informers' | 'clock' | 'log' | 'leftOut'>,
    options: SchedulerOptions,
    signal: AbortSignal,
  ): Promise<void> {
    const client = clientOf(this.#server, 'kube-scheduler', deps.clock, signal);
    const events = createEventRecorder({ ...deps, client, component: 'default-scheduler', atOnce: eventsAtOnce });
    const scheduler = createScheduler({ ...deps, client, events, random: Math.random }, options);
    const { registry } = this.#server.metrics;
    for (const metric of this.#current?.metrics ?? []) registry.removeSingleMetric((metric as Metric & { name: string }).name);
    for (const metric of scheduler.metrics) registry.registerMetric(metric);
    this.#current = scheduler;
    await scheduler.run(signal);
    await events.flush();
  }
}

function schedulerOptions(configuration: SchedulerConfiguration | undefined): SchedulerOptions {
  if (configuration === undefined) return {};
  const { profiles, percentageOfNodesToScore, podInitialBackoffMs, podMaxBackoffMs, extenders } = configuration;
  return {
    extenders,
    profiles: profiles.map(createProfile),
    percentageOfNodesToScore,
    queue: { initialBackoffMs: podInitialBackoffMs, maxBackoffMs: podMaxBackoffMs },
  };
}

/** Of the scheduler, which records an event for each pod that it binds. */
const eventsAtOnce = 16;

/** Of a part in this process: it has not ended, its informers have what there is, and the API server answers it. */
function runningCheck(part: Promise<void>, informers: Informers, client: Client, signal: AbortSignal): ComponentCheck {
  let [hasEnded, isSynced] = [false, false];
  const ended = (): void => void (hasEnded = true);
  // Whoever runs the part hears of its failure; here it only matters that it runs no longer.
  part.then(ended, ended);
  informers.untilSynced(signal).then(() => void (isSynced = true), ended);
  return async () => {
    if (hasEnded) return 'it does not run any more';
    if (!isSynced) return 'its informers are not filled yet';
    const { status } = await client.raw({ method: 'GET', path: '/version', headers: {} });
    return status === 200 ? undefined : `the API server answers it with ${status}`;
  };
}

/** Undefined: the server has no key for tokens. */
const issueTokenBy = ({ tokens }: ApiServer): ControllerOptions['issueServiceAccountToken'] =>
  tokens === undefined ? undefined : (account, secret) => tokens.issueForSecret(account.metadata, secret.metadata);
