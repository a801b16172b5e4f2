/** The API server of this process, made of its parts. */
import type { Logger } from 'pino';
import { createOpenApi } from '#api/schema/openapi.ts';
import type { Client } from '#client/client.ts';
import { type Clock } from '#client/clock.ts';
import { type LeftOutReporter } from '#client/left-out.ts';
import { createClient } from '#client/rest-client.ts';
import { AdmissionMetrics } from './apiserver/admission/admission-metrics.ts';
import { admissionPlugins } from './apiserver/admission/plugins/index.ts';
import { createNamespace } from './apiserver/admission/plugins/namespace-auto-provision.ts';
import { Aggregation } from './apiserver/aggregation/aggregation.ts';
import { type ApiServer, createApiServer } from './apiserver/api-server.ts';
import { componentUser } from './apiserver/authentication/component-users.ts';
import { type ReplaceableAuthorization } from './apiserver/authorization/modes.ts';
import { openApiRoute } from './apiserver/discovery/openapi-route.ts';
import { inProcessTransport } from './apiserver/in-process-transport.ts';
import { createBuiltInCatalog } from './apiserver/kinds/built-in-catalog.ts';
import { CertificateDurationMetrics } from './apiserver/kinds/certificates/certificatesigningrequest/duration-metrics.ts';
import { ComponentChecks } from './apiserver/kinds/core/componentstatus/component-checks.ts';
import { type ServiceAllocator } from './apiserver/kinds/core/service/allocator.ts';
import { createObjectPatcher } from './apiserver/patch/object-patcher.ts';
import { Proxies } from './apiserver/proxy/proxies.ts';
import { DebugPages } from './apiserver/serving/debug-pages.ts';
import type { ServerOptions } from './server-options.ts';
import type { ServerKeys } from './server-pki.ts';
import type { Store } from './store/store.ts';

/** What the API server is made of, besides its options. */
export interface ApiServerParts {
  options: ServerOptions;
  store: Store;
  clock: Clock;
  log: Logger;
  keys: Pick<ServerKeys, 'tokens' | 'requestHeader'>;
  allocator: ServiceAllocator;
  components: ComponentChecks;
  debug: DebugPages;
  proxy: Proxies;
  aggregation: Aggregation;
  leftOut: LeftOutReporter;
  authorization: ReplaceableAuthorization;
}

/** Puts the API server together: kinds, admission, OpenAPI and the rest, by the flags. */
export function buildApiServer({
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
  leftOut,
  authorization,
}: ApiServerParts): ApiServer {
  const { issuer = `https://kubernetes.default.svc.${options.clusterDomain}`, ...tokens } = options.tokens;
  const certificates = new CertificateDurationMetrics();
  const catalog = createBuiltInCatalog({
    clock,
    services: allocator,
    certificates,
    components,
    authorization,
    random: Math.random,
  });
  const openApi = createOpenApi(catalog.resources, options.version, options.descriptions);
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
        createNamespace: async (name) => await createNamespace(ownClient(server, clock), name),
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
      tokens: { ...keys.tokens, audiences: [issuer, ...(tokens.otherIssuers ?? [])], ...tokens, issuer },
      authentication: { ...options.authentication, requestHeader: keys.requestHeader },
      serverAddress: `${options.advertiseAddress}:${options.securePort}`,
      metrics: [...options.metrics, ...certificates.all],
      inflight: options.inflight,
      compactionIntervalMs: options.compactionIntervalMs,
      isFair: options.isFair,
      audit: options.audit,
    },
  );
  return server;
}

/** As the API server itself. */
const ownClient = (server: ApiServer, clock: Clock): Client =>
  createClient(inProcessTransport(server, componentUser('apiserver')), { userAgent: 'kube-apiserver', clock });
