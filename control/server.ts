/**
 * The control plane in one process: store, API server, controllers, scheduler. Controllers and scheduler reach the API server as
 * any client does, only without a network between: each under its own user name.
 */

import { join } from 'node:path';
import type { Logger } from 'pino';
import type { Metric } from 'prom-client';
import { formatCidr } from '#api/ip.ts';
import { createResourceCatalog, type ResourceCatalog } from '#api/resource-catalog.ts';
import type { Descriptions } from '#api/schema/descriptions.ts';
import { createOpenApi } from '#api/schema/openapi.ts';
import { CertificateFiles } from '#client/certificate-files.ts';
import { type Client } from '#client/client.ts';
import { type Clock, systemClock } from '#client/clock.ts';
import { runControllerSet } from '#client/controller-runner.ts';
import { createEventRecorder, type EventRecorder, type FlushingEventRecorder } from '#client/event-recorder.ts';
import { createInformers, type Informers } from '#client/informers.ts';
import { createLeftOutReporter, type LeftOutReporter, leftOutMetric } from '#client/left-out.ts';
import { createClient } from '#client/rest-client.ts';
import type { Transport } from '#client/transport.ts';
import { untilAborted } from '#client/until-aborted.ts';
import { writeSafely } from '#control/pki/pki-files.ts';
import { AdmissionMetrics } from './apiserver/admission/admission-metrics.ts';
import type { AdmissionSettings } from './apiserver/admission/config/admission-configuration.ts';
import type { PluginChoice } from './apiserver/admission/plugin-names.ts';
import { admissionPlugins } from './apiserver/admission/plugins/index.ts';
import { Aggregation } from './apiserver/aggregation/aggregation.ts';
import { runAggregation } from './apiserver/aggregation/run-aggregation.ts';
import { type ApiServer, createApiServer } from './apiserver/api-server.ts';
import type { AuditOptions } from './apiserver/audit/auditor.ts';
import { type ComponentName, componentUser, controllerUser } from './apiserver/authentication/component-users.ts';
import type { AuthenticationOptions } from './apiserver/authentication/create-authentication.ts';
import type { RequestHeaderOptions } from './apiserver/authentication/request-header.ts';
import type { TokenOptions } from './apiserver/authentication/service-account-tokens.ts';
import { type AuthorizerSpec, createAuthorization, type ReplaceableAuthorization } from './apiserver/authorization/modes.ts';
import { bootstrapRoles } from './apiserver/authorization/rbac/bootstrap-roles.ts';
import { defaultPolicy } from './apiserver/authorization/rbac/policy/default-policy.ts';
import { type BootstrapOptions, bootstrapAtStart, keepBootstrapped } from './apiserver/bootstrap.ts';
import { keepPublished, type PublishedConfig, publishClusterInfo } from './apiserver/bootstrap-config.ts';
import { KindCatalog } from './apiserver/catalog.ts';
import { DefaultServiceCidr, defaultServiceCidrComponent } from './apiserver/default-service-cidr.ts';
import { openApiRoute } from './apiserver/discovery/openapi-route.ts';
import { ensureFlowControl, keepFlowControl } from './apiserver/flowcontrol/ensure-objects.ts';
import { flowSchemaStatusController } from './apiserver/flowcontrol/status-controller.ts';
import { inProcessTransport } from './apiserver/in-process-transport.ts';
import { PolicyGuard } from './apiserver/kinds/admissionregistration/policy-guard.ts';
import { CertificateDurationMetrics } from './apiserver/kinds/certificates/certificatesigningrequest/duration-metrics.ts';
import { type ComponentCheck, ComponentChecks, storeCheck } from './apiserver/kinds/core/componentstatus/component-checks.ts';
import { createServiceAllocator, type ServiceAllocator } from './apiserver/kinds/core/service/allocator.ts';
import { apiServerIpOf, parseServiceCidrs } from './apiserver/kinds/core/service/cluster-ips.ts';
import { builtInKinds } from './apiserver/kinds/index.ts';
import { createObjectPatcher } from './apiserver/patch/object-patcher.ts';
import { Proxies } from './apiserver/proxy/proxies.ts';
import { defaultScraping, ensureMetricsReader, ResourceMetrics } from './apiserver/resource-metrics/resource-metrics.ts';
import type { ConfigFile } from './apiserver/serving/config-file.ts';
import { DebugPages } from './apiserver/serving/debug-pages.ts';
import type { InflightLimits } from './apiserver/serving/inflight.ts';
import { listen } from './apiserver/serving/listener.ts';
import { begun } from './begun.ts';
import { ensureControllerAccounts } from './controllers/controller-accounts.ts';
import { type ControllerOptions, type RunControllersDeps, runControllers } from './controllers/index.ts';
import { ControllerMonitors } from './controllers/monitors/index.ts';
import type { HorizontalOptions } from './controllers/podautoscaler/horizontal.ts';
import { AutoscalerMonitor } from './controllers/podautoscaler/monitor.ts';
import { Leadership, type LeadershipOptions, leaderIdentity } from './leadership.ts';
import type { KeyPair } from './pki/certificates.ts';
import { type ClusterPki, loadClusterPki } from './pki/cluster-pki.ts';
import { adminKubeconfig } from './pki/node-credentials.ts';
import { createRequestSigner } from './pki/request-signer.ts';
import type { SchedulerConfiguration } from './scheduler/config/configuration.ts';
import { createProfile } from './scheduler/config/profile.ts';
import { podRecord, podRecordPath } from './scheduler/explanation.ts';
import { createScheduler, type Scheduler, type SchedulerDeps, type SchedulerOptions } from './scheduler/scheduler.ts';
import { EncryptedStore } from './store/encryption/encrypted-store.ts';
import { Encryption } from './store/encryption/encryption.ts';
import type { EncryptionConfiguration } from './store/encryption/encryption-configuration.ts';
import { createSqliteStore, type WorkerSource } from './store/sqlite.ts';
import type { Store } from './store/store.ts';

/** The flags of `tinker server`. */
export interface ServerOptions {
  dataDir: string;
  /** `--bind-address`: where HTTPS listens. */
  bindAddress: string;
  /** `--advertise-address`: where nodes and pods reach it. */
  advertiseAddress: string;
  securePort: number;
  /** `--service-cluster-ip-range`. */
  serviceCidr: string;
  /** `--service-node-port-range`; both ends belong to it. */
  nodePortRange: { first: number; last: number };
  /** `--cluster-cidr`, of which every node gets a part. */
  clusterCidr: string;
  clusterDomain: string;
  nodeCidrMaskSize: number;
  nodeMonitorPeriodMs: number;
  nodeMonitorGracePeriodMs: number;
  tolerationSeconds: { notReady: number; unreachable: number };
  inflight: InflightLimits;
  /** `--enable-priority-and-fairness`. */
  isFair: boolean;
  /** `--load-balancer-pool`. */
  loadBalancerPool: readonly string[];
  /** `--horizontal-pod-autoscaler-…`. */
  horizontal: HorizontalOptions;
  /** `--metric-resolution`: how often kubelets are asked what their pods use. */
  metricResolutionMs: number;
  /** `--cluster-signing-duration`. */
  clusterSigningDurationMs: number;
  /** `--cluster-signing-cert-file` and `-key-file`; absent: the cluster's own CA. */
  clusterSigner?: KeyPair | undefined;
  /** `--proxy-client-cert-file` and `-key-file`, as which aggregated servers know us; absent: the cluster's own. */
  proxyClient?: KeyPair | undefined;
  /** `--enable-admission-plugins` and `--disable-admission-plugins`. */
  admissionPlugins: PluginChoice;
  /** `--admission-control-config-file`. */
  admissionSettings: AdmissionSettings;
  /** Who is known, and how. */
  authentication: AuthenticationOptions;
  /** `--service-account-issuer`, `--api-audiences`, how long tokens may last, and other keys than those of the data folder. */
  tokens: Partial<TokenOptions>;
  legacyTokenCleanUpPeriodMs: number;
  /** `--scheduler-config`; absent: upstream's defaults. */
  scheduler?: SchedulerConfiguration | undefined;
  /** `--authorization-mode`, or `--authorization-config` and its file. */
  authorization: { chain: readonly AuthorizerSpec[]; file?: ConfigFile<readonly AuthorizerSpec[]> | undefined };
  /** `--encryption-provider-config`, and its file where it is read again when it changes. Absent: nothing is encrypted. */
  encryption?: { configuration: EncryptionConfiguration; file?: ConfigFile<EncryptionConfiguration> | undefined } | undefined;
  /** `--audit-…`; absent: nothing is audited. */
  audit?: AuditOptions | undefined;
  /** `--leader-elect…`, of controllers and scheduler. */
  leadership: LeadershipOptions;
  /** `--tls-cert-file` and `--tls-private-key-file`; absent: those of the data folder. */
  servingCertificate?: CertificateFiles | undefined;
  /** More names and addresses for the serving certificate (`--tls-san`). */
  extraNames: { dns: readonly string[]; ips: readonly string[] };
  /** Receives the administrator's kubeconfig, besides `<data-dir>/admin.conf`. */
  writeKubeconfig: string | undefined;
  version: string;
  descriptions: () => Descriptions;
  storeWorker: WorkerSource | undefined;
  /** About the process, shown under /metrics. */
  metrics: readonly Metric[];
}

const builtInRows = createResourceCatalog();

/**
 * Runs until `signal` aborts; `ready` is called once requests are served.
 * @throws what keeps it from starting: a taken port, a damaged store
 */
export async function runServer(options: ServerOptions, log: Logger, ready: () => void, signal: AbortSignal): Promise<void> {
  const clock = systemClock;
  const serviceIp = apiServerIpOf(options.serviceCidr);
  const pki = await loadPki(options, serviceIp, clock);
  const plain = await createSqliteStore({ path: join(options.dataDir, 'state.db'), clock, log, worker: options.storeWorker });
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
    const { certificate, key } = pki.kubeletClient;
    const backend = { kubelet: { certificate, key, ca: pki.ca.certificate, own: pki.apiserver.certificate } };
    const proxy = new Proxies(backend, log);
    const events = {
      ips: recorderOf('ipallocator-repair-controller'),
      ports: recorderOf('portallocator-repair-controller'),
    };
    const allocator = createServiceAllocator({ store, clock, log, random: Math.random, events }, options);
    const components = new ComponentChecks(clock);
    components.add('etcd-0', storeCheck(store));
    const debug = new DebugPages();
    const frontProxy = frontProxyOf(options, pki);
    const aggregation = new Aggregation({ identity: frontProxy.client, clock, random: Math.random }, log);
    const authorization = createAuthorization(options.authorization.chain, { clock, random: Math.random });
    const server: ApiServer = buildApiServer({
      options,
      store,
      clock,
      log,
      pki,
      allocator,
      components,
      debug,
      proxy,
      aggregation,
      requestHeader: frontProxy.requestHeader,
      leftOut: toldBy('apiserver'),
      authorization,
    });
    server.metrics.registry.registerMetric(leftOutMetric(reporters));
    serverOf = () => server;
    rows = () => server.resources;
    if (encrypted !== undefined && encryption !== undefined) {
      encrypted.countIn(server.metrics.registry);
      server.addHealthCheck({ name: 'kms-providers', on: ['healthz', 'livez', 'readyz'], problem: () => encryption.problem() });
      const { file } = options.encryption ?? {};
      if (file !== undefined)
        void file.follow((configuration) => encryption.use(configuration), { clock, log }, ending.server.signal);
    }
    const serving = begun(server.run(ending.server.signal));
    await Promise.race([server.ready, serving]);
    const bootstrap: BootstrapOptions = {
      serviceIp,
      advertiseAddress: options.advertiseAddress,
      securePort: options.securePort,
    };
    const served = servingCertificate(options);
    const listener = await listen(
      server,
      {
        host: options.bindAddress,
        port: options.securePort,
        ...served.current(),
        clientCa: pki.ca.certificate,
        requestHeaderCa: frontProxy.requestHeader.clientCa,
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
    await writeKubeconfigs(options, clock);
    const published: PublishedConfig = {
      clientCa: pki.ca.certificate,
      requestHeader: frontProxy.requestHeader,
      serverUrl: `https://${options.advertiseAddress}:${options.securePort}`,
    };
    await publishClusterInfo(apiClient, published);
    const clients = runClients(
      server,
      options,
      pki,
      clock,
      log,
      components,
      debug,
      aggregation,
      { controllers: toldBy('kube-controller-manager'), scheduler: toldBy('kube-scheduler') },
      {
        controllers: recorderOf('kube-controller-manager', 'kube-controller-manager'),
        scheduler: recorderOf('default-scheduler', 'kube-scheduler'),
      },
      ending.clients.signal,
      () => [
        keepBootstrapped(apiClient, bootstrap, clock, log, ending.clients.signal),
        keepPublished(apiClient, published, clock, log, ending.clients.signal),
        serviceCidr.keep(ending.clients.signal),
        followAuthorization(options.authorization.file, authorization, { clock, log }, ending.clients.signal),
        keepFlowControl(apiClient, clock, log, ending.clients.signal),
        usage.run(ending.clients.signal),
        served.run({ clock, log }, ending.clients.signal),
      ],
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
    await store.close();
  }
}

/** Of the flags, or of the data folder, where {@link loadPki} has made it. */
const servingCertificate = ({ servingCertificate: files, dataDir }: ServerOptions): CertificateFiles =>
  files ?? new CertificateFiles(join(dataDir, 'pki/apiserver.crt'), join(dataDir, 'pki/apiserver.key'));

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

interface Parts {
  options: ServerOptions;
  store: Store;
  clock: Clock;
  log: Logger;
  pki: ClusterPki;
  allocator: ServiceAllocator;
  components: ComponentChecks;
  debug: DebugPages;
  proxy: Proxies;
  aggregation: Aggregation;
  requestHeader: RequestHeaderOptions;
  leftOut: LeftOutReporter;
  authorization: ReplaceableAuthorization;
}

function buildApiServer({
  options,
  store,
  clock,
  log,
  pki,
  allocator,
  components,
  debug,
  proxy,
  aggregation,
  requestHeader,
  leftOut,
  authorization,
}: Parts): ApiServer {
  const { issuer = `https://kubernetes.default.svc.${options.clusterDomain}`, ...tokens } = options.tokens;
  const policies = new PolicyGuard({ authorizer: authorization.authorizer, catalog: () => catalog.resources });
  const certificates = new CertificateDurationMetrics();
  const catalog = new KindCatalog(
    builtInKinds({
      clock,
      services: allocator,
      certificates,
      components,
      roles: authorization.roles,
      policies,
      random: Math.random,
    }),
  );
  const openApi = createOpenApi(catalog.resources, options.version, options.descriptions);
  const admissionMetrics = new AdmissionMetrics();
  return createApiServer(
    {
      store,
      clock,
      log,
      catalog,
      patcher: createObjectPatcher(),
      admissionMetrics,
      admission: admissionPlugins({
        metrics: admissionMetrics,
        random: Math.random,
        tolerationSeconds: options.tolerationSeconds,
        authorizer: authorization.authorizer,
        catalog: catalog.resources,
        choice: options.admissionPlugins,
        settings: options.admissionSettings,
        convert: (object, from, to) => catalog.convert(object, from, to),
      }),
      authorization,
      openapi: openApiRoute(aggregation.openApi(openApi)),
      debug,
      proxy,
      aggregation,
      leftOut,
    },
    {
      build: { version: options.version.slice(options.version.indexOf('+tinkernetes') + '+tinkernetes'.length) },
      tokens: { ...pki.tokens, audiences: [issuer, ...(tokens.otherIssuers ?? [])], ...tokens, issuer },
      authentication: { ...options.authentication, requestHeader },
      serverAddress: `${options.advertiseAddress}:${options.securePort}`,
      metrics: [...options.metrics, ...certificates.all],
      inflight: options.inflight,
      isFair: options.isFair,
      audit: options.audit,
    },
  );
}

/** What the flags say of proxies in front, or what kubeadm sets up: a CA of its own, which knows us as the proxy of aggregated servers. */
function frontProxyOf(
  { authentication, proxyClient }: ServerOptions,
  { frontProxy: { ca, client } }: ClusterPki,
): { client: KeyPair; requestHeader: RequestHeaderOptions } {
  const byDefault: RequestHeaderOptions = {
    clientCa: ca,
    allowedNames: ['front-proxy-client'],
    usernameHeaders: ['X-Remote-User'],
    uidHeaders: ['X-Remote-Uid'],
    groupHeaders: ['X-Remote-Group'],
    extraHeaderPrefixes: ['X-Remote-Extra-'],
  };
  return { client: proxyClient ?? client, requestHeader: authentication.requestHeader ?? byDefault };
}

/** The names that kubeadm puts into the serving certificate, and those of the flags. */
function loadPki(options: ServerOptions, serviceIp: string, clock: Clock): Promise<ClusterPki> {
  const dnsNames = [
    'kubernetes',
    'kubernetes.default',
    'kubernetes.default.svc',
    `kubernetes.default.svc.${options.clusterDomain}`,
    'localhost',
  ];
  const addresses = [serviceIp, options.advertiseAddress, options.bindAddress, '127.0.0.1', ...options.extraNames.ips];
  return loadClusterPki({
    folder: join(options.dataDir, 'pki'),
    nowMs: clock.now(),
    dnsNames: [...dnsNames, ...options.extraNames.dns],
    ipAddresses: [...new Set(addresses)].filter((address) => address !== '0.0.0.0'),
  });
}

async function writeKubeconfigs(options: ServerOptions, clock: Clock): Promise<void> {
  const text = await adminKubeconfig(
    join(options.dataDir, 'pki'),
    `https://${options.advertiseAddress}:${options.securePort}`,
    clock.now(),
  );
  writeSafely(join(options.dataDir, 'admin.conf'), text);
  if (options.writeKubeconfig !== undefined) writeSafely(options.writeKubeconfig, text);
}

/** @param signal ends its requests; absent: they end with the server */
function clientOf(server: ApiServer, name: ComponentName, clock: Clock, signal?: AbortSignal): Client {
  const ended = signal === undefined ? {} : { signal };
  return createClient(inProcessTransport(server, componentUser(name)), { userAgent: name, clock, ...ended });
}

/**
 * Controllers and scheduler over one set of informers, which are kept current also while another server leads. The leases are given up
 * after `signal` has aborted, so their clients have another end.
 */
async function runClients(
  server: ApiServer,
  options: ServerOptions,
  pki: ClusterPki,
  clock: Clock,
  log: Logger,
  components: ComponentChecks,
  debug: DebugPages,
  aggregation: Aggregation,
  leftOut: { controllers: LeftOutReporter; scheduler: LeftOutReporter },
  events: { controllers: EventRecorder; scheduler: EventRecorder },
  signal: AbortSignal,
  bootstrapping: () => readonly Promise<void>[],
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
    ...bootstrapping(),
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
