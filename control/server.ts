/**
 * The control plane in one process: store, API server, controllers, scheduler. Controllers and scheduler reach the API server as
 * any client does, only without a network between: each under its own user name.
 */
import type { Logger } from 'pino';
import { formatCidr } from '#api/ip.ts';
import { createResourceCatalog, type ResourceCatalog } from '#api/resource-catalog.ts';
import { type Clock, systemClock } from '#client/clock.ts';
import { createEventRecorder, type FlushingEventRecorder } from '#client/event-recorder.ts';
import { createLeftOutReporter, type LeftOutReporter, leftOutMetric } from '#client/left-out.ts';
import { createClient } from '#client/rest-client.ts';
import type { Transport } from '#client/transport.ts';
import { untilAborted } from '#client/until-aborted.ts';
import { Aggregation } from './apiserver/aggregation/aggregation.ts';
import { type ApiServer } from './apiserver/api-server.ts';
import { type ComponentName, componentUser } from './apiserver/authentication/component-users.ts';
import { type AuthorizerSpec, createAuthorization, type ReplaceableAuthorization } from './apiserver/authorization/modes.ts';
import { bootstrapRoles } from './apiserver/authorization/rbac/bootstrap-roles.ts';
import { defaultPolicy } from './apiserver/authorization/rbac/policy/default-policy.ts';
import { type BootstrapOptions, bootstrapAtStart, keepBootstrapped } from './apiserver/bootstrap.ts';
import { keepPublished, type PublishedConfig, publishClusterInfo } from './apiserver/bootstrap-config.ts';
import { DefaultServiceCidr, defaultServiceCidrComponent } from './apiserver/default-service-cidr.ts';
import { ensureFlowControl, keepFlowControl } from './apiserver/flowcontrol/ensure-objects.ts';
import { inProcessTransport } from './apiserver/in-process-transport.ts';
import { ComponentChecks, storeCheck } from './apiserver/kinds/core/componentstatus/component-checks.ts';
import { createServiceAllocator } from './apiserver/kinds/core/service/allocator.ts';
import { apiServerIpOf, parseServiceCidrs } from './apiserver/kinds/core/service/cluster-ips.ts';
import { Proxies } from './apiserver/proxy/proxies.ts';
import { defaultScraping, ensureMetricsReader, ResourceMetrics } from './apiserver/resource-metrics/resource-metrics.ts';
import { SharedAddresses } from './apiserver/server-addresses.ts';
import { DebugPages } from './apiserver/serving/debug-pages.ts';
import { listen } from './apiserver/serving/listener.ts';
import { begun } from './begun.ts';
import { buildApiServer } from './build-api-server.ts';
import { addComponentChecks } from './component-checks.ts';
import { openStore } from './open-store.ts';
import { clientOf, runClients, runOwnClients } from './run-clients.ts';
import type { ServerOptions } from './server-options.ts';
import { loadKeys, servingCertificate, writeKubeconfigs } from './server-pki.ts';
import { EncryptedStore } from './store/encryption/encrypted-store.ts';
import { Encryption } from './store/encryption/encryption.ts';
import type { Store } from './store/store.ts';

/**
 * Runs until `signal` aborts; `ready` is called once requests are served.
 * @throws what keeps it from starting: a taken port, a damaged store
 */
export async function runServer(options: ServerOptions, log: Logger, ready: () => void, signal: AbortSignal): Promise<void> {
  const clock = systemClock;
  const serviceIp = apiServerIpOf(options.serviceCidr);
  const keys = await loadKeys(options, serviceIp, clock);
  const served = servingCertificate(options);
  const { store: plain, close } = await openStore(options, clock, log);
  const builtInRows = createResourceCatalog();
  let rows = (): ResourceCatalog => builtInRows;
  const encryption = options.encryption === undefined ? undefined : new Encryption({ clock, log });
  const encrypted =
    encryption === undefined ? undefined : new EncryptedStore({ store: plain, encryption, catalog: () => rows(), log });
  const store: Store = encrypted ?? plain;
  if (options.encryption !== undefined) await encryption?.use(options.encryption.configuration);
  // Each part ends before what it stands on: clients, then the listener, then the API server, then the store.
  const ending = { clients: new AbortController(), listener: new AbortController(), server: new AbortController() };
  let serverOf = (): ApiServer => {
    throw new Error('the API server is not there yet');
  };
  const recorders: FlushingEventRecorder[] = [];
  const reporters: LeftOutReporter[] = [];
  /** Its events go to the API server, which may not be there yet, by way of their queue. */
  const recorderOf = (name: string, user: ComponentName = 'apiserver'): FlushingEventRecorder => {
    const transport: Transport = (request) => inProcessTransport(serverOf(), componentUser(user))(request);
    const events = createEventRecorder({
      client: createClient(transport, { userAgent: name, clock, signal: ending.clients.signal }),
      clock,
      log,
      component: name,
    });
    recorders.push(events);
    return events;
  };
  /** Of objects that a part leaves out. */
  const toldBy = (name: ComponentName): LeftOutReporter => {
    const reporter = createLeftOutReporter({ events: recorderOf(name, name), log });
    reporters.push(reporter);
    return reporter;
  };
  try {
    const { kubeletClient, kubeletCa: ca, requestHeader } = keys;
    const own = served.current().certificate;
    const backend = { kubelet: { ...kubeletClient, ca, own }, addressTypes: options.kubeletAddressTypes };
    const proxy = new Proxies(backend, log);
    const events = {
      ips: recorderOf('ipallocator-repair-controller'),
      ports: recorderOf('portallocator-repair-controller'),
    };
    const allocator = createServiceAllocator({ store, clock, log, random: Math.random, events }, options);
    const components = new ComponentChecks(clock);
    components.add('etcd-0', storeCheck(store));
    const debug = new DebugPages();
    const aggregation = new Aggregation({ identity: keys.proxyClient, clock, random: Math.random }, log);
    const authorization = createAuthorization(options.authorization.chain, { clock, random: Math.random });
    const server: ApiServer = buildApiServer({
      options,
      store,
      clock,
      log,
      keys,
      allocator,
      components,
      debug,
      proxy,
      aggregation,
      leftOut: toldBy('apiserver'),
      authorization,
    });
    server.metrics.registry.registerMetric(leftOutMetric(reporters));
    serverOf = () => server;
    rows = () => server.resources;
    if (encrypted !== undefined && encryption !== undefined) {
      encrypted.countIn(server.metrics.registry);
      server.addHealthCheck({ name: 'kms-providers', on: ['healthz', 'livez', 'readyz'], problem: () => encryption.problem() });
    }
    const serving = begun(server.run(ending.server.signal));
    await Promise.race([server.ready, serving]);
    const bootstrap: BootstrapOptions = {
      serviceIp,
      advertiseAddress: options.advertiseAddress,
      securePort: options.securePort,
      addresses: store.isShared === true ? new SharedAddresses(store, options.advertiseAddress) : undefined,
    };
    const listener = await listen(
      server,
      {
        host: options.bindAddress,
        port: options.securePort,
        ...served.current(),
        ...options.tls,
        ...(options.requestTimeoutMs === undefined ? {} : { times: { requestMs: options.requestTimeoutMs } }),
        clientCa: keys.clientCa,
        requestHeaderCa: requestHeader?.clientCa,
      },
      log,
    );
    served.onChange((pair) => listener.useCertificate(pair));
    const listening = begun(listener.run(ending.listener.signal));
    const apiClient = clientOf(server, 'apiserver', clock, ending.clients.signal);
    let isBootstrapped = false;
    for (const name of [
      'start-system-namespaces-controller',
      'start-kubernetes-service-cidr-controller',
      'bootstrap-controller',
      'priority-and-fairness-config-producer',
      'rbac/bootstrap-roles',
    ]) {
      const problem = (): string | undefined => (isBootstrapped ? undefined : 'not finished');
      server.addHealthCheck({ name: `poststarthook/${name}`, on: ['livez', 'readyz', 'healthz'], problem });
    }
    const serviceCidr = new DefaultServiceCidr(
      { client: apiClient, clock, log, events: recorderOf(defaultServiceCidrComponent) },
      parseServiceCidrs(options.serviceCidr).map(formatCidr),
    );
    await serviceCidr.sync();
    await bootstrapAtStart(apiClient, bootstrap, log);
    await ensureFlowControl(apiClient);
    await bootstrapRoles(apiClient, defaultPolicy(), clock, log, signal);
    await ensureMetricsReader(apiClient);
    isBootstrapped = true;
    const scraping = { ...defaultScraping, resolutionMs: options.metricResolutionMs };
    const usage = new ResourceMetrics({ server, clock, log, backend, random: Math.random }, scraping);
    for (const metric of usage.metrics) server.metrics.registry.registerMetric(metric);
    await usage.serve();
    const published: PublishedConfig = {
      clientCa: keys.clientCa,
      requestHeader,
      serverUrl: `https://${options.advertiseAddress}:${options.securePort}`,
    };
    const alongside = (): readonly Promise<void>[] => [
      keepBootstrapped(apiClient, bootstrap, clock, log, ending.clients.signal),
      keepPublished(apiClient, published, clock, log, ending.clients.signal),
      serviceCidr.keep(ending.clients.signal),
      followAuthorization(options.authorization.file, authorization, { clock, log }, ending.clients.signal),
      followEncryption(options.encryption?.file, encryption, { clock, log }, ending.clients.signal),
      keepFlowControl(apiClient, clock, log, ending.clients.signal),
      usage.run(ending.clients.signal),
      served.run({ clock, log }, ending.clients.signal),
    ];
    const ownClients = { server, aggregation, clock, log, alongside };
    if (options.clients === undefined) addComponentChecks(components);
    else {
      await writeKubeconfigs(options, clock);
      await publishClusterInfo(apiClient, published);
    }
    const clients =
      options.clients === undefined
        ? runOwnClients(ownClients, ending.clients.signal)
        : runClients(
            {
              ...ownClients,
              options: options.clients,
              dataDir: options.dataDir,
              ca: keys.ca,
              components,
              debug,
              leftOut: { controllers: toldBy('kube-controller-manager'), scheduler: toldBy('kube-scheduler') },
              events: {
                controllers: recorderOf('kube-controller-manager', 'kube-controller-manager'),
                scheduler: recorderOf('default-scheduler', 'kube-scheduler'),
              },
            },
            ending.clients.signal,
          );
    void begun(clients);
    log.info({ address: options.bindAddress, port: options.securePort }, 'serving');
    ready();
    await Promise.race([untilAborted(signal), serving, listening, clients]);
    server.beginShutdown();
    ending.clients.abort();
    await clients;
    await Promise.all(recorders.map((recorder) => recorder.flush()));
    ending.listener.abort();
    await listening;
    ending.server.abort();
    await serving;
  } finally {
    for (const controller of Object.values(ending)) controller.abort();
    await close();
    await store.close();
  }
}

/** The chain changes with the file. */
async function followAuthorization(
  file: ServerOptions['authorization']['file'],
  authorization: ReplaceableAuthorization,
  deps: { clock: Clock; log: Logger },
  signal: AbortSignal,
): Promise<void> {
  const apply = async (chain: readonly AuthorizerSpec[]): Promise<boolean> => {
    authorization.replace(chain);
    return true;
  };
  await file?.follow(apply, deps, signal);
}

/** The keys change with the file. */
async function followEncryption(
  file: NonNullable<ServerOptions['encryption']>['file'],
  encryption: Encryption | undefined,
  deps: { clock: Clock; log: Logger },
  signal: AbortSignal,
): Promise<void> {
  if (encryption !== undefined) await file?.follow((configuration) => encryption.use(configuration), deps, signal);
}
