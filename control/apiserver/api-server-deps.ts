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
  /** The kinds that are served at first. From now on only this server changes the catalog. */
  catalog: KindCatalog<RestKind>;
  patcher: ObjectPatcher;
  /** Called for every write and connect, in this order; see admission/plugins/index.ts. */
  admission: readonly AdmissionPlugin[];
  /** What admission counts. Absent: nothing is counted. */
  admissionMetrics?: AdmissionMetrics | undefined;
  /** Calls conversion webhooks of custom resources. Default: a `WebhookCaller` of its own. */
  webhooks?: Pick<WebhookCaller, 'post'>;
  /** Receives the stored values that cannot be decoded. */
  leftOut?: LeftOutReporter;
  /** Who may do what. Default: `alwaysAllow`. */
  authorization?: Pick<Authorization, 'authorizer' | 'anonymous' | 'followers'>;
  /** Default: priority levels with the limits of the options. */
  flowControl?: FlowControl;
  /** A number in [0, 1). Default: Math.random. */
  random?: () => number;
  /** Serves `/openapi/…`; undefined for paths it does not know. */
  openapi?: (request: TransportRequest) => Promise<TransportResponse | undefined>;
  /** What is served below `/debug/`. */
  debug?: DebugPages;
  /** Serves logs, exec and proxies, over plain requests and upgraded connections. */
  proxy?: StreamProxy;
  /** Passes requests on that other servers answer. */
  aggregation?: Aggregation;
}

/** What may be chosen about an API server. */
export interface ApiServerOptions {
  /** Our own version, for `/version`. */
  build: { version: string; commit?: string; date?: string };
  /** Absent: service-account tokens are neither issued nor accepted. */
  tokens?: TokenOptions;
  /** Who else is known, and how. Default: client certificates and service accounts; anonymous requests are let in. */
  authentication?: AuthenticationOptions;
  /** The address at which clients reach the server, for the legacy `/api` document: `10.0.0.1:6443`. */
  serverAddress?: string;
  watchCache?: Partial<WatchCacheLimits>;
  /** How many requests are served at a time. Default: upstream's, 400 and 200; 0 and 0: any number. */
  inflight?: InflightLimits;
  /** `--etcd-compaction-interval`; 0: history is kept for ever. Default: 5 minutes. */
  compactionIntervalMs?: number;
  /** `--enable-priority-and-fairness`: the limits are divided among priority levels. Default true. */
  isFair?: boolean;
  /** `--audit-…`. Absent: nothing is audited. */
  audit?: AuditOptions | undefined;
  /** Deep-freezes cached objects, so that a handler that changes one fails; for tests. */
  freezeCached?: boolean;
  /** More metrics for `/metrics`: those of the process. */
  metrics?: readonly Metric[];
}
