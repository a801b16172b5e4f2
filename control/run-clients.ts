/** Controllers and scheduler, and what else of this process is a client of its API server. */
import type { Logger } from 'pino';
import { type Client } from '#client/client.ts';
import { type Clock } from '#client/clock.ts';
import { runControllerSet } from '#client/controller-runner.ts';
import type { EventRecorder } from '#client/event-recorder.ts';
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
import type { ControllerOptions } from './controllers/index.ts';
import { ControllerMonitors } from './controllers/monitors/index.ts';
import { AutoscalerMonitor } from './controllers/podautoscaler/monitor.ts';
import { Leadership, leaderIdentity } from './leadership.ts';
import type { KeyPair } from './pki/certificates.ts';
import { createRequestSigner } from './pki/request-signer.ts';
import { runControllerTerm } from './run-controller-manager.ts';
import { SchedulerTerms, schedulerOptions } from './run-scheduler.ts';
import type { ClientsOptions } from './server-options.ts';

/** A client within the process. @param signal ends its requests; absent: they end with the server */
export function clientOf(server: ApiServer, name: ComponentName, clock: Clock, signal?: AbortSignal): Client {
  const ended = signal === undefined ? {} : { signal };
  return createClient(inProcessTransport(server, componentUser(name)), { userAgent: name, clock, ...ended });
}

/** What controllers and scheduler of this process need. */
export interface RunClientsDeps {
  server: ApiServer;
  options: ClientsOptions;
  /** Holds the identity for leases. */
  dataDir: string;
  /** Signs requests for certificates, where the flags name no other. */
  ca: KeyPair | undefined;
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
  { server, options, dataDir, ca, clock, log, components, debug, aggregation, leftOut, events, alongside }: RunClientsDeps,
  signal: AbortSignal,
): Promise<void> {
  const client = clientOf(server, 'kube-controller-manager', clock, signal);
  const schedulerClient = clientOf(server, 'kube-scheduler', clock, signal);
  const informers: Informers = createInformers({ client, clock, log });
  const leadership = new Leadership({ clock, log, random: Math.random }, options.leadership, leaderIdentity(dataDir));
  for (const metric of leadership.metrics) server.metrics.registry.registerMetric(metric);
  const autoscalers = new AutoscalerMonitor();
  for (const metric of autoscalers.metrics) server.metrics.registry.registerMetric(metric);
  const monitors = new ControllerMonitors(options.clusterCidr.split(','));
  for (const metric of monitors.metrics) server.metrics.registry.registerMetric(metric);
  const signer = options.clusterSigner ?? ca;
  const controllerOptions: ControllerOptions = {
    monitors,
    clusterCidr: options.clusterCidr,
    nodeCidrMaskSize: options.nodeCidrMaskSize,
    nodeMonitorPeriodMs: options.nodeMonitorPeriodMs,
    nodeMonitorGracePeriodMs: options.nodeMonitorGracePeriodMs,
    rootCaPem: ca?.certificate,
    legacyTokenCleanUpPeriodMs: options.legacyTokenCleanUpPeriodMs,
    issueServiceAccountToken: issueTokenBy(server),
    certificateSigner: signer === undefined ? undefined : await createRequestSigner(signer),
    clusterSigningDurationMs: options.clusterSigningDurationMs,
    loadBalancerPool: options.loadBalancerPool,
    horizontal: { ...options.horizontal, monitor: autoscalers },
  };
  const accountClient = (account: string, term: AbortSignal): Client =>
    createClient(inProcessTransport(server, controllerUser(account)), {
      userAgent: `kube-controller-manager/${account}`,
      clock,
      signal: term,
    });
  const controllers = begun(
    leadership.run(
      {
        name: 'kube-controller-manager',
        client: clientOf(server, 'kube-controller-manager', clock),
        events: events.controllers,
        work: (term) =>
          runControllerTerm(
            { client, informers, catalog: server.resources, clock, log, leftOut: leftOut.controllers, accountClient },
            controllerOptions,
            term,
          ),
      },
      signal,
    ),
  );
  const schedulers = new SchedulerTerms(
    (term) => clientOf(server, 'kube-scheduler', clock, term),
    server.metrics.registry,
    debug,
  );
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
    runServersOwn({ server, aggregation, informers, clock, log }, signal),
  ]);
}

/** Of kube-apiserver: what is a client of the API server and belongs to it. Controllers and scheduler are other processes. */
export async function runOwnClients(
  { server, aggregation, clock, log, alongside }: Pick<RunClientsDeps, 'server' | 'aggregation' | 'clock' | 'log' | 'alongside'>,
  signal: AbortSignal,
): Promise<void> {
  const informers = createInformers({ client: clientOf(server, 'apiserver', clock, signal), clock, log });
  await Promise.all([
    ...alongside(),
    informers.run(signal),
    runServersOwn({ server, aggregation, informers, clock, log }, signal),
  ]);
}

/** The availability of aggregated servers, and the status of FlowSchemas. */
async function runServersOwn(
  {
    server,
    aggregation,
    informers,
    clock,
    log,
  }: Pick<RunClientsDeps, 'server' | 'aggregation' | 'clock' | 'log'> & { informers: Informers },
  signal: AbortSignal,
): Promise<void> {
  const client = clientOf(server, 'apiserver', clock, signal);
  const flowSchemaStatus = flowSchemaStatusController({ client, caches: informers, clock });
  await Promise.all([
    runControllerSet([flowSchemaStatus], { informers, clock, log }, signal),
    runAggregation({ aggregation, server, client, informers, clock, log }, signal),
  ]);
}

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
