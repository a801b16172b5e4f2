/** What kube-controller-manager and kube-scheduler have in common: an endpoint of their own, informers, and work that only the leader does. */
import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import type { Client } from '#client/client.ts';
import { type Clock, systemClock } from '#client/clock.ts';
import { createEventRecorder } from '#client/event-recorder.ts';
import type { HttpTransport } from '#client/http-transport.ts';
import { createInformers, type Informers } from '#client/informers.ts';
import type { LoadedKubeconfig } from '#client/kubeconfig.ts';
import { createLeftOutReporter, type LeftOutReporter, leftOutMetric } from '#client/left-out.ts';
import { createClient } from '#client/rest-client.ts';
import type { DebugPages } from '#control/apiserver/serving/debug-pages.ts';
import type { HealthCheck } from '#control/apiserver/serving/health.ts';
import { begun } from '#control/begun.ts';
import { Leadership, type LeadershipOptions } from '#control/leadership.ts';
import { ComponentClients } from './client-config.ts';
import type { ComponentContext } from './component.ts';
import { endpointClients, openEndpoint, type SecureServing } from './secure-serving.ts';

/** Which component, and what its flags say. */
export interface LedComponent {
  /** `kube-scheduler`. */
  name: string;
  /** The event source (component) of leader election events. */
  eventSource: string;
  config: LoadedKubeconfig;
  serving: SecureServing;
  leadership: LeadershipOptions;
  /** `--leader-elect-resource-name`. */
  leaseName: string;
  /** For `/configz`. */
  configuration: Readonly<Record<string, object>>;
  debug?: DebugPages | undefined;
}

/** What the component's work is made of. */
export interface LedParts extends ComponentContext {
  clock: Clock;
  clients: ComponentClients;
  /** Of the component's own user. */
  transport: HttpTransport;
  /** Ends with the component. */
  client: Client;
  informers: Informers;
  leftOut: LeftOutReporter;
  /** Aborts when the component ends. */
  ending: AbortSignal;
}

/** The work of the leader, and what runs besides it. */
export interface LedWork {
  /** One term: settles after `signal` has aborted and all has ended. */
  term(signal: AbortSignal): Promise<void>;
  alongside?: readonly Promise<void>[];
  checks?: readonly HealthCheck[];
}

/** Runs until the process is told to stop. @throws what the work throws */
export async function runLed(
  component: LedComponent,
  context: ComponentContext,
  workOf: (parts: LedParts) => Promise<LedWork> | LedWork,
): Promise<void> {
  const { name } = component;
  const { log, registry, signal, ready } = context;
  const clock = systemClock;
  const clients = new ComponentClients();
  // The endpoint answers until the work has ended.
  const [ending, serving] = [new AbortController(), new AbortController()];
  signal.addEventListener('abort', () => ending.abort(), { once: true });
  try {
    const transport = clients.transport(component.config);
    const client = createClient(transport, { userAgent: name, clock, signal: ending.signal });
    // The lease is given up after the end has begun.
    const leaseClient = createClient(transport, { userAgent: name, clock });
    const events = createEventRecorder({ client: leaseClient, clock, log, component: component.eventSource });
    const leftOut = createLeftOutReporter({ events, log });
    registry.registerMetric(leftOutMetric([leftOut]));
    const informers = createInformers({ client, clock, log });
    const checks: HealthCheck[] = [];
    const { configuration, debug } = component;
    const endpoint = await openEndpoint(
      name,
      { clock, log, registry, checks, debug, configuration },
      component.serving,
      endpointClients(clients, component.serving, name),
    );
    const served = begun(endpoint?.run(serving.signal) ?? Promise.resolve());
    ready();
    if (signal.aborted) ending.abort();
    const work = await workOf({ ...context, clock, clients, transport, client, informers, leftOut, ending: ending.signal });
    const leadership = new Leadership({ clock, log, random: Math.random }, component.leadership, `${hostname()}_${randomUUID()}`);
    for (const metric of leadership.metrics) registry.registerMetric(metric);
    const led = { name: component.leaseName, client: leaseClient, events, work: (term: AbortSignal) => work.term(term) };
    const leading = begun(leadership.run(led, ending.signal));
    checks.push(leadingCheck(leading), ...(work.checks ?? []));
    await Promise.all([informers.run(ending.signal), leading, ...(work.alongside ?? [])]);
    await events.flush();
    serving.abort();
    await served;
  } finally {
    ending.abort();
    serving.abort();
    clients.close();
  }
}

/** A part that has ended cannot renew its Lease any more. */
function leadingCheck(part: Promise<void>): HealthCheck {
  let hasEnded = false;
  const ended = (): void => void (hasEnded = true);
  // Whoever runs the part hears of its failure.
  part.then(ended, ended);
  return { name: 'leaderElection', on: ['healthz', 'livez'], problem: () => (hasEnded ? 'it does not run any more' : undefined) };
}
