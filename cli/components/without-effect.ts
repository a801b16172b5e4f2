/** Flags of upstream that several components accept although there is nothing here that they could change. */
import type { WithoutEffect } from './flag-set.ts';

const gates = 'there are no feature gates here: what upstream has on by default is on';

/** Of all components. */
export const withoutEffectAnywhere: WithoutEffect = {
  'feature-gates': { why: gates },
  'emulated-version': { why: 'only Kubernetes 1.36 is spoken here' },
  'emulation-forward-compatible': { type: 'bool', why: 'only Kubernetes 1.36 is spoken here' },
  'min-compatibility-version': { why: 'only Kubernetes 1.36 is spoken here' },
  'log-flush-frequency': { why: 'each line of the log is written at once' },
  'log-json-info-buffer-size': { why: 'each line of the log is written at once' },
  'log-json-split-stream': { type: 'bool', why: 'the log is one stream' },
  'log-text-info-buffer-size': { why: 'the log is JSON' },
  'log-text-split-stream': { type: 'bool', why: 'the log is JSON' },
  'logging-format': { why: 'the log is JSON' },
  vmodule: { why: 'the log has one level for all files' },
  'show-hidden-metrics-for-version': { why: 'no metrics are hidden' },
  'disabled-metrics': { why: 'metrics cannot be switched off' },
  'allow-metric-labels': { why: 'labels of metrics cannot be chosen' },
  'allow-metric-labels-manifest': { why: 'labels of metrics cannot be chosen' },
  'disable-http2-serving': { type: 'bool', why: 'HTTP/2 is always offered, with the limits of upstream against its abuse' },
  'http2-max-streams-per-connection': { why: 'a connection may have as many streams as upstream allows by default' },
  'permit-address-sharing': { type: 'bool', why: 'addresses are not shared' },
  'permit-port-sharing': { type: 'bool', why: 'ports are not shared' },
  profiling: { type: 'bool', why: 'no profiles are served: there is no /debug/pprof' },
  'contention-profiling': { type: 'bool', why: 'no profiles are served: there is no /debug/pprof' },
};

/** Of components that are clients of the API server. */
export const withoutEffectInClients: WithoutEffect = {
  'kube-api-qps': { why: 'a client sends what it has; the API server shares its time by priority and fairness' },
  'kube-api-burst': { why: 'a client sends what it has; the API server shares its time by priority and fairness' },
  'kube-api-content-type': { why: 'clients speak JSON' },
};
