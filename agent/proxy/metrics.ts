/** The proxy's metrics, under upstream's names. Source: kubernetes `pkg/proxy/metrics/metrics.go`. */
import { Counter, exponentialBuckets, Gauge, Histogram, linearBuckets, type Metric } from 'prom-client';

const ipFamily = ['ip_family'] as const;
const name = (end: string): string => `kubeproxy_${end}`;

const histogram = (end: string, help: string, buckets: number[] = exponentialBuckets(0.001, 2, 15)) =>
  new Histogram({ name: name(end), help, labelNames: ipFamily, buckets, registers: [] });
const gauge = <L extends string>(end: string, help: string, labelNames: readonly L[]) =>
  new Gauge({ name: name(end), help, labelNames, registers: [] });
const counter = <L extends string>(end: string, help: string, labelNames: readonly L[]) =>
  new Counter({ name: name(end), help, labelNames, registers: [] });

/** Each metric by what it measures; times are in seconds. */
export const proxyMetrics = {
  syncSeconds: histogram('sync_proxy_rules_duration_seconds', 'SyncProxyRules latency in seconds'),
  fullSyncSeconds: histogram('sync_full_proxy_rules_duration_seconds', 'SyncProxyRules latency in seconds for full resyncs'),
  partialSyncSeconds: histogram(
    'sync_partial_proxy_rules_duration_seconds',
    'SyncProxyRules latency in seconds for partial resyncs',
  ),
  lastSync: gauge('sync_proxy_rules_last_timestamp_seconds', 'The last time proxy rules were successfully synced', ipFamily),
  lastQueued: gauge('sync_proxy_rules_last_queued_timestamp_seconds', 'The last time a sync of proxy rules was queued', ipFamily),
  programmingSeconds: histogram('network_programming_duration_seconds', 'In Cluster Network Programming Latency in seconds', [
    0.25,
    0.5,
    ...linearBuckets(1, 1, 59),
    ...linearBuckets(60, 5, 12),
    ...linearBuckets(120, 30, 7),
  ]),
  endpointChangesPending: gauge('sync_proxy_rules_endpoint_changes_pending', 'Pending proxy rules Endpoint changes', []),
  endpointChanges: counter('sync_proxy_rules_endpoint_changes_total', 'Cumulative proxy rules Endpoint changes', []),
  serviceChangesPending: gauge('sync_proxy_rules_service_changes_pending', 'Pending proxy rules Service changes', []),
  serviceChanges: counter('sync_proxy_rules_service_changes_total', 'Cumulative proxy rules Service changes', []),
  iptablesRules: gauge('sync_proxy_rules_iptables_total', 'Total number of iptables rules owned by kube-proxy', [
    'table',
    ...ipFamily,
  ]),
  iptablesRulesLast: gauge('sync_proxy_rules_iptables_last', 'Number of iptables rules written by kube-proxy in last sync', [
    'table',
    ...ipFamily,
  ]),
  iptablesFailures: counter(
    'sync_proxy_rules_iptables_restore_failures_total',
    'Cumulative proxy iptables restore failures',
    ipFamily,
  ),
  iptablesPartialFailures: counter(
    'sync_proxy_rules_iptables_partial_restore_failures_total',
    'Cumulative proxy iptables partial restore failures',
    ipFamily,
  ),
  nftablesFailures: counter('sync_proxy_rules_nftables_sync_failures_total', 'Cumulative proxy nftables sync failures', ipFamily),
  noLocalEndpoints: gauge(
    'sync_proxy_rules_no_local_endpoints_total',
    'Number of services with a Local traffic policy and no endpoints',
    ['traffic_policy', ...ipFamily],
  ),
  healthz: counter('proxy_healthz_total', 'Cumulative proxy healthz HTTP status', ['code']),
  livez: counter('proxy_livez_total', 'Cumulative proxy livez HTTP status', ['code']),
  conntrackSeconds: histogram('conntrack_reconciler_sync_duration_seconds', 'ReconcileConntrackFlowsLatency latency in seconds'),
  conntrackDeleted: counter(
    'conntrack_reconciler_deleted_entries_total',
    'Cumulative conntrack flows deleted by conntrack reconciler',
    ipFamily,
  ),
} as const;

/** All of {@link proxyMetrics}, for the registry of a process. */
export const allProxyMetrics: readonly Metric[] = Object.values(proxyMetrics);
