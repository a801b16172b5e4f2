/** For tests only: a whole API server on a throw-away SQLite store, within the process or over HTTPS on loopback. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ListMeta, ResourceMeta } from '#api/types.generated.ts';
import type { Client } from '#client/client.ts';
import type { Clock } from '#client/clock.ts';
import { systemClock } from '#client/clock.ts';
import { createClient } from '#client/rest-client.ts';
import type { TransportResponse } from '#client/transport.ts';
import { createTokenKey } from '#control/pki/certificates.ts';
import { createSqliteStore } from '#control/store/sqlite.ts';
import type { Store } from '#control/store/store.ts';
import { AdmissionMetrics } from './admission/admission-metrics.ts';
import type { AdmissionSettings } from './admission/config/admission-configuration.ts';
import type { PluginChoice } from './admission/plugin-names.ts';
import { admissionPlugins } from './admission/plugins/index.ts';
import { createNamespace } from './admission/plugins/namespace-auto-provision.ts';
import { type ApiServer, createApiServer } from './api-server.ts';
import { type ApiServerDeps } from './api-server-deps.ts';
import type { AuditOptions } from './audit/auditor.ts';
import type { AuthenticationOptions } from './authentication/create-authentication.ts';
import type { TokenOptions } from './authentication/service-account-tokens.ts';
import type { AuthorizationMode } from './authorization/mode-names.ts';
import { createAuthorization } from './authorization/modes.ts';
import type { WatchCacheLimits } from './cache/watch-cache.ts';
import type { KindCatalog } from './catalog.ts';
import { inProcessTransport } from './in-process-transport.ts';
import { createBuiltInCatalog } from './kinds/built-in-catalog.ts';
import { CertificateDurationMetrics } from './kinds/certificates/certificatesigningrequest/duration-metrics.ts';
import { ComponentChecks, storeCheck } from './kinds/core/componentstatus/component-checks.ts';
import {
  createServiceAllocator,
  type ServiceAllocatorDeps,
  type ServiceAllocatorOptions,
} from './kinds/core/service/allocator.ts';
import { createObjectPatcher } from './patch/object-patcher.ts';
import type { UserInfo } from './registry/strategy.ts';
import type { InflightLimits } from './serving/inflight.ts';
import { silentLog } from './serving/server-log.ts';

export const admin: UserInfo = { name: 'kubernetes-admin', groups: ['system:masters', 'system:authenticated'], extra: {} };

export type TestRequest = (method: string, path: string, body?: unknown, headers?: Record<string, string>) => Promise<TestAnswer>;

export interface TestServer {
  server: ApiServer;
  store: Store;
  client: Client;
  /** Sends a request as administrator. An object as `body` is sent as JSON. */
  request: TestRequest;
  /** The same as another user. */
  as(user: UserInfo): TestRequest;
  stop(): Promise<void>;
}

/** The fields of responses that tests read, of any kind. A missing field is undefined, whatever its type says. */
export interface Loose {
  kind: string;
  apiVersion: string;
  name: string;
  type: string;
  metadata: ResourceMeta & ListMeta;
  spec: Loose;
  status: Loose & string;
  data: Record<string, string>;
  items: Loose[];
  details: { causes: { reason: string; message: string; field?: string }[] };
  code: number;
  reason: string;
  message: string;
  phase: string;
  conditions: { type: string; status: string }[];
  replicas: number;
  nodeName: string;
  finalizers: string[];
  ephemeralContainers: { name: string }[];
  involvedObject: unknown;
  regarding: { name: string };
  note: string;
  deprecatedCount: number;
  allowed: boolean;
  authenticated: boolean;
  token: string;
  user: { username: string; groups: string[]; extra: Record<string, string[]> };
  userInfo: { username: string; groups: string[] };
  resourceRules: { verbs: string[] }[];
  resources: { name: string }[];
  groups: { name: string }[];
  preferredVersion: { groupVersion: string };
  columnDefinitions: { name: string }[];
  rows: { cells: unknown[]; object: { kind: string } }[];
  major: string;
  minor: string;
  gitVersion: string;
}

export interface TestAnswer {
  status: number;
  headers: Record<string, string>;
  text: string;
  /** The body, parsed. */
  json: Loose;
}

export interface TestServerOptions {
  clock?: Clock;
  watchCache?: Partial<WatchCacheLimits>;
  deps?: Partial<ApiServerDeps> | ((catalog: KindCatalog) => Partial<ApiServerDeps>);
  namespaces?: readonly string[];
  /** `--authorization-mode`. Default: AlwaysAllow. */
  modes?: readonly AuthorizationMode[];
  /** The store of another server, for several servers on one store. Whoever opened it closes it. */
  store?: Store;
  /** Selects the cluster IPs and node ports of services. Default Math.random. */
  random?: () => number;
  /** Default: 10.96.0.0/16 and 30000-32767. */
  ranges?: Partial<ServiceAllocatorOptions>;
  /** Records the events of the repair of cluster IPs and node ports. */
  events?: ServiceAllocatorDeps['events'];
  /** The folder of its store. Default: a temporary folder. */
  folder?: string;
  /** Default: the plugins that are on by default. */
  admissionPlugins?: PluginChoice;
  /** Default: no configuration. */
  admissionSettings?: AdmissionSettings;
  /** See {@link ApiServerOptions}. */
  tokens?: Partial<TokenOptions>;
  /** See {@link ApiServerOptions}. */
  authentication?: AuthenticationOptions;
  /** See {@link ApiServerOptions}. */
  inflight?: InflightLimits;
  /** See {@link ApiServerOptions}. */
  audit?: AuditOptions;
  /** Default true; see {@link ApiServerOptions}. */
  freezeCached?: boolean;
}

let keys: Promise<{ privateKey: string; publicKey: string }> | undefined;

export async function startTestServer(options: TestServerOptions = {}): Promise<TestServer> {
  const folder = options.folder ?? (await mkdtemp(join(tmpdir(), 'apiserver-test-')));
  const store = options.store ?? (await createSqliteStore({ path: join(folder, 'state.db') }));
  const clock = options.clock ?? systemClock;
  const log = silentLog;
  keys ??= createTokenKey();
  const issuer = 'https://kubernetes.default.svc.cluster.local';
  const services = createServiceAllocator(
    { store, clock, log, random: options.random ?? Math.random, events: options.events },
    { serviceCidr: '10.96.0.0/16', ...options.ranges },
  );
  const authorization = createAuthorization(options.modes ?? ['AlwaysAllow']);
  const components = new ComponentChecks(clock);
  components.add('etcd-0', storeCheck(store));
  const certificates = new CertificateDurationMetrics();
  const catalog = createBuiltInCatalog({ clock, services, certificates, components, authorization, random: Math.random });
  const deps = typeof options.deps === 'function' ? options.deps(catalog) : options.deps;
  const admissionMetrics = new AdmissionMetrics();
  const server = createApiServer(
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
        clock,
        createNamespace: async (name) => await createNamespace(started.client, name),
        authorizer: authorization.authorizer,
        catalog: catalog.resources,
        choice: options.admissionPlugins,
        settings: options.admissionSettings,
        convert: (object, from, to) => catalog.convert(object, from, to),
      }),
      authorization,
      ...deps,
    },
    {
      build: { version: '0.1.0' },
      metrics: certificates.all,
      freezeCached: options.freezeCached ?? true,
      tokens: { ...(await keys), issuer, audiences: [issuer], ...options.tokens },
      ...(options.authentication === undefined ? {} : { authentication: options.authentication }),
      ...(options.audit === undefined ? {} : { audit: options.audit }),
      ...(options.inflight === undefined ? {} : { inflight: options.inflight }),
      ...(options.watchCache === undefined ? {} : { watchCache: options.watchCache }),
    },
  );
  const stopping = new AbortController();
  const running = server.run(stopping.signal);
  await server.ready;
  const as = (user: UserInfo): TestRequest => {
    const send = inProcessTransport(server, user);
    return async (method, path, body, headers = {}) => {
      const bytes =
        body === undefined
          ? undefined
          : body instanceof Uint8Array
            ? body
            : Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
      const all = {
        'user-agent': 'test/1.0',
        ...(bytes === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      };
      return await answerOf(await send({ method, path, headers: all, body: bytes }));
    };
  };
  const started: TestServer = {
    server,
    store,
    client: createClient(inProcessTransport(server, admin), { userAgent: 'test/1.0' }),
    request: as(admin),
    as,
    async stop() {
      stopping.abort();
      await running;
      if (options.store === undefined) await store.close();
      if (options.folder === undefined) await rm(folder, { recursive: true, force: true });
    },
  };
  for (const name of options.namespaces ?? ['default']) {
    await started.request('POST', '/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
  }
  return started;
}

async function answerOf(response: TransportResponse): Promise<TestAnswer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of response.body) chunks.push(chunk);
  const text = Buffer.concat(chunks).toString('utf8');
  const isJson = response.headers['content-type']?.startsWith('application/json') === true && text !== '';
  return { status: response.status, headers: response.headers, text, json: (isJson ? JSON.parse(text) : undefined) as Loose };
}
