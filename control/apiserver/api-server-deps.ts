/** The dependencies and the options of an API server. */

import type { Metric } from 'prom-client';
import type { Clock } from '#client/clock.ts';
import type { LeftOutReporter } from '#client/left-out.ts';
import type { TransportRequest, TransportResponse } from '#client/transport.ts';
import type { Store } from '#control/store/store.ts';
import type { AdmissionMetrics } from './admission/admission-metrics.ts';
import type { AdmissionPlugin } from './admission/plugin.ts';
import type { WebhookCaller } from './admission/webhooks/webhook-call.ts';
import type { Aggregation } from './aggregation/aggregation.ts';
import type { AuditOptions } from './audit/auditor.ts';
import type { AuthenticationOptions } from './authentication/create-authentication.ts';
import type { TokenOptions } from './authentication/service-account-tokens.ts';
import type { Authorization } from './authorization/modes.ts';
import type { WatchCacheLimits } from './cache/watch-cache.ts';
import type { KindCatalog } from './catalog.ts';
import type { ObjectPatcher } from './patch/patch.ts';
import type { StreamProxy } from './proxy/stream-proxy.ts';
import type { RestKind } from './rest/exchange.ts';
import type { DebugPages } from './serving/debug-pages.ts';
import type { FlowControl, InflightLimits } from './serving/inflight.ts';
import type { ServerLog } from './serving/server-log.ts';

/** What an API server needs. */
export interface ApiServerDeps {
  store: Store;
  clock: Clock;
  log: ServerLog;
  /** The kinds that are served at the start. Afterwards only this server changes the catalog. */
  catalog: KindCatalog<RestKind>;
  patcher: ObjectPatcher;
  /** Called for every write and connect, in this order; see admission/plugins/index.ts. */
  admission: readonly AdmissionPlugin[];
  /** Metrics of admission. Absent: nothing is counted. */
  admissionMetrics?: AdmissionMetrics | undefined;
  /** Calls conversion webhooks of custom resources. Default: a `WebhookCaller` of its own. */
  webhooks?: Pick<WebhookCaller, 'post'>;
  /** Called with stored values that cannot be decoded. */
  leftOut?: LeftOutReporter;
  /** Authorization. Default: `alwaysAllow`. */
  authorization?: Pick<Authorization, 'authorizer' | 'anonymous' | 'followers'>;
  /** Default: priority levels with the limits of the options. */
  flowControl?: FlowControl;
  /** A number in [0, 1). Default: Math.random. */
  random?: () => number;
  /** Serves `/openapi/…`; undefined for paths it does not know. */
  openapi?: (request: TransportRequest) => Promise<TransportResponse | undefined>;
  /** Serves `/debug/…`. */
  debug?: DebugPages;
  /** Serves logs, exec and proxies, for plain requests and upgraded connections. */
  proxy?: StreamProxy;
  /** Forwards requests to aggregated servers. */
  aggregation?: Aggregation;
}

/** The options of an API server. */
export interface ApiServerOptions {
  /** Our own version, for `/version`. */
  build: { version: string; commit?: string; date?: string };
  /** Absent: service-account tokens are neither issued nor accepted. */
  tokens?: TokenOptions;
  /** The options of authentication. Default: client certificates and service accounts, with anonymous requests. */
  authentication?: AuthenticationOptions;
  /** The server's address for clients, in the legacy `/api` document: `10.0.0.1:6443`. */
  serverAddress?: string;
  watchCache?: Partial<WatchCacheLimits>;
  /** The maximum number of concurrent requests. Default: upstream's, 400 and 200. 0 and 0: no limit. */
  inflight?: InflightLimits;
  /** `--etcd-compaction-interval`; 0: history is kept forever. Default: 5 minutes. */
  compactionIntervalMs?: number;
  /** `--enable-priority-and-fairness`: the limits are divided among priority levels. Default true. */
  isFair?: boolean;
  /** `--audit-…`. Absent: nothing is audited. */
  audit?: AuditOptions | undefined;
  /** For tests: deep-freezes cached objects, so that a handler that changes one fails. */
  freezeCached?: boolean;
  /** Further metrics for `/metrics`: those of the process. */
  metrics?: readonly Metric[];
}
